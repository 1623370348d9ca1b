package payment

import (
	"cmp"
	"fmt"
	"time"
)

// NotUnresolvedError refuses a person's word on a payment that does not wait for one.
type NotUnresolvedError struct{ State State }

func (e *NotUnresolvedError) Error() string {
	return fmt.Sprintf("the payment is %s; only an unresolved payment can be resolved", e.State)
}

// maxByBytes is what the history keeps of the name of a replica or a person.
const maxByBytes = 64

// Resolution is a person's word on an unresolved payment.
type Resolution struct {
	OrderID OrderID
	// Outcome is StateSucceeded with a transaction id, or StateFailed with a reason.
	Outcome Outcome
	By      string // who says so
}

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
// grows, so that a lookup that is under way settles nothing.
func (r Resolution) Apply(p Payment, now time.Time) (Decision, error) {
	if p.State != StateUnresolved {
		return Decision{}, &NotUnresolvedError{State: p.State}
	}
	past := p.setPastAside(now)
	o := r.Outcome
	p.State, p.TransactionID, p.Code, p.Reason = o.State, o.TransactionID, clipCode(o.Code), clip(o.Reason)
	p.DueAt, p.Doubt = time.Time{}, Doubt{}
	p.Fence++
	p.UpdatedAt = now
	d := Decision{Verdict: VerdictWritten, Payment: p, Write: true, Past: past}
	d.tell(EventResolved, r.By, string(o.State)+": "+cmp.Or(o.Reason, o.TransactionID))
	return d, nil
}
