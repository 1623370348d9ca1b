package stripegateway

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"paymentd/core/payment"
)

// Charges returns one page of the account's PaymentIntents, newest first; see ports.Ledger.
func (g *Gateway) Charges(ctx context.Context, q payment.LedgerQuery) (payment.LedgerPage, error) {
	ctx, cancel := g.withTimeout(ctx)
	defer cancel()
	query := url.Values{
		"limit":        {strconv.Itoa(pageSize)},
		"created[gte]": {ceilSeconds(q.From)}, "created[lt]": {ceilSeconds(q.To)},
		"expand[]": {"data.latest_charge"}, // the reason of a decline outlives last_payment_error there
	}
	if q.Cursor != "" {
		if !validIntentID(q.Cursor) {
			return payment.LedgerPage{}, errors.New("list charges: the cursor is not one of Stripe's")
		}
		query.Set("starting_after", q.Cursor)
	}
	page, err := g.page(ctx, intentList, query)
	if err != nil {
		return payment.LedgerPage{}, fmt.Errorf("list charges: %w", err)
	}
	result := payment.LedgerPage{Next: page.last}
	for _, o := range page.data {
		c, err := ledgerCharge(o)
		if err != nil {
			result.Unreadable = append(result.Unreadable, clip("PaymentIntent "+quote(o.text("id"))+": "+err.Error()))
			continue
		}
		result.Charges = append(result.Charges, c)
	}
	return result, nil
}

// ceilSeconds returns the first whole second that is not before t: Stripe counts creation in seconds.
func ceilSeconds(t time.Time) string {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return strconv.FormatInt(s, 10)
}

func ledgerCharge(o object) (payment.LedgerCharge, error) {
	i, err := intentOf(o)
	if err != nil {
		return payment.LedgerCharge{}, err
	}
	money, err := moneyOf(i.amount, i.currency)
	if err != nil {
		return payment.LedgerCharge{}, err
	}
	l := i.found()
	if l.Result == payment.FoundNoAnswer {
		return payment.LedgerCharge{}, fmt.Errorf("its status %s is not known", strconv.Quote(string(i.status)))
	}
	c := payment.LedgerCharge{
		Key: i.key, OrderID: i.orderID, Money: money, State: l.Result,
		TransactionID: l.TransactionID, Reference: l.Reference, Created: i.created,
	}
	if l.Result == payment.FoundApproved {
		c.Captured, c.Refunded, err = i.sums(o.object("latest_charge"))
	}
	return c, err
}

// sums returns how much a PaymentIntent that succeeded took, and how much of that its charge gave back. Stripe releases
// the rest of a hold, of which a part was captured, by a refund (solidus_stripe#268), so that what was refunded of such a
// charge is not known.
func (i intent) sums(charge object) (captured, refunded payment.LedgerSum, err error) {
	if captured, err = sumOf(i.received, i.currency); err != nil || captured.Minor == 0 {
		return payment.LedgerSum{}, refunded, err
	}
	if i.received == i.amount && charge.text("object") == "charge" {
		refunded, err = sumOf(charge.integer("amount_refunded"), i.currency)
	}
	return captured, refunded, err
}

// sumOf returns a sum that Stripe has in its units of the currency.
func sumOf(amount int64, currency string) (payment.LedgerSum, error) {
	if amount == 0 {
		return payment.ListedSum(0), nil
	}
	m, err := moneyOf(amount, currency)
	return payment.ListedSum(m.Minor()), err
}
