package payment

import (
	"fmt"
	"time"
)

// Approval is the gateway's own report that a key has taken the money, if it does not come from the
// worker that holds the claim: from a worker that lost it, a lookup of a key that the payment has left,
// or an event of the gateway. It is never dropped.
type Approval struct {
	OrderID       OrderID
	Operation     OperationID
	Key           GatewayKey
	Gateway       GatewayID
	TransactionID string
	// Hold: the gateway holds the money, and has not taken it. HoldExpires is that of a [Result].
	Hold        bool
	HoldExpires time.Time
	// Captured is how much of money that was held the gateway has taken; zero for all.
	Captured Money
	By       string // the replica or the operator
	Rules    KeyRules
	Worker   time.Time
}

// Apply records the approval, also of a key other than the payment's current one. If the payment has
// not succeeded, it succeeds with this transaction, or is authorized if the approval is of a hold, and its fencing
// token grows (VerdictEvidence). If it was approved with another transaction, it is unchanged (VerdictDouble).
// VerdictReplay: the approval is recorded already. The error is always nil.
func (a Approval) Apply(p Payment, now time.Time) (Decision, error) {
	at := Instant{now, a.Worker}
	switch {
	case p.State.Approved(), p.State == StateVoided && p.TransactionID == a.TransactionID && a.Hold:
		return a.compareWithApproved(p, at), nil
	case p.returned() && p.GatewayKey == a.Key:
		return unchanged(VerdictReplay, p), nil // it had succeeded before the money came back
	}
	was := p.State
	d := p.succeed(a, at)
	d.Verdict = VerdictEvidence
	d.addEvent(EventEvidence, a.By, fmt.Sprintf("was %s; the gateway reported transaction %s with gateway key %s",
		was, a.TransactionID, a.Key))
	return d, nil
}

// compareWithApproved is for a payment that has succeeded, or whose money is or was held.
func (a Approval) compareWithApproved(p Payment, now Instant) Decision {
	k, stored := p.findKey(a.Key)
	if p.hasTransaction(a.TransactionID, a.Gateway) || k.TransactionID == a.TransactionID {
		d := unchanged(VerdictReplay, p)
		if stored && !k.DueAt.IsZero() && !k.watched(p.Operation, now) {
			k.DueAt = time.Time{}
			k.close(ClosedCharged, now)
			d.storeKey(k)
		}
		return d
	}
	d := Decision{Verdict: VerdictDouble, Payment: p, Write: true}
	d.Payment.UpdatedAt = now.DB
	k.Key, k.Gateway, k.TransactionID = a.Key, a.Gateway, a.TransactionID
	k.DueAt, k.WatchUntil = time.Time{}, time.Time{}
	k.Closed, k.ClosedAt = ClosedCharged, now.DB
	d.storeKey(k)
	kind := EventDouble
	if p.Operation.Kind == KindRefund || p.Operation.Kind == KindVoid {
		kind = EventDoubleRefund
	}
	d.addEvent(kind, a.By, fmt.Sprintf("approved with transaction %s; the gateway also has transaction %s with gateway key %s",
		p.TransactionID, a.TransactionID, a.Key))
	return d
}

// succeed makes the payment succeed, or become authorized, with a charge that its claim's holder did not report. If the
// payment leaves a key that is not closed, that key is looked up until it is.
func (p Payment) succeed(a Approval, now Instant) Decision {
	if p.State == StateProcessing {
		p.recordLostAttempt(a.Rules.MaxLease, a.Rules.MaxLease, now)
	}
	d := Decision{Verdict: VerdictWritten, Write: true, PriorAttempt: p.archiveAttempt(now.DB)}
	left := p.key()
	left.DueAt = now.DB
	k, stored := p.findKey(a.Key)
	o := Outcome{State: StateSucceeded, TransactionID: a.TransactionID}
	if a.Hold {
		o.State, o.HoldExpires = StateAuthorized, a.HoldExpires
	}
	o.keepCancelRequest(p)
	p.settle(o, now)
	p.voidNow(now)
	if !a.Hold {
		p.CapturedMinor = a.Captured.Minor()
	}
	p.Async = false
	p.Fence++
	if p.GatewayKey != a.Key {
		p.GatewayKey, p.Gateway, p.KeySent, p.KeyLifetime = a.Key, a.Gateway, k.Sent, k.Lifetime
		if p.KeySent.IsZero() {
			p.KeySent = now
		}
	}
	if p.Gateway == "" {
		p.Gateway = a.Gateway
	}
	d.Payment = p
	if left.Key != a.Key && left.Doubt.Any() {
		d.storeKey(left)
	}
	if stored {
		k.endLookups(p.Operation, now)
		k.close(ClosedCharged, now)
		d.storeKey(k)
	}
	return d
}
