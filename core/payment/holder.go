package payment

import (
	"cmp"
	"time"
)

// Hold names a claim: what a write by its holder must find unchanged.
type Hold struct {
	OrderID OrderID
	Fence   int64
	State   State // StateProcessing, or StateUnresolved for a lookup
	Attempt int   // number of the attempt at hand
}

// Hold returns the claim on p by which its holder writes.
func (p Payment) Hold() Hold {
	return Hold{OrderID: p.OrderID, Fence: p.Fence, State: p.State, Attempt: p.Attempt.Number}
}

// Renewal is the end of an attempt that does not end the round: it is recorded, and
// the claim is held for longer.
type Renewal struct {
	Hold

	End AttemptEnd
	// Next says that another attempt follows after Delay. Without it the gateway is
	// asked what became of the attempts.
	Next  bool
	Delay time.Duration
	Lease time.Duration // from the next attempt on
}

// Apply returns the renewal of p at now, or [ErrFenced]. Applying it a second time,
// because the answer to the first was lost, only renews the lease.
func (r Renewal) Apply(p Payment, now time.Time) (Decision, error) {
	if p.Fence != r.Fence || p.State != r.State || p.State.Known() {
		return Decision{}, ErrFenced
	}
	d := Decision{Verdict: VerdictWritten, Write: true}
	if p.Attempt.Number == r.Attempt && p.Attempt.Class == "" {
		p.Attempt.end(r.End)
		p.Doubt = p.Doubt.With(r.End.Class, now)
		if r.Next {
			d.Past = p.setPastAside(now)
			p.Attempt.Fence, p.Attempt.Replica = p.Fence, p.Replica
			p.Attempt.GatewayKey, p.Attempt.StartedAt = p.GatewayKey, now.Add(r.Delay)
		}
	}
	p.DueAt = now.Add(r.Delay + r.Lease)
	p.UpdatedAt = now
	d.Payment = p
	return d, nil
}

// Settlement writes an outcome, if the claim is still ours.
type Settlement struct {
	Hold

	// End is the end of the attempt at hand. Nil when it is recorded already, or when
	// the attempt never began.
	End     *AttemptEnd
	Outcome Outcome
	// Event tells the history what the outcome rests on, where that is more than the
	// last attempt. Empty for none.
	Event EventKind
	// LaterRetry counts one against the delays of an async payment.
	LaterRetry bool
}

// Apply returns the settled payment, or [ErrFenced]. Applying it a second time, because
// the answer to the first was lost, changes nothing: the state is another one by then.
func (s Settlement) Apply(p Payment, now time.Time) (Decision, error) {
	if p.Fence != s.Fence {
		return Decision{}, ErrFenced
	}
	if p.State != s.State || p.State.Known() {
		if p.State == s.Outcome.State && p.TransactionID == s.Outcome.TransactionID {
			return unchanged(VerdictWritten, p), nil
		}
		return Decision{}, ErrFenced
	}
	switch {
	case p.Attempt.Class != "": // recorded already
	case s.End == nil || p.Attempt.Number > s.Attempt || p.Attempt.StartedAt.IsZero():
		// It never began. Where it is not the one at hand, a renewal whose answer was lost
		// has recorded that one, and planned this.
		p.Attempt = Attempt{Number: p.Attempt.Number}
	default:
		p.Attempt.end(*s.End)
		p.Doubt = p.Doubt.With(s.End.Class, now)
	}
	o := s.Outcome
	p.State, p.TransactionID, p.Code, p.Reason = o.State, o.TransactionID, clipCode(o.Code), clip(o.Reason)
	p.DueAt = time.Time{}
	if o.State.Known() {
		p.Doubt = Doubt{}
	} else {
		p.DueAt = now.Add(o.DueIn)
	}
	if s.LaterRetry {
		p.LaterRetries++
	}
	p.Strikes = 0
	p.UpdatedAt = now
	d := Decision{Verdict: VerdictWritten, Payment: p, Write: true}
	if s.Event != "" {
		d.tell(s.Event, p.Replica, string(o.State)+": "+cmp.Or(o.Reason, o.TransactionID))
	}
	return d, nil
}
