package fake

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"paymentd/core/payment"
)

// ListPages limits the pages of the gateway's list to n charges; by default 100.
func (g *Gateway) ListPages(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listPage = n
}

// Record adds a charge to the ledger as if it had been made before. A second charge with one key is only in
// the list, and a lookup finds the first.
func (g *Gateway) Record(c payment.LedgerCharge) {
	g.mu.Lock()
	defer g.mu.Unlock()
	charge := payment.Charge{Key: c.Key, OrderID: c.OrderID, Money: c.Money}
	e := entry{
		charge: charge, firstUsedAt: c.Created, decidedAt: c.Created, voided: c.State == payment.FoundVoided,
		result: payment.Result{Class: payment.ClassPending, TransactionID: c.TransactionID, Answered: true},
	}
	switch c.State {
	case payment.FoundApproved:
		e.result.Class = payment.ClassApproved
		g.recordTaken(&e, c)
	case payment.FoundAuthorized:
		e.result.Class = payment.ClassAuthorized
		e.hold = &Held{Charge: charge, TransactionID: c.TransactionID, At: c.Created}
		g.held = append(g.held, e.hold)
	case payment.FoundDeclined:
		e.result.Class, e.result.Code = payment.ClassDeclined, "card_declined"
	case payment.FoundPending, payment.FoundProcessing, payment.FoundVoided, payment.FoundReturned,
		payment.FoundNothing, payment.FoundNoAnswer:
	}
	at := slot{payment.KindCharge, c.Key}
	if _, used := g.ledger[at]; !used {
		g.ledger[at] = e
	}
}

// recordTaken adds a charge that took its money, or the listed sum of it, of which the listed sum was refunded.
func (g *Gateway) recordTaken(e *entry, c payment.LedgerCharge) {
	if taken := c.Captured; taken.Listed && taken.Minor < c.Money.Minor() {
		e.hold = &Held{Charge: e.charge, TransactionID: c.TransactionID, At: c.Created, EndedAt: c.Created, Captured: taken.Minor}
		g.held = append(g.held, e.hold)
	} else {
		g.taken = append(g.taken, Taken{e.charge, c.TransactionID, c.Created})
	}
	if refunded, err := payment.MoneyFromMinor(c.Refunded.Minor, c.Money.Currency()); err == nil {
		refund := payment.Charge{
			OrderID: c.OrderID, Money: refunded, Of: payment.ChargeID{Key: c.Key, TransactionID: c.TransactionID},
		}
		g.refunded = append(g.refunded, Refunded{Charge: refund, At: c.Created})
	}
}

// ListWithoutSums makes it a gateway whose list does not say how much was captured and refunded.
func (g *Gateway) ListWithoutSums() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.withoutSums = true
}

// addSums adds how much was captured and refunded to a listed charge that took the amount.
func (g *Gateway) addSums(c *payment.LedgerCharge, captured int64) {
	if g.withoutSums || c.State != payment.FoundApproved {
		return
	}
	refunded := int64(0)
	for _, r := range g.refunded {
		if sameCharge(r.Of, payment.ChargeID{Key: c.Key, TransactionID: c.TransactionID}) && !r.Returned {
			refunded += r.Money.Minor()
		}
	}
	c.Captured, c.Refunded = payment.ListedSum(captured), payment.ListedSum(refunded)
}

// Listing is the gateway together with the list of its charges, ports.Ledger.
type Listing struct{ *Gateway }

// WithList returns the gateway with its list.
func (g *Gateway) WithList() Listing { return Listing{g} }

// Charges implements ports.Ledger. The list is in the order of time.
func (l Listing) Charges(ctx context.Context, q payment.LedgerQuery) (payment.LedgerPage, error) {
	if err := ctx.Err(); err != nil {
		return payment.LedgerPage{}, err
	}
	g := l.Gateway
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.decideDue(now)
	charges := slices.DeleteFunc(g.charges(), func(c payment.LedgerCharge) bool {
		return c.Created.Before(q.From) || !c.Created.Before(q.To) || now.Sub(c.Created) < g.lag
	})
	start := 0
	if q.Cursor != "" {
		var err error
		if start, err = strconv.Atoi(q.Cursor); err != nil || start < 0 || start > len(charges) {
			return payment.LedgerPage{}, errors.New("the cursor is not one of this gateway's")
		}
	}
	end := min(len(charges), start+cmp.Or(g.listPage, defaultListPage))
	page := payment.LedgerPage{Charges: charges[start:end]}
	if end < len(charges) {
		page.Next = strconv.Itoa(end)
	}
	return page, nil
}

const defaultListPage = 100

// charges returns all charges in the order of time: what was taken, and what was not of each key.
func (g *Gateway) charges() []payment.LedgerCharge {
	all := make([]payment.LedgerCharge, 0, len(g.taken))
	for _, t := range g.taken {
		c := payment.LedgerCharge{
			Key: t.Key, OrderID: t.OrderID, Money: t.Money, State: payment.FoundApproved,
			TransactionID: t.TransactionID, Created: t.At,
		}
		g.addSums(&c, t.Money.Minor())
		all = append(all, c)
	}
	for at, e := range g.ledger {
		c := payment.LedgerCharge{
			Key: at.key, OrderID: e.charge.OrderID, Money: e.charge.Money, Reference: e.result.Reference, Created: e.decidedAt,
		}
		switch {
		case e.hold != nil:
			found := e.hold.found()
			c.State, c.TransactionID = found.Result, found.TransactionID
			g.addSums(&c, e.hold.Captured)
		case at.kind != payment.KindCharge, e.result.Class == payment.ClassApproved:
			continue // not a charge, or taken
		case e.voided:
			c.State = payment.FoundVoided
		case e.result.Class == payment.ClassPending:
			c.State = payment.FoundPending
		default:
			c.State = payment.FoundDeclined
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b payment.LedgerCharge) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Key, b.Key), cmp.Compare(a.TransactionID, b.TransactionID))
	})
	return all
}

// Forget removes the charge of a key from the ledger and from the list, so that a test can record another
// state of the charge.
func (g *Gateway) Forget(key payment.GatewayKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.ledger, slot{payment.KindCharge, key})
	g.taken = slices.DeleteFunc(g.taken, func(t Taken) bool { return t.Key == key })
	g.held = slices.DeleteFunc(g.held, func(h *Held) bool { return h.Key == key })
	g.refunded = slices.DeleteFunc(g.refunded, func(r Refunded) bool { return r.Of.Key == key })
}
