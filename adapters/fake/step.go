package fake

import (
	"fmt"
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
func Approve() Step {
	return Step{decides: payment.Result{Class: payment.ClassApproved, Answered: true}}
}

// Decline says no, with a code such as "card_declined".
func Decline(code string) Step {
	return Step{decides: payment.Result{
		Class: payment.ClassDeclined, Code: code, Message: "the charge was declined", Answered: true,
	}}
}

// DeclineAttempt says no to this attempt alone: whatever an earlier attempt with the key did stays
// as it is, and a lookup does not find the decline. So a gateway answers that takes a repeat for a
// duplicate.
func DeclineAttempt(code string) Step {
	s := answer(payment.ClassDeclined, "the charge was declined")
	s.tells.Code = code
	return s
}

// Pending names the charge and does not decide it, until [Gateway.Complete] does.
func Pending() Step {
	return Step{decides: payment.Result{
		Class: payment.ClassPending, Message: "the charge is pending", Answered: true,
	}}
}

// Reject finds the request wrong, and does not look at the charge.
func Reject() Step { return answer(payment.ClassRejected, "the request was rejected") }

// KeyReused says that the key was used with other parameters, and does not look at the charge.
func KeyReused() Step { return answer(payment.ClassKeyReused, "idempotency_key_reused") }

// Running says that an attempt with this key is running, whether or not one is: 409.
func Running() Step { return answer(payment.ClassUnknownUnanswered, running) }

// NotChargedAnswer does not take the money, and says so: an error with "charged": false.
func NotChargedAnswer() Step { return answer(payment.ClassNotCharged, `503 "charged": false`) }

// Refuse lets no request arrive: connection refused.
func Refuse() Step { return tell(payment.ClassNotCharged, "connection refused") }

// RefuseFor is [Refuse] with the wish that the next attempt come after d: 429.
func RefuseFor(d time.Duration) Step {
	s := answer(payment.ClassNotCharged, "too many requests")
	s.tells.RetryAfter = d
	return s
}

// Unavailable does not take the money, and answers without saying so: 503.
func Unavailable() Step { return answer(payment.ClassUnknownAnswered, "503 Service Unavailable") }

// ChargeThenServerError takes the money, and answers without saying so: 500.
func ChargeThenServerError() Step { return WithServerError(Approve()) }

// Timeout does not take the money, and does not answer.
func Timeout() Step { return tell(payment.ClassUnknownUnanswered, unanswered) }

// LoseAnswer takes the money, and the answer is lost.
func LoseAnswer() Step { return WithoutAnswer(Approve()) }

// ChargeLate does not answer. The request arrives d later, and takes the money then.
func ChargeLate(d time.Duration) Step {
	s := WithoutAnswer(Approve())
	s.late = d
	return s
}

// WithoutAnswer does as then does, and its answer is lost.
func WithoutAnswer(then Step) Step {
	then.tells = payment.Result{Class: payment.ClassUnknownUnanswered, Message: unanswered}
	return then
}

// WithServerError does as then does, and answers something that cannot be understood.
func WithServerError(then Step) Step {
	then.tells = payment.Result{
		Class: payment.ClassUnknownAnswered, Message: "500 Internal Server Error", Answered: true,
	}
	return then
}

// Intermediary does as then does, and something in between answers in the gateway's place with
// this HTTP status: without the gateway's mark, so it says nothing about the charge.
func Intermediary(status int, then Step) Step {
	then = WithoutAnswer(then)
	then.tells.Message = fmt.Sprintf("the answer %d was not written by the gateway itself", status)
	return then
}

// Slow does as then does, and takes d for it. Nobody can hurry it: a caller that leaves
// does not learn the answer, and the gateway goes on.
func Slow(d time.Duration, then Step) Step {
	then.slow += d
	return then
}

const (
	unanswered = "no answer came"
	running    = "409 a charge with this key is under way"
)

// answer is [tell] by the gateway itself.
func answer(class payment.Class, message string) Step {
	s := tell(class, message)
	s.tells.Answered = true
	return s
}

func tell(class payment.Class, message string) Step {
	return Step{tells: payment.Result{Class: class, Message: message}}
}

// Answer is how the gateway answers one call to [Gateway.LookUp].
type Answer int

const (
	// FromLedger is what the ledger says.
	FromLedger Answer = iota
	// NoAnswer: the gateway cannot be asked.
	NoAnswer
	// StillProcessing: the gateway does not say yet.
	StillProcessing
	// SaysPending: the gateway has a charge that is not decided.
	SaysPending
	// SaysVoided: the gateway has cancelled the charge.
	SaysVoided
	// SaysNothing: the gateway says that no charge has the key.
	SaysNothing
	// SaysDeclined: the gateway says that the charge was declined.
	SaysDeclined
)
