package payment

import (
	"cmp"
	"time"
)

// ClaimRef names a claim: what a write by its holder must find unchanged.
type ClaimRef struct {
	OrderID   OrderID
	Operation OperationID
	Fence     int64
	State     State // StateProcessing, or StatePending or StateUnresolved for a lookup
	Attempt   int   // number of the current attempt
}

// Ref names the payment or other operation that is claimed.
func (c ClaimRef) Ref() Ref { return Ref{c.OrderID, c.Operation} }

// ClaimRef returns the claim on p by which its holder writes.
func (p Payment) ClaimRef() ClaimRef {
	return ClaimRef{OrderID: p.OrderID, Operation: p.Operation, Fence: p.Fence, State: p.State, Attempt: p.Attempt.Number}
}

// Settlement writes an outcome, if the worker still holds the claim.
type Settlement struct {
	ClaimRef

	// End is the result of the current attempt. Nil if it is recorded already, or if the attempt
	// never began.
	End     *AttemptEnd
	Outcome Outcome
	// Worker is the time by the worker's clock.
	Worker time.Time
	// Event is stored in the history if the outcome rests on more than the last attempt. Empty for
	// none.
	Event EventKind
	// DeferredRetry counts one of an async payment's deferred retries, whose next round begins anew.
	DeferredRetry bool
	// Retry counts one retry of the round, which the queue makes.
	Retry bool
}

// NeedsKeys reports whether Apply needs the records of the payment's keys.
func (s Settlement) NeedsKeys() bool { return s.End != nil && s.End.namesCharge() }

// KeepsCharge reports whether the outcome of an operation changes nothing of its charge, so that it can be stored
// without the lock of the charge's row. It is true for the charge itself.
func (s Settlement) KeepsCharge() bool {
	if s.Operation.IsCharge() {
		return true
	}
	before := Payment{Operation: s.Operation, State: s.State}
	after := before
	after.State = s.Outcome.State
	for _, state := range [...]State{StateAuthorized, StateSucceeded} {
		charge := Payment{State: state, HoldClaimedBy: s.Operation.Kind}
		if _, changed := operations[s.Operation.Kind].account(charge, before, after); changed {
			return false
		}
	}
	return true
}

// Apply returns the settled payment, or [ErrFenced]. If it is applied a second time, because the answer
// to the first was lost, it changes nothing: the payment is in the settled state already.
func (s Settlement) Apply(p Payment, now time.Time) (Decision, error) {
	if p.Fence != s.Fence {
		return Decision{}, ErrFenced
	}
	if p.State != s.State || !p.State.claimable() || p.State == StateAuthorized { // only evidence ends a hold
		o := s.outcome(p.Doubt)
		same := p.State == o.State && p.TransactionID == o.TransactionID
		if same && (o.State == s.Outcome.State || p.Reason == o.Reason) {
			return unchanged(VerdictWritten, p), nil
		}
		return Decision{}, ErrFenced
	}
	at := Instant{now, s.Worker}
	p.completeAttempt(s.ClaimRef, s.End, at)
	o := s.outcome(p.Doubt)
	p.settle(o, at)
	if s.DeferredRetry {
		p.DeferredRetries++
		p.Retries = 0
	}
	if s.Retry {
		p.Retries++
	}
	d := Decision{Verdict: VerdictWritten, Payment: p, Write: true}
	if s.End != nil {
		d.nameCharge(s.End.Result)
	}
	if s.Event != "" {
		d.addEvent(s.Event, p.Replica, string(o.State)+": "+cmp.Or(o.Reason, o.TransactionID))
	}
	return d, nil
}

// outcome returns what the settlement writes. A worker cannot settle a payment in doubt to declined or
// failed, because a mistake would then be a second charge.
func (s Settlement) outcome(doubt Doubt) Outcome {
	o := s.Outcome
	if o.State.Final() && o.State != StateSucceeded && doubt.Any() {
		o = Outcome{State: StateUnresolved, Reason: "an earlier attempt may have taken the money", DueIn: o.DueIn}
	}
	return o
}

// settle writes an outcome into the payment. A key that took or holds the money is no longer in doubt.
func (p *Payment) settle(o Outcome, now Instant) {
	p.State, p.TransactionID = o.State, o.TransactionID
	p.Code, p.Reason = sanitizeCode(o.Code), sanitizeMessage(o.Reason)
	p.DueAt = time.Time{}
	if !o.State.Final() {
		p.DueAt = now.DB.Add(o.DueIn)
	}
	if o.State == StateAuthorized {
		p.HoldExpires = o.HoldExpires
		p.DueAt = now.DB.Add(p.holdLookupIn(now.DB))
	}
	if o.State.Approved() {
		p.Doubt = Doubt{}
	}
	p.LostWorkers = 0
	p.UpdatedAt = now.DB
}
