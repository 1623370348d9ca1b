package payment

import "time"

// Outcome is what a round, a lookup or a person settles a payment to.
type Outcome struct {
	State         State
	TransactionID string
	Code          string
	Reason        string
	// DueIn is when the service goes on by itself: with StateScheduled, StateUnresolved.
	DueIn time.Duration
}

// Outcome is how a round ends whose last attempt had this result, if that alone decides. It does
// not while an attempt before it, or itself, left a doubt: then the gateway is looked up, and ok is
// false. An approval always decides.
func (r Result) Outcome(doubt Doubt) (o Outcome, ok bool) {
	if r.Class == ClassApproved {
		return Outcome{State: StateSucceeded, TransactionID: r.TransactionID}, true
	}
	if doubt.Any() {
		return Outcome{}, false
	}
	switch r.Class {
	case ClassDeclined, ClassRejected:
		return r.refusal().outcome(), true
	case ClassNotCharged:
		return Outcome{State: StateFailed, Code: CodeRetriesExhausted, Reason: r.Message}, true
	case ClassApproved, ClassUnknownAnswered, ClassUnknownUnanswered, ClassPending, ClassKeyReused:
	}
	return Outcome{}, false
}

// refusal is what the result refuses, if it does.
func (r Result) refusal() Refusal {
	if r.Class != ClassDeclined && r.Class != ClassRejected {
		return Refusal{}
	}
	return Refusal{Class: r.Class, Code: clipCode(r.Code), Message: clip(r.Message)}
}

// outcome is that of a payment whose key was refused and is closed.
func (r Refusal) outcome() Outcome {
	switch r.Class {
	case ClassDeclined:
		return Outcome{State: StateDeclined, Code: r.Code, Reason: r.Message}
	case ClassRejected:
		return Outcome{State: StateFailed, Code: CodeRejected, Reason: r.Message}
	default:
		return Outcome{
			State: StateFailed, Code: CodeRetriesExhausted,
			Reason: "the gateway has no charge with this gateway key",
		}
	}
}
