package payment

import (
	"cmp"
	"time"
)

// Hold names a claim: what a write by its holder must find unchanged.
type ClaimRef struct {
	OrderID OrderID
	Fence   int64
	State   State // StateProcessing, or StateUnresolved for a lookup
	Attempt int   // number of the attempt at hand
}

// Hold returns the claim on p by which its holder writes.
func (p Payment) ClaimRef() ClaimRef {
	return ClaimRef{OrderID: p.OrderID, Fence: p.Fence, State: p.State, Attempt: p.Attempt.Number}
}

// Settlement writes an outcome, if the claim is still ours.
type Settlement struct {
	ClaimRef

	// End is the end of the attempt at hand. Nil when it is recorded already, or when
	// the attempt never began.
	End     *AttemptEnd
	Outcome Outcome
	// Worker is the time by the worker's clock.
	Worker time.Time
	// Event tells the history what the outcome rests on, where that is more than the
	// last attempt. Empty for none.
	Event EventKind
	// LaterRetry counts one against the delays of an async payment, whose next round begins anew.
	DeferredRetry bool
	// Retry counts one retry of the round, which the queue makes.
	Retry bool
}

// Apply returns the settled payment, or [ErrFenced]. Applying it a second time, because
// the answer to the first was lost, changes nothing: the state is another one by then.
func (s Settlement) Apply(p Payment, now time.Time) (Decision, error) {
	if p.Fence != s.Fence {
		return Decision{}, ErrFenced
	}
	if p.State != s.State || p.State.Final() || p.State == StateScheduled { // which no worker holds
		o := s.outcome(p.Doubt)
		same := p.State == o.State && p.TransactionID == o.TransactionID
		if same && (o.State == s.Outcome.State || p.Reason == o.Reason) {
			return unchanged(VerdictWritten, p), nil
		}
		return Decision{}, ErrFenced
	}
	at := Instant{now, s.Worker}
	p.endAttempt(s.ClaimRef, s.End, at)
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
	if s.Event != "" {
		d.addEvent(s.Event, p.Replica, string(o.State)+": "+cmp.Or(o.Reason, o.TransactionID))
	}
	return d, nil
}

// outcome is what the settlement writes. No worker settles a payment in doubt to declined or failed: that
// it cannot be written keeps a mistake from being a second charge.
func (s Settlement) outcome(doubt Doubt) Outcome {
	o := s.Outcome
	if (o.State == StateDeclined || o.State == StateFailed) && doubt.Any() {
		o = Outcome{State: StateUnresolved, Reason: "an earlier attempt may have taken the money", DueIn: o.DueIn}
	}
	return o
}

// endAttempt records the end of the attempt at hand, if it is not recorded and the attempt began.
func (p *Payment) endAttempt(h ClaimRef, end *AttemptEnd, now Instant) {
	switch {
	case p.Attempt.Class != "": // recorded already
	case end == nil || p.Attempt.Number > h.Attempt || p.Attempt.StartedAt.IsZero():
		// It never began. If it is not the one at hand, a renewal whose answer was lost
		// has recorded that one, and planned this.
		p.Attempt = Attempt{Number: p.Attempt.Number}
	default:
		p.Attempt.end(*end)
		p.Doubt = p.Doubt.With(end.Class, now)
	}
}

// settle writes an outcome into the payment. The doubt of a key that took the money is over.
func (p *Payment) settle(o Outcome, now Instant) {
	p.State, p.TransactionID, p.Code, p.Reason = o.State, o.TransactionID, clipCode(o.Code), clip(o.Reason)
	p.DueAt = time.Time{}
	if !o.State.Final() {
		p.DueAt = now.DB.Add(o.DueIn)
	}
	if o.State == StateSucceeded {
		p.Doubt = Doubt{}
	}
	p.LostWorkers = 0
	p.UpdatedAt = now.DB
}
