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

// Outcome is how a round ends whose last attempt had this result, where that alone
// decides. It does not while an attempt before it, or itself, left a doubt: then the
// gateway has to be asked, and ok is false.
func (r Result) Outcome(doubt Doubt) (o Outcome, ok bool) {
	switch {
	case r.Class == ClassApproved:
		return Outcome{State: StateSucceeded, TransactionID: r.TransactionID}, true
	case r.Class == ClassDeclined:
		return Outcome{State: StateDeclined, Code: r.Code, Reason: r.Message}, true
	case doubt.Any():
		return Outcome{}, false
	case r.Class == ClassRejected:
		return Outcome{State: StateFailed, Code: CodeRejected, Reason: r.Message}, true
	case r.Class == ClassNotCharged:
		return Outcome{State: StateFailed, Code: CodeRetriesExhausted, Reason: r.Message}, true
	}
	return Outcome{}, false
}

// Outcome is what the gateway's answer makes of a payment whose attempts left a doubt.
// lingers says that one of them may still arrive ([Doubt.Lingers]): then "nothing
// found" proves nothing yet.
func (l Lookup) Outcome(lingers bool) Outcome {
	switch l.Finding {
	case FoundApproved:
		return Outcome{State: StateSucceeded, TransactionID: l.TransactionID}
	case FoundDeclined:
		return Outcome{State: StateDeclined, Code: l.Code, Reason: l.Message}
	case FoundNothing:
		if !lingers {
			return Outcome{
				State: StateFailed, Code: CodeRetriesExhausted,
				Reason: "the gateway has no charge with this gateway key",
			}
		}
		return Outcome{
			State:  StateUnresolved,
			Reason: "no charge was found, and an attempt that was not answered may still arrive",
		}
	case FoundProcessing, FoundPending, FoundVoided:
		return Outcome{State: StateUnresolved, Reason: "the gateway is still processing the charge"}
	case FoundNoAnswer:
	}
	return Outcome{State: StateUnresolved, Reason: "the gateway gave no answer: " + l.Message}
}
