package squaregateway

import (
	"context"
	"fmt"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// maxReads bounds the payments of one key that a lookup reads again, each by its id.
const maxReads = 3

// LookUp looks an operation up by the id of its payment or refund, if it is known, and otherwise by a list; see
// ports.Gateway and the tables of this package.
func (g *Gateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	switch ref.Operation.Kind {
	case payment.KindCharge:
		return g.lookUpCharge(ctx, ref)
	case payment.KindCapture, payment.KindVoid:
		return g.lookUpHold(ctx, ref)
	case payment.KindRefund:
		return g.lookUpRefund(ctx, ref)
	}
	return payment.Lookup{Result: payment.FoundNoAnswer, Message: clip("a " + string(ref.Operation.Kind) + " is not supported by this adapter of Square")}
}

func (g *Gateway) lookUpCharge(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()
	found, why := g.find(ctx, ref)
	if why != "" {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: clip(why)}
	}
	return lookup(ref, found)
}

// find returns the payments of the charge, those that take money first. If it cannot, it returns why.
func (g *Gateway) find(ctx context.Context, ref payment.ChargeRef) (found []*squarePayment, why string) {
	if !printable(string(ref.Key)) {
		return nil, "there is no gateway key to look up"
	}
	var known *squarePayment
	if id := knownID(ref); id != "" {
		if !usableID(id) {
			return nil, "the stored id of the payment is not one of Square's"
		}
		p, why := g.get(ctx, id, ref.Key)
		if why != "" || p.charges() {
			return []*squarePayment{p}, why
		}
		known = p // another payment may have the key, if Square has forgotten it
	}
	begin, end := g.sentBetween(ref)
	found, why = g.list(ctx, ref.Key, begin, end)
	if why != "" {
		return nil, why
	}
	if known != nil && len(found) == 0 {
		return []*squarePayment{known}, ""
	}
	for i, p := range found {
		if !p.charges() || p.status == statusCompleted {
			break
		}
		if i == maxReads {
			return nil, "too many payments have the gateway key"
		}
		if found[i], why = g.get(ctx, p.id, ref.Key); why != "" { // the list may lag behind its state
			return nil, why
		}
	}
	return found, ""
}

// knownID returns the id of the charge's payment, if an answer has named it, or if it has succeeded or holds the money.
func knownID(ref payment.ChargeRef) string {
	if ref.Reference == "" && usableID(ref.TransactionID) {
		return ref.TransactionID
	}
	return ref.Reference
}

// lookup returns what the payments of a charge prove.
func lookup(ref payment.ChargeRef, found []*squarePayment) payment.Lookup {
	if len(found) == 0 {
		return payment.Lookup{Result: payment.FoundNothing, Message: "Square lists no payment with this key"}
	}
	p := found[0]
	for _, other := range found { // a payment that was read again may have changed
		if rank(other.status) < rank(p.status) {
			p = other
		}
	}
	l := payment.Lookup{Reference: p.id, Message: "Square has the payment with the status " + quote(p.status)}
	switch {
	case p.charges() && !p.isOf(ref.Money, ref.Capture):
		l.Result = payment.FoundNoAnswer
		l.Message = fmt.Sprintf("Square has a payment of %d %s with this key, and not of %s", p.money.Amount, quote(p.money.Currency), ref.Money)
	case p.status == statusCompleted:
		return payment.Lookup{Result: payment.FoundApproved, TransactionID: p.id, Captured: p.captured(ref.Money)}
	case p.status == statusApproved && p.holds(ref.Capture):
		return payment.Lookup{Result: payment.FoundAuthorized, TransactionID: p.id, HoldExpires: p.expires}
	case p.status == statusApproved:
		// The attempt is not over: a repeat of it takes the money, or the hold expires.
		l.Result = payment.FoundProcessing
	case p.status == statusPending:
		l.Result = payment.FoundPending
	case p.status == statusCanceled:
		l.Result = payment.FoundVoided
	case p.status == statusFailed:
		r := decline(p.errors)
		l.Result, l.Code, l.Message = payment.FoundDeclined, r.Code, r.Message
	default:
		l.Result = payment.FoundNoAnswer
	}
	return l
}
