package fake

import (
	"time"

	"paymentd/core/payment"
)

// Step is what becomes of one call to [Gateway.Charge].
type Step struct {
	// decides is what the gateway decides about the charge when the request has arrived.
	// Zero when it decides nothing, or the request never arrives.
	decides payment.Result
	// tells is what the caller sees in place of the decision; zero for the decision.
	tells payment.Result
	// late is how long after the caller has been told the request arrives.
	late time.Duration
	// slow is how long the gateway is at it, and the caller waits.
	slow time.Duration
}

// Approve takes the money, unless the gateway key has been seen before.
func Approve() Step { return Step{decides: payment.Result{Class: payment.ClassApproved}} }

// Decline says no, with a code such as "card_declined".
func Decline(code string) Step {
	return Step{decides: payment.Result{
		Class: payment.ClassDeclined, Code: code, Message: "the charge was declined",
	}}
}

// Reject finds the request wrong, and does not look at the charge.
func Reject() Step { return tell(payment.ClassRejected, "the request was rejected") }

// Refuse lets no request arrive: connection refused.
func Refuse() Step { return tell(payment.ClassNotCharged, "connection refused") }

// RefuseFor is [Refuse] with the wish that the next attempt come after d: 429.
func RefuseFor(d time.Duration) Step {
	s := tell(payment.ClassNotCharged, "too many requests")
	s.tells.RetryAfter = d
	return s
}

// Unavailable does not take the money, and answers without saying so: 503.
func Unavailable() Step { return tell(payment.ClassUnknownAnswered, "503 Service Unavailable") }

// Stumble takes the money, and answers without saying so: 500.
func Stumble() Step { return Muffled(Approve()) }

// Timeout does not take the money, and does not answer.
func Timeout() Step { return tell(payment.ClassUnknownUnanswered, unanswered) }

// LoseAnswer takes the money, and the answer is lost.
func LoseAnswer() Step { return Unheard(Approve()) }

// ChargeLate does not answer. The request arrives d later, and takes the money then.
func ChargeLate(d time.Duration) Step {
	s := Unheard(Approve())
	s.late = d
	return s
}

// Unheard does as then does, and its answer is lost.
func Unheard(then Step) Step {
	then.tells = payment.Result{Class: payment.ClassUnknownUnanswered, Message: unanswered}
	return then
}

// Muffled does as then does, and answers something that cannot be understood.
func Muffled(then Step) Step {
	then.tells = payment.Result{
		Class: payment.ClassUnknownAnswered, Message: "500 Internal Server Error",
	}
	return then
}

// Slow does as then does, and takes d for it. Nobody can hurry it: a caller that leaves
// does not learn the answer, and the gateway goes on.
func Slow(d time.Duration, then Step) Step {
	then.slow += d
	return then
}

const unanswered = "no answer came"

func tell(class payment.Class, message string) Step {
	return Step{tells: payment.Result{Class: class, Message: message}}
}

// Answer is how the gateway answers one call to [Gateway.LookUp].
type Answer int

const (
	// Truth is what the ledger says.
	Truth Answer = iota
	// NoAnswer: the gateway cannot be asked.
	NoAnswer
	// StillProcessing: the gateway does not say yet.
	StillProcessing
)
