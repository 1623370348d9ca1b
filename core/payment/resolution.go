package payment

import (
	"cmp"
	"fmt"
	"time"
)

// NotUnresolvedError refuses a person's word on a payment that does not wait for one.
type NotUnresolvedError struct{ State State }

func (e *NotUnresolvedError) Error() string {
	if e.State == StateProcessing {
		return "the payment is in flight: a worker may be charging it; wait for its outcome, or name the order once more with --in-flight"
	}
	return fmt.Sprintf("the payment is %s; only an unresolved payment can be resolved", e.State)
}

// maxByBytes is what the history keeps of the name of a replica or a person.
const maxByBytes = 64

// Resolution is a person's word on an unresolved payment.
type Resolution struct {
	OrderID OrderID
	// Outcome is StateSucceeded with a transaction id, or StateFailed with a reason.
	Outcome Outcome
	By      string // the person who says so
	Rules   KeyRules
	Worker  time.Time
	// InFlight lets the word count for a payment that a worker holds, or held, as well.
	InFlight bool
}

// watchFor is how long lookups go on after a person said that the money was not taken.
const watchFor = 7 * 24 * time.Hour

// watchFirst is after how long the first of them comes.
const watchFirst = time.Minute

// Check refuses an outcome that a person cannot give. The error is a *[FieldError].
func (r Resolution) Check() error {
	o := r.Outcome
	switch {
	case r.By == "" || len(r.By) > maxByBytes:
		return &FieldError{Field: "by", Message: "the name of the person who resolves must have 1 to 64 characters"}
	case o.State == StateSucceeded && o.TransactionID == "":
		return &FieldError{Field: "transaction_id", Message: "a succeeded payment needs the gateway's transaction id"}
	case o.TransactionID != "" && !usable(o.TransactionID):
		return &FieldError{Field: "transaction_id", Message: "the transaction id must have at most 255 printable ASCII characters"}
	case o.State == StateFailed && o.Reason == "":
		return &FieldError{Field: "reason", Message: "a failed payment needs a reason: say how you know that the money was not taken"}
	case o.State != StateSucceeded && o.State != StateFailed:
		return &FieldError{Field: "state", Message: "a payment is resolved to succeeded or to failed"}
	}
	return nil
}

// Apply returns the resolved payment, or a *[NotUnresolvedError]. The fencing number
// grows, so that a worker that is at the payment settles nothing. The gateway is looked up for another
// seven days: a charge that it has after "failed" is recorded, and another one than the person's is a double.
func (r Resolution) Apply(p Payment, now time.Time) (Decision, error) {
	inFlight := p.State == StateProcessing
	if p.State != StateUnresolved && (!inFlight || !r.InFlight) {
		return Decision{}, &NotUnresolvedError{State: p.State}
	}
	at := Instant{now, r.Worker}
	if inFlight {
		p.interrupt(r.Rules.MaxLease, r.Rules.MaxLease, at)
	}
	past := p.archiveAttempt(now)
	k := p.key()
	o := r.Outcome
	p.settle(o, at)
	if o.State == StateFailed {
		k.DueAt, k.WatchUntil, k.Lookups = now.Add(watchFirst), now.Add(watchFor), 0
		if !inFlight {
			// The word speaks for the attempts before it, and not for one that may still begin.
			k.close(ClosedPerson, at)
			p.Doubt = Doubt{}
		}
	} else {
		// The transaction may be another key's, and this key may have charged as well.
		k.DueAt, k.WatchUntil, k.Lookups = now.Add(watchFirst), now.Add(watchFor), 0
	}
	p.Fence++
	d := Decision{Verdict: VerdictWritten, Payment: p, Write: true, PriorAttempt: past}
	d.keepKey(k)
	d.addEvent(EventResolved, r.By, string(o.State)+": "+cmp.Or(o.Reason, o.TransactionID))
	return d, nil
}
