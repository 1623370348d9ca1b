package audit

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Gateway is what an audit asks of a gateway.
type Gateway interface {
	ports.Ledger

	LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup
	Capabilities() payment.Capabilities
}

// Payments is the repository that an audit reads.
type Payments interface {
	ports.Summaries

	FindOperation(ctx context.Context, ref payment.Ref) (payment.Payment, error)
}

// Settings are those of one audit.
type Settings struct {
	// From (inclusive) and To (exclusive) are the period.
	From, To time.Time
	// Late is how long an attempt without an answer may still charge: the margin with which the list is
	// read, and the age from which something is compared.
	Late time.Duration
	// LookupsPerSecond limits the queries at the gateway; it is above zero.
	LookupsPerSecond int
	// Progress is called after each page and each lookup; nil for nothing.
	Progress func(Progress)
}

// ErrNothingYet: the period has no part that is old enough to be compared.
var ErrNothingYet = errors.New("the period is too recent: what is younger than PAYMENTD_LATE, plus the lookup lag of the gateway, is not compared")

// Run compares a gateway's list with the payments. The error is [ErrNothingYet], ports.ErrNoLedger, or
// that of a page that could not be read after several tries.
func Run(ctx context.Context, gateway Gateway, payments Payments, s Settings) (Report, error) {
	return newAudit(gateway, payments, s).run(ctx)
}

// audit is one run.
type audit struct {
	Settings

	gateway      Gateway
	payments     Payments
	capabilities payment.Capabilities
	seed         maphash.Seed
	maxCharges   int
	lookups      pacer
	report       Report

	candidates map[payment.OrderID]*candidate
	count      int // of the charges and the payments in candidates
	inFlight   map[payment.OrderID]InFlight
	// shared are the hashes of transactions that several orders may have, and sharedPages the pages of the
	// list that have them.
	shared      []uint64
	sharedPages []int32
	// cursors are those of the pages of the latest pass; nil if they are too long to be kept.
	cursors     []string
	cursorBytes int
	// settledBefore is the time until which what has changed is old enough to be compared.
	settledBefore time.Time
	// of is the number of parts of the latest pass.
	of uint64
}

func (a *audit) run(ctx context.Context) (Report, error) {
	if !a.report.From.Before(a.report.To) {
		return Report{}, ErrNothingYet
	}
	if err := a.compareAll(ctx); err != nil {
		return Report{}, err
	}
	if err := a.findShared(ctx); err != nil {
		return Report{}, err
	}
	if err := a.confirmAll(ctx); err != nil {
		return Report{}, err
	}
	return a.report, nil
}

// candidate is an order with charges that do not agree with its payment.
type candidate struct {
	order   payment.OrderID
	charges []payment.LedgerCharge
	// uncharged: the payment has succeeded, and the list does not have its charge.
	uncharged bool
	payment   payment.Summary // zero if there was none
	// sums: what was captured or refunded of a charge differs, or a refund cannot be read.
	sums bool
	// paid: the list has the charge that the payment names.
	paid bool
	// problem says what is wrong with the row of the payment; empty if it can be read.
	problem string
	// covered: a difference of another order reports what is found here.
	covered bool
}

func newAudit(gateway Gateway, payments Payments, s Settings) *audit {
	capabilities := gateway.Capabilities()
	to := s.To
	latest := time.Now().Add(-s.Late - capabilities.LookupLag)
	if latest.Before(to) {
		to = latest
	}
	return &audit{
		Settings: s, gateway: gateway, payments: payments, capabilities: capabilities,
		seed: maphash.MakeSeed(), maxCharges: maxCharges,
		lookups: pacer{interval: time.Second / time.Duration(s.LookupsPerSecond)},
		report:  Report{Gateway: capabilities.Gateway, From: s.From, To: to},

		settledBefore: latest,

		candidates: make(map[payment.OrderID]*candidate),
		inFlight:   make(map[payment.OrderID]InFlight),
	}
}

// errFull: the list has more charges than may be kept. errTooMany: there are more candidates than may be
// confirmed.
var (
	errFull    = errors.New("too many charges for one pass")
	errTooMany = errors.New("too many candidates")
)

// compareAll compares both sides, in one pass or, if there are too many charges, in several.
func (a *audit) compareAll(ctx context.Context) error {
	for work := []part{{of: 1}}; len(work) > 0; {
		a.of = work[0].of
		switch err := a.pass(ctx, work[0]); {
		case errors.Is(err, errFull):
			var halves []part
			for _, p := range work {
				one, other := p.halve()
				halves = append(halves, one, other)
			}
			work = halves
		case errors.Is(err, errTooMany):
			a.report.Truncated = true
			return nil
		case err != nil:
			return err
		default:
			work = work[1:]
		}
	}
	return nil
}

// pass compares the charges and the payments of one part of the orders.
func (a *audit) pass(ctx context.Context, p part) error {
	list := &listed{part: p, seed: a.seed, max: a.maxCharges}
	var count counted
	a.cursors, a.cursorBytes = make([]string, 0), 0
	err := a.eachCharges(ctx, PhaseCharges, func(number int, cursor string, page []payment.LedgerCharge) error {
		a.keepCursor(cursor)
		compared, err := a.listPage(list, number, page, &count)
		if err != nil {
			return err
		}
		return a.compareCharges(ctx, compared)
	})
	if err != nil {
		return err
	}
	a.report.Charges, a.report.Foreign, a.report.WithoutSums = count.charges, count.foreign, count.withoutSums
	list.complete()
	if err := a.comparePayments(ctx, list); err != nil {
		return err
	}
	for _, c := range a.candidates {
		if list.has(list.ofOrder(c.order)) {
			c.paid = c.payment.State.Approved() && list.charged(c.order, c.payment.TransactionID)
		}
	}
	hashes, pages := list.shared()
	a.addShared(hashes, pages)
	return nil
}

// counted are the charges of the period, foreign those of them that name no order, and withoutSums those that took
// money and of which the list does not say how much was captured, or how much was refunded.
type counted struct{ charges, foreign, withoutSums int }

// listPage adds the charges of a page to the list, counts those of the period, and returns which of them to
// compare. The error is errFull.
func (a *audit) listPage(
	list *listed, number int, page []payment.LedgerCharge, count *counted,
) ([]payment.LedgerCharge, error) {
	compared := make([]payment.LedgerCharge, 0, len(page))
	for _, c := range page {
		within := !c.Created.Before(a.report.From) && c.Created.Before(a.report.To)
		switch {
		case c.OrderID == "" && within:
			count.foreign++
		case c.OrderID == "":
		case approved(c.State) && c.TransactionID != "" && !list.add(c.OrderID, c.TransactionID, number):
			return nil, errFull
		case within:
			count.charges++
			if c.State == payment.FoundApproved && (!c.Captured.Listed || !c.Refunded.Listed) {
				count.withoutSums++
			}
			if list.has(list.ofOrder(c.OrderID)) {
				compared = append(compared, c)
			}
		}
	}
	return compared, nil
}

// keepCursor keeps the cursor of a page, unless they are too long together.
func (a *audit) keepCursor(cursor string) {
	if a.cursorBytes += len(cursor); a.cursorBytes > maxCursorBytes {
		a.cursors = nil
	}
	if a.cursors != nil {
		a.cursors = append(a.cursors, cursor)
	}
}

// addShared adds transactions that several orders may have, and the pages that list them.
func (a *audit) addShared(hashes []uint64, pages []int32) {
	if len(a.shared)+len(hashes) <= maxShared {
		a.shared, a.sharedPages = append(a.shared, hashes...), append(a.sharedPages, pages...)
	}
}

// compareCharges compares charges with the payments of their orders.
func (a *audit) compareCharges(ctx context.Context, charges []payment.LedgerCharge) error {
	for chunk := range slices.Chunk(charges, ports.MaxSummaries) {
		orders := make([]payment.OrderID, 0, len(chunk))
		for _, c := range chunk {
			orders = append(orders, c.OrderID)
		}
		page, err := a.find(ctx, orders)
		if err != nil {
			return err
		}
		stored := make(map[payment.OrderID]payment.Summary, len(page.Summaries))
		for _, s := range page.Summaries {
			stored[s.OrderID] = s
		}
		for _, damaged := range page.Unreadable {
			if err := a.addUnreadable(damaged); err != nil {
				return err
			}
		}
		refunds, err := a.refundsOf(ctx, chunk, stored)
		if err != nil {
			return err
		}
		for _, c := range chunk {
			if err := a.compareCharge(c, stored[c.OrderID], refunds[ofCharge{c.OrderID, c.Key}]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *audit) compareCharge(c payment.LedgerCharge, s payment.Summary, refunds Refunds) error {
	kind, differ := classify(c, s, a.report.Gateway, false), false
	if kind == "" {
		kind, differ = a.classifySums(c, s, refunds), true
	}
	if kind == inFlight {
		a.addInFlight(InFlight{Payment: s, Charge: c, Refunds: refunds})
	}
	if kind == "" || kind == inFlight {
		return nil
	}
	found, err := a.candidate(c.OrderID)
	if err != nil {
		return err
	}
	if found.problem != "" || slices.ContainsFunc(found.charges, func(other payment.LedgerCharge) bool {
		return other.Key == c.Key && other.TransactionID == c.TransactionID && other.State == c.State
	}) {
		return nil
	}
	found.payment, found.sums = s, found.sums || differ
	found.charges = append(found.charges, c)
	a.count++
	return nil
}

// comparePayments looks for the charge of each payment that was created in the period and is approved.
func (a *audit) comparePayments(ctx context.Context, list *listed) error {
	payments, elsewhere := 0, 0
	err := a.eachSummaries(ctx, func(page ports.SummaryPage) error {
		for _, damaged := range page.Unreadable {
			if err := a.addUnreadable(damaged); err != nil {
				return err
			}
		}
		payments += len(page.Summaries)
		for _, s := range page.Summaries {
			switch {
			case s.Gateway != "" && s.Gateway != a.report.Gateway:
				elsewhere++
			case !list.has(list.ofOrder(s.OrderID)):
			case s.State.Approved() && list.charged(s.OrderID, s.TransactionID):
			case s.State.Approved():
				if err := a.addUncharged(s, list); err != nil {
					return err
				}
			case !s.State.Final():
				a.addInFlight(InFlight{Payment: s})
			}
		}
		return nil
	})
	if err == nil {
		a.report.Payments, a.report.ElsewherePayments = payments, elsewhere
	}
	return err
}

// addUncharged adds a payment without a charge. If another order has its transaction, or may have it in
// another part of the list, the orders of the transaction are read later.
func (a *audit) addUncharged(s payment.Summary, list *listed) error {
	c, err := a.candidate(s.OrderID)
	if err != nil {
		return err
	}
	if !c.uncharged {
		a.count++
	}
	c.uncharged, c.payment = true, s
	if pages := list.pagesOf(s.TransactionID); list.of > 1 || len(pages) > 0 {
		a.addShared([]uint64{list.ofTransaction(s.TransactionID)}, pages)
	}
	return nil
}

func (a *audit) addUnreadable(damaged *payment.StoredRowError) error {
	c, err := a.candidate(damaged.OrderID)
	if err != nil {
		return err
	}
	if c.problem == "" {
		a.count++
	}
	c.problem = damaged.Error()
	return nil
}

// candidate returns the candidate of an order, or errTooMany if there is no room for one more.
func (a *audit) candidate(order payment.OrderID) (*candidate, error) {
	if a.count >= MaxCandidates {
		return nil, errTooMany
	}
	c, known := a.candidates[order]
	if !known {
		c = &candidate{order: order}
		a.candidates[order] = c
	}
	return c, nil
}

func (a *audit) addInFlight(f InFlight) {
	id := f.Payment.OrderID
	before, known := a.inFlight[id]
	if !known {
		a.report.InFlightCount++
	}
	if known && before.Charge.Key != "" || !known && len(a.inFlight) == maxInFlight {
		return
	}
	a.inFlight[id] = f
}
