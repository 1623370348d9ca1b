package squaregateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// lookUpRefund looks a refund up by its id, if an answer has named it, and otherwise by a list.
func (g *Gateway) lookUpRefund(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()
	found, why := g.findRefunds(ctx, ref)
	if why != "" {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: clip(why)}
	}
	return refundLookup(ref, found)
}

// findRefunds returns the refunds with the key. If it cannot, it returns why.
func (g *Gateway) findRefunds(ctx context.Context, ref payment.ChargeRef) (found []*squareRefund, why string) {
	if !printable(string(ref.Key)) {
		return nil, "there is no gateway key to look up"
	}
	var known *squareRefund
	if id := cmp.Or(ref.TransactionID, ref.Reference); id != "" {
		r, why := g.getRefund(ctx, id)
		switch {
		case why != "":
			return nil, why
		case r.key != ref.Key:
			return nil, "the refund with the stored id has another key in its reason"
		case r.refunds():
			return []*squareRefund{r}, ""
		}
		known = r // another refund may have the key, if Square has forgotten it
	}
	found, why = g.listRefunds(ctx, ref)
	if why != "" {
		return nil, why
	}
	if known != nil && len(found) == 0 {
		return []*squareRefund{known}, ""
	}
	for i, r := range found {
		if !r.refunds() || r.status == statusCompleted {
			break
		}
		if i == maxReads {
			return nil, "too many refunds have the gateway key"
		}
		if found[i], why = g.getRefund(ctx, r.id); why != "" { // the list may lag behind its state
			return nil, why
		}
		if found[i].key != ref.Key {
			return nil, "the refund has another key in its reason than in the list"
		}
	}
	return found, ""
}

// listRefunds returns the location's refunds with the key that were created in the time of the attempts, those that
// give money back first. ListPaymentRefunds has no filter for the payment or the reason.
func (g *Gateway) listRefunds(ctx context.Context, ref payment.ChargeRef) (found []*squareRefund, why string) {
	begin, end := g.sentBetween(ref)
	why = g.eachListed(ctx, refunds, begin, end, func(o object) bool {
		r := readRefund(o)
		if r != nil && r.key == ref.Key {
			found = append(found, r)
		}
		return r != nil
	})
	if why != "" {
		return nil, why
	}
	slices.SortStableFunc(found, func(a, b *squareRefund) int { return refundRank(a.status) - refundRank(b.status) })
	return found, ""
}

// refundRank orders the states by how much they say of the money.
func refundRank(status string) int {
	switch status {
	case statusCompleted:
		return 0
	case statusPending:
		return 1
	case statusRejected, statusFailed:
		return 3
	}
	return 2 // a state that is newer than this program
}

// refundLookup returns what the refunds with a key prove. Square has no record of earlier states: whether a refund that
// is FAILED was COMPLETED before is what the service has recorded.
func refundLookup(ref payment.ChargeRef, found []*squareRefund) payment.Lookup {
	if len(found) == 0 {
		return payment.Lookup{Result: payment.FoundNothing, Message: "Square lists no refund with this key"}
	}
	r := slices.MinFunc(found, func(a, b *squareRefund) int { return refundRank(a.status) - refundRank(b.status) })
	l := payment.Lookup{Reference: r.id, Message: clip("Square has the refund with the status " + quote(r.status))}
	switch {
	case r.refunds() && !r.is(ref.Money, ref.Of):
		l.Result = payment.FoundNoAnswer
		l.Message = clip(fmt.Sprintf("Square has a refund of %d %s of the payment %s with this key, and not of %s of the payment %s",
			r.money.Amount, quote(r.money.Currency), quote(r.payment), ref.Money, quote(ref.Of.TransactionID)))
	case r.status == statusCompleted:
		return payment.Lookup{Result: payment.FoundApproved, TransactionID: r.id}
	case r.status == statusPending:
		l.Result = payment.FoundPending
	case !r.refunds() && ref.TransactionID != "":
		l.Result = payment.FoundReturned
	case !r.refunds():
		declined := declineRefund(r.status, nil)
		l.Result, l.Code, l.Message = payment.FoundDeclined, declined.Code, declined.Message
	default:
		l.Result = payment.FoundNoAnswer
	}
	return l
}
