package stripegateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/stripe/stripe-go/v85"

	"paymentd/core/payment"
)

// lookUpRefund looks up a refund.
func (g *Gateway) lookUpRefund(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if ref.Key == "" {
		return noAnswer(errNoKey)
	}
	id := cmp.Or(ref.Reference, ref.TransactionID)
	if id == "" {
		var err error
		if id, err = g.findRefund(ctx, ref); err != nil {
			return noAnswer(err)
		}
	}
	if id == "" {
		return payment.Lookup{
			Result: payment.FoundNothing, Message: "no Refund of the PaymentIntent has the gateway key in its metadata",
		}
	}
	r, err := g.readRefund(ctx, id)
	if err == nil {
		err = r.check(ref.Key, ref.Of, ref.Money)
	}
	if err != nil {
		return noAnswer(fmt.Errorf("the Refund %s cannot be used: %w", quote(id), err))
	}
	return r.found(ref.TransactionID != "")
}

// readRefund reads a Refund by its id, which is never behind (docs.stripe.com/api/refunds/retrieve).
func (g *Gateway) readRefund(ctx context.Context, id string) (refund, error) {
	if !validRefundID(id) { // it is a part of the path: an empty one would list all refunds
		return refund{}, errNoRefund
	}
	a, lost := g.get(ctx, refundsPath+"/"+id, nil)
	switch {
	case lost != nil:
		return refund{}, lost
	case !a.read("refund"):
		return refund{}, errors.New(a.unmarkedRead())
	case a.Status != http.StatusOK:
		// 404 as well: an answer has named this refund, so the account or the mode is another one.
		return refund{}, errors.New(a.describe())
	}
	r, err := refundOf(a.body)
	if err == nil && r.id != id {
		err = errNoRefund
	}
	return r, err
}

// findRefund returns the id of the refund with the key in its metadata, or "" if there is none. It lists the refunds
// of the charge's PaymentIntent (docs.stripe.com/api/refunds/list). Refunds cannot be searched. The list may lag as
// any other: [payment.Capabilities] declares by how much.
func (g *Gateway) findRefund(ctx context.Context, ref payment.ChargeRef) (string, error) {
	if !validIntentID(ref.Of.TransactionID) { // without it, the refunds of all charges would be listed
		return "", errOtherCharge
	}
	query := url.Values{"payment_intent": {ref.Of.TransactionID}, "limit": {strconv.Itoa(pageSize)}}
	var found []refund
	for range maxLookupPages {
		page, err := g.page(ctx, refundList, query)
		if err != nil {
			return "", err
		}
		for _, o := range page.data {
			if r, err := refundOf(o); err == nil && r.key == ref.Key {
				found = append(found, r)
			}
		}
		if !page.more {
			return bestRefund(found), nil
		}
		query.Set("starting_after", page.last)
	}
	if id := bestRefund(found); id != "" {
		return id, nil
	}
	return "", fmt.Errorf("the PaymentIntent has more than %d refunds, which is too many to list", maxLookupPages*pageSize)
}

// bestRefund returns the id of the refund that counts: with money before undecided before none. A key has one
// refund, unless Stripe had forgotten the key.
func bestRefund(found []refund) string {
	id, rank := "", 0
	for _, r := range found {
		n := 1
		switch r.status {
		case stripe.RefundStatusSucceeded:
			n = 3
		case stripe.RefundStatusPending, stripe.RefundStatusRequiresAction:
			n = 2
		default:
		}
		if n > rank {
			id, rank = r.id, n
		}
	}
	return id
}
