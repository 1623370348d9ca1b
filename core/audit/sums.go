package audit

import (
	"context"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

const (
	// againMargin is how far from the time of its charge a list is read again: gateways may list times in seconds.
	againMargin = 2 * time.Second
	// maxAgainPages limits the pages that are read again for one charge.
	maxAgainPages = 10
)

// Refunds are the sums of the refunds of one charge in the table, in minor units.
type Refunds struct {
	// Succeeded is the sum of those that have succeeded.
	Succeeded int64
	// Open is the sum of those that may still move money, or may have moved it, and of those that have changed so
	// recently that the list may lack it. They explain a difference up to their sum.
	Open int64
}

// ofCharge identifies the charge of a refund.
type ofCharge struct {
	order payment.OrderID
	key   payment.GatewayKey
}

// sums are the sums of the refunds of each charge.
type sums map[ofCharge]Refunds

// isOwn reports whether the charge is the one that the payment has succeeded with.
func isOwn(c payment.LedgerCharge, p payment.Summary) bool {
	return c.State == payment.FoundApproved && p.State == payment.StateSucceeded &&
		c.Key == p.GatewayKey && c.TransactionID == p.TransactionID
}

// classifySums returns how the sums of a payment's own charge differ from those of the payment and of its refunds.
// It is empty if they agree, and inFlight if refunds that are open explain the difference, or may explain one.
func (a *audit) classifySums(c payment.LedgerCharge, p payment.Summary, r Refunds) Kind {
	switch {
	case !isOwn(c, p):
		return ""
	case c.Captured.Listed && c.Captured.Minor != p.Captured().Minor():
		if p.UpdatedAt.After(a.settledBefore) {
			return inFlight
		}
		return KindCaptured
	case !c.Refunded.Listed:
		return ""
	case c.Refunded.Minor > r.Succeeded+r.Open:
		return KindRefundedThere
	case c.Refunded.Minor < r.Succeeded:
		return KindRefundedHere
	case r.Open > 0:
		return inFlight
	}
	return ""
}

// sumRefunds adds the refunds of each charge up.
func (a *audit) sumRefunds(refunds []payment.RefundSummary) sums {
	all := make(sums)
	for _, r := range refunds {
		of := ofCharge{r.OrderID, r.ChargeKey}
		sum := all[of]
		switch {
		case r.Open() || r.UpdatedAt.After(a.settledBefore):
			sum.Open += r.Money.Minor()
		case r.State == payment.StateSucceeded:
			sum.Succeeded += r.Money.Minor()
		}
		all[of] = sum
	}
	return all
}

// refundsOf returns the sums of the refunds that must be compared with the charges: those of payments of which either
// side has given money back.
func (a *audit) refundsOf(
	ctx context.Context, charges []payment.LedgerCharge, stored map[payment.OrderID]payment.Summary,
) (sums, error) {
	var orders []payment.OrderID
	for _, c := range charges {
		p := stored[c.OrderID]
		if isOwn(c, p) && c.Refunded.Listed && (c.Refunded.Minor > 0 || p.RefundReserved > 0) {
			orders = append(orders, c.OrderID)
		}
	}
	if len(orders) == 0 {
		return sums{}, nil
	}
	page, err := a.findRefunds(ctx, orders)
	if err != nil {
		return nil, err
	}
	for _, damaged := range page.Unreadable {
		if err := a.addUnreadable(damaged); err != nil {
			return nil, err
		}
		a.candidates[damaged.OrderID].sums = true
	}
	return a.sumRefunds(page.Refunds), nil
}

func (a *audit) findRefunds(ctx context.Context, orders []payment.OrderID) (ports.RefundPage, error) {
	return retry(ctx, func() (ports.RefundPage, error) { return a.payments.FindRefunds(ctx, orders) })
}

// readSumsAgain reads again what both sides have of the sums of a candidate: the refunds of its payment, and its
// charges in the list. It returns the sums of the refunds, and the keys of the charges that were found again. If a row
// cannot be read, the candidate has the problem.
func (a *audit) readSumsAgain(
	ctx context.Context, c *candidate, p payment.Summary,
) (refunds sums, found map[payment.GatewayKey]bool, err error) {
	if !c.sums || c.problem != "" {
		return nil, nil, nil
	}
	found = make(map[payment.GatewayKey]bool)
	for i, charge := range c.charges {
		if !isOwn(charge, p) {
			continue
		}
		again, listed, err := a.listAgain(ctx, charge)
		if err != nil {
			return nil, nil, err
		}
		if listed {
			c.charges[i].Captured, c.charges[i].Refunded = again.Captured, again.Refunded
			found[charge.Key] = true
		}
	}
	page, err := a.findRefunds(ctx, []payment.OrderID{c.order})
	if err == nil && len(page.Unreadable) > 0 {
		c.problem = page.Unreadable[0].Error()
	}
	return a.sumRefunds(page.Refunds), found, err
}

// listAgain returns a charge as the list has it now; false if the list does not have it, or cannot be read. The error is
// that of ctx.
func (a *audit) listAgain(ctx context.Context, c payment.LedgerCharge) (again payment.LedgerCharge, listed bool, err error) {
	q := payment.LedgerQuery{From: c.Created.Add(-againMargin), To: c.Created.Add(againMargin)}
	for range maxAgainPages {
		if err := a.lookups.wait(ctx); err != nil {
			return c, false, err
		}
		a.report.Lookups++
		page, err := a.readAhead(ctx, q)()
		if err != nil {
			return c, false, ctx.Err()
		}
		for _, other := range page.Charges {
			if other.Key == c.Key && other.TransactionID == c.TransactionID && other.State == c.State {
				return other, true, nil
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	return c, false, nil
}
