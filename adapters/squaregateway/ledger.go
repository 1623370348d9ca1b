package squaregateway

import (
	"context"
	"errors"
	"fmt"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// Charges lists the location's payments, oldest first; see ports.Ledger. Payments of other programs are
// listed as well: their key is the reference_id that those have sent, if any.
func (g *Gateway) Charges(ctx context.Context, q payment.LedgerQuery) (payment.LedgerPage, error) {
	if q.From.IsZero() || q.To.IsZero() || len(q.Cursor) > payment.MaxLedgerCursorBytes {
		return payment.LedgerPage{}, errors.New("list the payments of Square: the query needs both of its bounds and a cursor of this list")
	}
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()
	p, why := g.listPage(ctx, payments, q.From, q.To, pageSize, q.Cursor)
	if why != "" {
		return payment.LedgerPage{}, fmt.Errorf("list the payments of Square: %s", clip(why))
	}
	if len(p.next) > payment.MaxLedgerCursorBytes {
		return payment.LedgerPage{}, errors.New("list the payments of Square: the cursor of the next page is too long")
	}
	result := payment.LedgerPage{Next: p.next}
	for _, value := range p.objects {
		o, _ := value.(object)
		c, err := ledgerCharge(o)
		switch {
		case err != nil:
			result.Unreadable = append(result.Unreadable, clip(err.Error()))
		case c.Created.Before(q.To): // whether end_time is included is not documented
			result.Charges = append(result.Charges, c)
		}
	}
	return result, nil
}

// ledgerCharge reads a payment of the list.
func ledgerCharge(o object) (payment.LedgerCharge, error) {
	p := readPayment(o)
	if p == nil {
		return payment.LedgerCharge{}, errors.New("a payment has no id or no status")
	}
	currency, err := payment.ParseRecordedCurrency(p.charged().Currency)
	if err != nil {
		return payment.LedgerCharge{}, fmt.Errorf("payment %s: %w", p.id, err)
	}
	m, err := payment.MoneyFromMinor(p.charged().Amount, currency)
	if err != nil {
		return payment.LedgerCharge{}, fmt.Errorf("payment %s: %w", p.id, err)
	}
	if p.created.IsZero() {
		return payment.LedgerCharge{}, fmt.Errorf("payment %s has no time of creation", p.id)
	}
	l := lookup(payment.ChargeRef{}, []*squarePayment{p})
	c := payment.LedgerCharge{
		Money: m, State: l.Result, TransactionID: l.TransactionID, Reference: l.Reference, Created: p.created,
	}
	if l.Result == payment.FoundNoAnswer {
		return payment.LedgerCharge{}, fmt.Errorf("payment %s has the unknown status %s", p.id, quote(p.status))
	}
	if p.status == statusCompleted {
		c.Captured = payment.ListedSum(m.Minor())
		if c.Refunded, err = p.listedRefunds(); err != nil {
			return payment.LedgerCharge{}, err
		}
	}
	if printable(p.reference) {
		c.Key = payment.GatewayKey(p.reference)
	}
	if id, err := payment.ParseOrderID(p.note); err == nil {
		c.OrderID = id
	}
	return c, nil
}

// listedRefunds returns how much of a payment was refunded, or is being refunded.
func (p *squarePayment) listedRefunds() (payment.LedgerSum, error) {
	if p.refunded.Amount != 0 && p.refunded.Currency != p.charged().Currency || p.refunded.Amount < 0 {
		return payment.LedgerSum{}, fmt.Errorf("payment %s has a refunded_money of %d %s", p.id, p.refunded.Amount, quote(p.refunded.Currency))
	}
	return payment.ListedSum(p.refunded.Amount), nil
}
