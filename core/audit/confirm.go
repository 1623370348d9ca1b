package audit

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// since is when the first charge was made, or the payment created.
func (c *candidate) since() time.Time {
	since := c.payment.CreatedAt
	for _, charge := range c.charges {
		if since.IsZero() || charge.Created.Before(since) {
			since = charge.Created
		}
	}
	return since
}

// confirmAll confirms the candidates one by one, and completes the report.
func (a *audit) confirmAll(ctx context.Context) error {
	candidates := a.sorted()
	uncharged := make(map[payment.GatewayKey]*candidate)
	for _, c := range candidates {
		if c.uncharged {
			uncharged[c.payment.GatewayKey] = c
		}
	}
	for _, c := range candidates {
		if err := a.confirmOtherOrders(ctx, c, uncharged); err != nil {
			return err
		}
	}
	for i, c := range candidates {
		if err := a.confirm(ctx, c); err != nil {
			return err
		}
		a.progress(PhaseConfirm, i+1, float64(i+1)/float64(len(candidates)))
	}
	a.sortReport()
	return nil
}

// sortReport sorts the report by time. A payment with a difference is not in flight.
func (a *audit) sortReport() {
	for _, d := range a.report.Differences {
		if _, listed := a.inFlight[d.OrderID]; listed {
			delete(a.inFlight, d.OrderID)
			a.report.InFlightCount--
		}
	}
	slices.SortStableFunc(a.report.Differences, func(x, y Difference) int {
		return cmp.Or(x.since().Compare(y.since()), cmp.Compare(x.OrderID, y.OrderID), cmp.Compare(x.Key, y.Key))
	})
	a.report.InFlight = slices.SortedFunc(maps.Values(a.inFlight), func(x, y InFlight) int {
		return cmp.Or(x.Payment.CreatedAt.Compare(y.Payment.CreatedAt), cmp.Compare(x.Payment.OrderID, y.Payment.OrderID))
	})
}

// confirmOtherOrders reports the charges of the order with a key of another order's payment that has no
// charge of its own. It removes them from the candidates.
func (a *audit) confirmOtherOrders(
	ctx context.Context, c *candidate, uncharged map[payment.GatewayKey]*candidate,
) error {
	for _, charge := range slices.Clone(c.charges) {
		owner := uncharged[charge.Key]
		if owner == nil || owner.order == c.order {
			continue
		}
		l, err := a.lookUp(ctx, refOf(charge))
		if err != nil {
			return err
		}
		if updated(charge, l).State != payment.FoundApproved {
			continue // nothing was taken; what is missing is reported with the other order
		}
		a.report.Differences = append(a.report.Differences, Difference{
			Kind: KindOtherOrder, OrderID: charge.OrderID, Others: []payment.OrderID{owner.order},
			Key: charge.Key, Charge: charge, Payment: owner.payment,
			Lookup: l.Result, Confirmed: l.Result == payment.FoundApproved,
		})
		c.charges = slices.DeleteFunc(c.charges, func(other payment.LedgerCharge) bool { return other.Key == charge.Key })
		owner.covered = true
	}
	return nil
}

// confirm looks up the keys of a candidate, reads its payment again, and reports what still differs.
func (a *audit) confirm(ctx context.Context, c *candidate) error {
	if c.covered || len(c.charges) == 0 && !c.uncharged && c.problem == "" {
		return nil
	}
	looked := make(map[payment.GatewayKey]payment.Lookup)
	for _, ref := range a.references(c) {
		l, err := a.lookUp(ctx, ref)
		if err != nil {
			return err
		}
		looked[ref.Key] = l
	}
	p, err := a.readAgain(ctx, c)
	if err != nil {
		return err
	}
	refunds, again, err := a.readSumsAgain(ctx, c, p)
	if err != nil {
		return err
	}
	if c.problem != "" {
		a.report.Differences = append(a.report.Differences, Difference{
			Kind: KindUnreadable, OrderID: c.order, Problem: c.problem,
		})
		return nil
	}
	own := looked[p.GatewayKey]
	c.paid = a.isPaid(c, p, own)
	if err := a.dropRefunded(ctx, c); err != nil {
		return err
	}
	if !a.confirmCharges(c, p, known{looked, refunds, again}) {
		a.confirmUncharged(c, p, own)
	}
	return nil
}

// isPaid reports whether the gateway has the charge that the payment, as it is now, succeeded with. own is the lookup of
// its key.
func (a *audit) isPaid(c *candidate, p payment.Summary, own payment.Lookup) bool {
	switch {
	case c.paid && p.TransactionID == c.payment.TransactionID: // the list has it
		return true
	case p.Gateway != "" && p.Gateway != a.report.Gateway: // the audit of the other gateway checks that
		return true
	}
	return approved(own.Result) && own.TransactionID == p.TransactionID
}

// dropRefunded removes second charges that the service has given back.
func (a *audit) dropRefunded(ctx context.Context, c *candidate) (err error) {
	c.charges = slices.DeleteFunc(c.charges, func(charge payment.LedgerCharge) bool {
		if err != nil || charge.State != payment.FoundApproved || charge.Key == "" {
			return false
		}
		ref := payment.Ref{OrderID: c.order, Operation: payment.SecondRefundID(charge.Key)}
		var refund payment.Payment
		refund, err = retry(ctx, func() (payment.Payment, error) { return a.payments.FindOperation(ctx, ref) })
		if errors.Is(err, ports.ErrNotFound) {
			err = nil
		}
		return err == nil && refund.State == payment.StateSucceeded && refund.Of.TransactionID == charge.TransactionID &&
			refund.Money == charge.Money
	})
	return err
}

// references returns what must be looked up of a candidate: each charge, and the charge that the
// payment names, unless the list has it or it is another gateway's.
func (a *audit) references(c *candidate) (refs []payment.ChargeRef) {
	if c.problem != "" {
		return nil
	}
	add := func(ref payment.ChargeRef) {
		if ref.Key != "" && !slices.ContainsFunc(refs, func(r payment.ChargeRef) bool { return r.Key == ref.Key }) {
			refs = append(refs, ref)
		}
	}
	for _, charge := range c.charges {
		add(refOf(charge))
	}
	p := c.payment
	if p.State.Approved() && !c.paid && (p.Gateway == "" || p.Gateway == a.report.Gateway) {
		add(payment.ChargeRef{Key: p.GatewayKey, OrderID: p.OrderID, Money: p.Money, Sent: p.CreatedAt})
	}
	return refs
}

func refOf(c payment.LedgerCharge) payment.ChargeRef {
	return payment.ChargeRef{Key: c.Key, OrderID: c.OrderID, Money: c.Money, Reference: c.Reference, Sent: c.Created}
}

// lookUp asks the gateway for a key, several times if it does not answer, at a limited rate. A charge
// that is listed without a key cannot be looked up. The error is that of ctx.
func (a *audit) lookUp(ctx context.Context, ref payment.ChargeRef) (payment.Lookup, error) {
	if ref.Key == "" {
		return payment.Lookup{}, nil
	}
	for tries, pause := 1, firstPause; ; tries, pause = tries+1, 2*pause {
		if err := a.lookups.wait(ctx); err != nil {
			return payment.Lookup{}, err
		}
		a.report.Lookups++
		l := a.gateway.LookUp(ctx, ref).Sanitized()
		if l.Result != payment.FoundNoAnswer || tries == maxTries {
			return l, ctx.Err()
		}
		if err := sleep(ctx, pause); err != nil {
			return l, err
		}
	}
}

// readAgain returns the payment as it is now; zero if there is none. If its row cannot be read, the
// candidate has the problem.
func (a *audit) readAgain(ctx context.Context, c *candidate) (payment.Summary, error) {
	page, err := a.find(ctx, []payment.OrderID{c.order})
	switch {
	case err != nil:
		return payment.Summary{}, err
	case len(page.Unreadable) > 0:
		c.problem = page.Unreadable[0].Error()
	case len(page.Summaries) > 0:
		c.problem = ""
		return page.Summaries[0], nil
	}
	return payment.Summary{}, nil
}

// known is what was read of a candidate to confirm it: the lookups of its keys, the sums of its refunds, and the keys of the
// charges that the list has, and whose sums are those of the list now.
type known struct {
	looked  map[payment.GatewayKey]payment.Lookup
	refunds sums
	again   map[payment.GatewayKey]bool
}

// confirmCharges reports the charges that still differ from the payment. It returns whether one of them
// has the payment's own key, so that the payment needs no report of its own.
func (a *audit) confirmCharges(c *candidate, p payment.Summary, k known) (ofOwnKey bool) {
	taken := 0
	for _, listed := range c.charges {
		l := k.looked[listed.Key]
		charge := updated(listed, l)
		kind, confirmed := classify(charge, p, a.report.Gateway, c.paid), l.Result == charge.State
		refunds := k.refunds[ofCharge{c.order, charge.Key}]
		if kind == "" && c.sums {
			kind, confirmed = a.classifySums(charge, p, refunds), confirmed && k.again[charge.Key]
		}
		if kind == KindUnknown && charge.State == payment.FoundApproved {
			if taken++; taken > 1 {
				kind = KindTwice
			}
		}
		if kind == inFlight {
			a.addInFlight(InFlight{Payment: p, Charge: charge, Refunds: refunds})
		}
		if kind == "" || kind == inFlight {
			continue
		}
		ofOwnKey = ofOwnKey || listed.Key == p.GatewayKey
		a.report.Differences = append(a.report.Differences, Difference{
			Kind: kind, OrderID: c.order, Key: listed.Key, Charge: charge, Payment: p, Refunds: refunds,
			Lookup: l.Result, Confirmed: confirmed,
		})
	}
	return ofOwnKey
}

// confirmUncharged reports a payment that is approved without a charge, by the lookup of its key.
func (a *audit) confirmUncharged(c *candidate, p payment.Summary, l payment.Lookup) {
	if !c.uncharged || c.paid || !p.State.Approved() {
		return
	}
	d := Difference{
		Kind: KindNotCharged, OrderID: c.order, Key: p.GatewayKey, Payment: p, Lookup: l.Result, Confirmed: true,
	}
	switch l.Result {
	case payment.FoundApproved, payment.FoundAuthorized: // with another transaction
		d.Kind = KindTransaction
		d.Charge = payment.LedgerCharge{
			Key: p.GatewayKey, OrderID: p.OrderID, State: l.Result, TransactionID: l.TransactionID,
		}
	case payment.FoundVoided:
		if p.State == payment.StateAuthorized {
			a.addInFlight(InFlight{Payment: p}) // its daily lookup finds that the hold has ended
			return
		}
		d.Kind = KindVoided
	case payment.FoundPending, payment.FoundProcessing:
		d.Kind = KindPending
	case payment.FoundNothing:
		d.Confirmed = !a.forgotten(p)
	case payment.FoundNoAnswer, "":
		d.Confirmed = false
	case payment.FoundDeclined, payment.FoundReturned:
	}
	a.report.Differences = append(a.report.Differences, d)
}

// forgotten reports whether a lookup may find nothing because the gateway has forgotten the payment's key.
func (a *audit) forgotten(p payment.Summary) bool {
	lifetime := a.capabilities.KeyLifetime
	return a.capabilities.LookupForgets && lifetime > 0 && time.Since(p.CreatedAt) >= lifetime-a.Late
}
