package payment

import (
	"cmp"
	"fmt"
	"time"
)

// NotUnresolvedError refuses the resolution of a payment that is neither pending nor unresolved.
type NotUnresolvedError struct{ State State }

// Error says what the state is, and what to do if the payment is in flight.
func (e *NotUnresolvedError) Error() string {
	switch e.State {
	case StateProcessing:
		return "the payment is in flight: a worker may be charging it; wait for its outcome, or name the order once more with --in-flight"
	case StateAuthorized:
		return "the payment is authorized: the gateway holds its money, and no outcome is open; release it with `paymentd void`, " +
			"which also finds that the gateway has released it already, or take it with `paymentd capture`"
	case StateScheduled, StatePending, StateSucceeded, StateDeclined, StateFailed, StateUnresolved, StateVoided:
	}
	return fmt.Sprintf("the payment is %s; only one whose outcome is open can be resolved: pending, unresolved, or "+
		"failed while its last key may still have charged", e.State)
}

// maxByBytes is the longest name of an operator, in bytes.
const maxByBytes = 64

// CheckOperator refuses a name of an operator that cannot be stored. The error is a *[FieldError].
func CheckOperator(by string) error {
	if by == "" || len(by) > maxByBytes {
		return &FieldError{Field: "by", Message: "the name of the operator must have 1 to 64 characters"}
	}
	return nil
}

// Resolution is an operator's outcome for a pending or unresolved payment, or for one that failed and whose key
// is not closed.
type Resolution struct {
	OrderID OrderID
	// Operation is the zero value for the order's charge.
	Operation OperationID
	// Outcome is StateSucceeded with a transaction id, StateFailed with a reason or, for a charge with [CaptureManual],
	// StateAuthorized with a transaction id.
	Outcome Outcome
	By      string // the operator
	Rules   KeyRules
	Worker  time.Time
	// InFlight resolves a payment in state processing as well, whose claim may be live.
	InFlight bool
}

// watchDuration is how long lookups go on after an operator resolved a payment: a charge may still be
// found.
const watchDuration = 7 * 24 * time.Hour

// watchDelay is how long after the resolution the first of these lookups is due.
const watchDelay = time.Minute

// Check refuses an outcome to which a payment cannot be resolved. The error is a *[FieldError].
func (r Resolution) Check() error {
	if err := CheckOperator(r.By); err != nil {
		return err
	}
	o := r.Outcome
	if containsCardNumber(o.Reason) { // it is stored, logged and shown
		return &FieldError{Field: "reason", Message: "reason must not contain a card number"}
	}
	if o.State.Approved() && o.TransactionID == "" {
		return &FieldError{Field: "transaction_id", Message: fmt.Sprintf("a payment that is %s needs the gateway's transaction id", o.State)}
	}
	if o.TransactionID != "" && !validTransactionID(o.TransactionID) {
		return &FieldError{Field: "transaction_id", Message: "the transaction id must have at most 255 printable ASCII characters"}
	}
	switch o.State {
	case StateSucceeded:
		return nil
	case StateFailed:
		if o.Reason == "" {
			return &FieldError{Field: "reason", Message: "a failed payment needs a reason: say how you know that the money was not taken"}
		}
		return nil
	case StateAuthorized:
		if r.Operation.IsCharge() {
			return nil
		}
	case StateProcessing, StateScheduled, StatePending, StateDeclined, StateUnresolved, StateVoided:
	}
	return &FieldError{Field: "state", Message: "a payment is resolved to succeeded, to failed, or to authorized"}
}

// Apply returns the resolved payment, or a *[NotUnresolvedError], or a *[FieldError] if the payment cannot be authorized.
// The fencing token grows, so that a
// worker that still holds a claim cannot settle the payment. Lookups go on for another seven days: a
// charge that is found after "failed" is recorded, and one with a transaction other than the operator's
// is a double.
func (r Resolution) Apply(p Payment, now time.Time) (Decision, error) {
	inFlight := p.State == StateProcessing
	open := p.State.looksUp() && p.State != StateAuthorized || p.State == StateFailed && p.Doubt.Any()
	if !open && (!inFlight || !r.InFlight) {
		return Decision{}, &NotUnresolvedError{State: p.State}
	}
	if r.Outcome.State == StateAuthorized && p.Capture != CaptureManual {
		return Decision{}, &FieldError{
			Field: "state", Message: "the payment takes its money at once, so that it cannot be authorized; it succeeded or failed",
		}
	}
	at, was := Instant{now, r.Worker}, p.State
	if inFlight {
		p.recordLostAttempt(r.Rules.MaxLease, r.Rules.MaxLease, at)
	}
	prior := p.archiveAttempt(now)
	k := p.key()
	o := r.Outcome
	p.settle(o, at)
	// Also after "succeeded": the transaction may be another key's, and this key may have charged too.
	k.DueAt, k.WatchUntil, k.Lookups = now.Add(watchDelay), now.Add(watchDuration), 0
	if o.State == StateFailed && !inFlight {
		// The resolution covers the attempts before it, and none that may still begin.
		k.close(ClosedPerson, at)
		p.Doubt = Doubt{}
	}
	if o.State == StateAuthorized {
		p.DueAt = now.Add(watchDelay) // the payment's own lookup, which finds when the hold expires
	}
	p.Fence++
	d := Decision{Verdict: VerdictWritten, Payment: p, Write: true, PriorAttempt: prior}
	d.storeKey(k)
	d.addEvent(EventResolved, r.By, "was "+string(was)+"; now "+string(o.State)+": "+cmp.Or(o.Reason, o.TransactionID))
	return d, nil
}
