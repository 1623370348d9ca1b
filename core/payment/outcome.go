package payment

import "time"

// Outcome is what a round, a lookup or an operator settles a payment to.
type Outcome struct {
	State         State
	TransactionID string
	Code          string
	Reason        string
	// HoldExpires is when the gateway releases the money, by its clock; with StateAuthorized. Zero if it is not known.
	HoldExpires time.Time
	// DueIn is after how long the payment is due again; with StateScheduled, StatePending and
	// StateUnresolved.
	DueIn time.Duration
}

// Outcome returns the outcome of a round whose last attempt had this result, if the result alone
// decides. Unless it is an approval or an authorization, or names the charge as pending, it does not while the key is in
// doubt: then the key has to be looked up, and ok is false.
func (r Result) Outcome(doubt Doubt) (o Outcome, ok bool) {
	switch r.Class {
	case ClassApproved:
		return Outcome{State: StateSucceeded, TransactionID: r.TransactionID}, true
	case ClassAuthorized:
		return Outcome{State: StateAuthorized, TransactionID: r.TransactionID, HoldExpires: r.HoldExpires}, true
	case ClassPending:
		return Outcome{State: StatePending, Reason: r.Message}, true
	case ClassDeclined, ClassRejected, ClassNotCharged, ClassUnknownAnswered, ClassUnknownUnanswered, ClassKeyReused:
	}
	if doubt.Any() {
		return Outcome{}, false
	}
	switch r.Class {
	case ClassDeclined, ClassRejected:
		return r.refusal().outcome(), true
	case ClassNotCharged:
		return Outcome{State: StateFailed, Code: CodeRetriesExhausted, Reason: r.Message}, true
	case ClassApproved, ClassAuthorized, ClassUnknownAnswered, ClassUnknownUnanswered, ClassPending, ClassKeyReused:
	}
	return Outcome{}, false
}

// refusal returns the decline or rejection that the result is, and otherwise a refusal without a class.
func (r Result) refusal() Refusal {
	if r.Class != ClassDeclined && r.Class != ClassRejected {
		return Refusal{}
	}
	return Refusal{Class: r.Class, Code: sanitizeCode(r.Code), Message: sanitizeMessage(r.Message)}
}

// reasonAbsent is the reason of a payment that failed because no charge exists. Rows of the previous
// version are recognized by it, so that it must not change: see [Payment.Upgraded].
const reasonAbsent = "the gateway has no charge with this gateway key"

// outcome returns the outcome of a payment whose key is closed, and had this refusal before.
func (r Refusal) outcome() Outcome {
	switch r.Class {
	case ClassDeclined:
		return Outcome{State: StateDeclined, Code: r.Code, Reason: r.Message}
	case ClassRejected:
		return Outcome{State: StateFailed, Code: CodeRejected, Reason: r.Message}
	default:
		return Outcome{State: StateFailed, Code: CodeRetriesExhausted, Reason: reasonAbsent}
	}
}
