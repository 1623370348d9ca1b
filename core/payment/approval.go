package payment

import (
	"fmt"
	"time"
)

// Approval is the gateway's own word that a key has taken the money, from a worker that does not
// hold the claim any more, a lookup of a key that the payment has left, or an event. It is never
// dropped.
type Approval struct {
	OrderID       OrderID
	Key           GatewayKey
	Gateway       GatewayID
	TransactionID string
	By            string // the replica or the person
	Rules         KeyRules
	Worker        time.Time
}

// Apply records the approval, whatever key the payment is on: unless it has succeeded, it succeeds with
// this transaction, and its fencing number grows. If it has succeeded with another transaction,
// nothing changes and the verdict is VerdictDouble. VerdictReplay: it is on record.
func (a Approval) Apply(p Payment, now time.Time) (Decision, error) {
	at := Instant{now, a.Worker}
	if p.State == StateSucceeded {
		return a.compare(p, at), nil
	}
	was := p.State
	d := p.succeed(a, at)
	d.Verdict = VerdictEvidence
	d.addEvent(EventEvidence, a.By, fmt.Sprintf("was %s; transaction %s with gateway key %s, as the gateway says",
		was, a.TransactionID, a.Key))
	return d, nil
}

// compare is for a payment that has succeeded.
func (a Approval) compare(p Payment, now Instant) Decision {
	k, stored := p.findKey(a.Key)
	if p.TransactionID == a.TransactionID || k.TransactionID == a.TransactionID {
		d := unchanged(VerdictReplay, p)
		if stored && !k.DueAt.IsZero() {
			k.DueAt = time.Time{}
			k.close(ClosedCharged, now)
			d.keepKey(k)
		}
		return d
	}
	d := Decision{Verdict: VerdictDouble, Payment: p, Write: true}
	d.Payment.UpdatedAt = now.DB
	k.Key, k.Gateway, k.TransactionID = a.Key, a.Gateway, a.TransactionID
	k.DueAt, k.WatchUntil = time.Time{}, time.Time{}
	k.Closed, k.ClosedAt = ClosedCharged, now.DB
	d.keepKey(k)
	d.addEvent(EventDouble, a.By, fmt.Sprintf("succeeded with transaction %s; the gateway has transaction %s with gateway key %s as well",
		p.TransactionID, a.TransactionID, a.Key))
	return d
}

// succeed makes the payment succeed with a charge that another than its claim's holder knows of. A
// key that the payment leaves and that is not closed is looked up until it is.
func (p Payment) succeed(a Approval, now Instant) Decision {
	if p.State == StateProcessing {
		p.interrupt(a.Rules.MaxLease, a.Rules.MaxLease, now)
	}
	d := Decision{Verdict: VerdictWritten, Write: true, PriorAttempt: p.archiveAttempt(now.DB)}
	left := p.key()
	left.DueAt = now.DB
	k, known := p.findKey(a.Key)
	p.settle(Outcome{State: StateSucceeded, TransactionID: a.TransactionID}, now)
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
		d.keepKey(left)
	}
	if known {
		k.DueAt, k.WatchUntil = time.Time{}, time.Time{}
		k.close(ClosedCharged, now)
		d.keepKey(k)
	}
	return d
}

// OtherOpenKey returns the key that the payment is on if it is in flight, in doubt or not closed, and is
// not the given one: what another charge for the order would be a second one beside.
func (p *Payment) OtherOpenKey(key GatewayKey) (GatewayKey, bool) {
	open := p.GatewayKey != key && p.State != StateSucceeded &&
		(p.State == StateProcessing || p.Doubt.Any())
	return p.GatewayKey, open
}
