package payment

import (
	"fmt"
	"time"
)

// ParseRefundID checks a client's id of a refund: 1 to [MaxOrderIDBytes] printable ASCII characters without
// spaces, and neither "." nor "..", which no client can address in a path. A card number is refused, because the id
// is stored and logged. The error is a *[FieldError].
func ParseRefundID(s string) (OperationID, error) {
	wrong := func(what string) (OperationID, error) {
		return OperationID{}, &FieldError{Field: "refund_id", Message: "refund_id must " + what}
	}
	switch {
	case s == "":
		return wrong("not be empty")
	case len(s) > MaxOrderIDBytes:
		return wrong(fmt.Sprintf("have at most %d characters", MaxOrderIDBytes))
	case s == "." || s == "..":
		return wrong("not be . or .., because no client can address these in a path")
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return wrong("consist of printable ASCII characters without spaces")
		}
	}
	if containsCardNumber(s) && looksLikeCardNumber(s) {
		return wrong("not be a card number; use an id of your own")
	}
	return OperationID{Kind: KindRefund, Name: s}, nil
}

// CodeRefundReturned is the code of a declined refund whose money came back after it had succeeded. Such a
// refund is final: a repeat is answered with it again.
const CodeRefundReturned = "refund_returned"

// refundRules: refunds of a succeeded payment, whole or in parts, together never more than was taken.
var refundRules = operationRules{
	needs: OperationRefund,
	begin: func(charge Payment, asked Money) (Money, error) {
		if charge.State != StateSucceeded {
			return Money{}, charge.refundRefusal()
		}
		left, some := charge.Refundable()
		switch {
		case !asked.IsZero() && asked.Currency() != charge.Money.Currency():
			return Money{}, &OperationRefusedError{Left: left, Why: fmt.Sprintf(
				"the payment is in %s; refund it in the same currency", charge.Money.Currency().Code())}
		case !some:
			return Money{}, &OperationRefusedError{Why: "nothing is left to refund: earlier refunds have, or may still move, all of the payment"}
		case asked.IsZero():
			return left, nil
		case asked.Minor() > left.Minor():
			return Money{}, &OperationRefusedError{Left: left, Why: fmt.Sprintf(
				"the refund exceeds what is left of the payment: %s; refund at most that", left)}
		}
		return asked, nil
	},
	account: func(charge, before, after Payment) (Payment, bool) {
		switch {
		case after.Operation.RefundsSecondCharge():
			return charge, false
		case after.reserves() && !before.reserves():
			charge.RefundReserved += after.Money.Minor()
		case before.reserves() && !after.reserves():
			charge.RefundReserved -= before.Money.Minor()
		default:
			return charge, false
		}
		return charge, true
	},
}

// refundRefusal returns why a payment that has not succeeded cannot be refunded.
func (p Payment) refundRefusal() error {
	switch {
	case p.State == StateAuthorized && p.HoldClaimedBy == KindCharge:
		return &OperationRefusedError{
			State: p.State,
			Why:   "the payment is authorized, so that no money was taken; void it, or capture it before a refund",
		}
	case p.State.Final() && !p.Doubt.Any():
		return &OperationRefusedError{State: p.State, Why: fmt.Sprintf("the payment is %s; only a succeeded payment can be refunded", p.State)}
	}
	return ErrChargeOpen
}

// Refundable returns what is left of a succeeded payment to refund; false if nothing is.
func (p Payment) Refundable() (Money, bool) {
	left, err := MoneyFromMinor(p.Captured().Minor()-p.RefundReserved, p.Money.Currency())
	return left, err == nil && p.State == StateSucceeded
}

// returned reports whether the operation is a refund whose money came back.
func (p Payment) returned() bool {
	return p.Operation.Kind == KindRefund && p.State == StateDeclined && p.Code == CodeRefundReturned
}

// recordReturn is for a lookup that found that the money of a refund came back after it had succeeded, as banks
// do days later. The refund is declined then, and its amount is free again.
func (r LookupRecord) recordReturn(p Payment, now Instant) (Decision, error) {
	switch {
	case p.GatewayKey != r.Key:
		return r.recordReturnedKey(p, now), nil
	case p.returned():
		return unchanged(VerdictReplay, p), nil
	}
	if p.State == StateProcessing {
		p.recordLostAttempt(r.Rules.MaxLease, r.Rules.MaxLease, now)
	}
	d := Decision{Verdict: VerdictReturned, Write: true, PriorAttempt: p.archiveAttempt(now.DB)}
	was, k := p.State, p.key()
	p.settle(Outcome{
		State: StateDeclined, TransactionID: p.TransactionID, Code: CodeRefundReturned, Reason: r.Result.Message,
	}, now)
	p.Doubt, p.Async = Doubt{}, false
	p.Fence++
	d.Payment = p
	k.Doubt, k.DueAt, k.WatchUntil = Doubt{}, time.Time{}, time.Time{}
	k.close(ClosedDeclined, now)
	d.storeKey(k)
	d.addEvent(EventReturned, r.Replica, "was "+string(was)+"; the refunded money came back")
	return d, nil
}

// recordReturnedKey is for a key that the refund has left: all that its attempts have moved came back.
func (r LookupRecord) recordReturnedKey(p Payment, now Instant) Decision {
	k, stored := p.findKey(r.Key)
	if !stored || k.Closed != "" && k.DueAt.IsZero() {
		return unchanged(VerdictReplay, p)
	}
	k.Doubt, k.DueAt, k.WatchUntil = Doubt{}, time.Time{}, time.Time{}
	k.close(ClosedDeclined, now)
	d := Decision{Verdict: VerdictWritten, Payment: p}
	d.storeKey(k)
	return d
}
