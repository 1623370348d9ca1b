package fake

import (
	"fmt"
	"time"

	"paymentd/core/payment"
)

// Step is how the gateway handles one call to [Gateway.Charge].
type Step struct {
	// decision is what the gateway decides about the charge when the request has arrived. Zero if it
	// decides nothing, or if the request never arrives.
	decision payment.Result
	// answer is what the caller gets in place of the decision; zero for the decision.
	answer payment.Result
	// arrivesAfter is how long after the call the request arrives.
	arrivesAfter time.Duration
	// takes is how long the gateway processes the request, and the caller waits.
	takes time.Duration
	// atOnce: an approval takes the money although the charge is only to hold it.
	atOnce bool
}

// Approve takes or holds the money, or releases it or gives it back if the call is for a void or a refund, unless
// the ledger has the gateway key.
func Approve() Step {
	return Step{decision: payment.Result{Class: payment.ClassApproved, Answered: true}}
}

// TakeAtOnce takes the money, also if the charge is only to hold it.
func TakeAtOnce() Step {
	s := Approve()
	s.atOnce = true
	return s
}

// Decline declines, with a code such as "card_declined".
func Decline(code string) Step {
	return Step{decision: payment.Result{
		Class: payment.ClassDeclined, Code: code, Message: "the charge was declined", Answered: true,
	}}
}

// DeclineAttempt declines only this attempt, like a gateway that refuses a repeat as a duplicate. The
// ledger is unchanged, and a lookup does not find the decline.
func DeclineAttempt(code string) Step {
	s := answerStep(payment.ClassDeclined, "the charge was declined")
	s.answer.Code = code
	return s
}

// Pending reports the charge, or the other operation, as undecided, until [Gateway.Complete] decides it.
func Pending() Step {
	return Step{decision: payment.Result{
		Class: payment.ClassPending, Message: "the charge is pending", Answered: true,
	}}
}

// Redirect is [Pending], with the URL at which the customer must act.
func Redirect(url string) Step {
	s := Pending()
	s.decision.RedirectURL = url
	return s
}

// Reject rejects the request as invalid, without considering the charge.
func Reject() Step { return answerStep(payment.ClassRejected, "the request was rejected") }

// KeyReused reports that the key was used with other parameters, without considering the charge.
func KeyReused() Step { return answerStep(payment.ClassKeyReused, "idempotency_key_reused") }

// Running reports that an attempt with this key is running, whether or not one is: 409.
func Running() Step { return answerStep(payment.ClassUnknownUnanswered, running) }

// NotChargedAnswer does not take the money, and reports that: an error with "charged": false.
func NotChargedAnswer() Step { return answerStep(payment.ClassNotCharged, `503 "charged": false`) }

// Refuse refuses the connection, so that no request arrives.
func Refuse() Step { return unansweredStep(payment.ClassNotCharged, "connection refused") }

// RefuseFor refuses the request, and asks that the next attempt come after d: 429.
func RefuseFor(d time.Duration) Step {
	s := answerStep(payment.ClassNotCharged, "too many requests")
	s.answer.RetryAfter = d
	return s
}

// Unavailable does not take the money, and answers without reporting that: 503.
func Unavailable() Step { return answerStep(payment.ClassUnknownAnswered, "503 Service Unavailable") }

// ChargeThenServerError takes the money, and answers without reporting that: 500.
func ChargeThenServerError() Step { return WithServerError(Approve()) }

// Timeout does not take the money, and does not answer.
func Timeout() Step { return unansweredStep(payment.ClassUnknownUnanswered, unanswered) }

// LoseAnswer takes the money, and the answer is lost.
func LoseAnswer() Step { return WithoutAnswer(Approve()) }

// ChargeLate does not answer. The request arrives d later, and takes the money then.
func ChargeLate(d time.Duration) Step {
	s := WithoutAnswer(Approve())
	s.arrivesAfter = d
	return s
}

// WithoutAnswer is then, with its answer lost.
func WithoutAnswer(then Step) Step {
	then.answer = payment.Result{Class: payment.ClassUnknownUnanswered, Message: unanswered}
	return then
}

// WithServerError is then, with an answer that says nothing about the charge: 500.
func WithServerError(then Step) Step {
	then.answer = payment.Result{
		Class: payment.ClassUnknownAnswered, Message: "500 Internal Server Error", Answered: true,
	}
	return then
}

// Intermediary is then, with an answer of this HTTP status from an intermediary. It lacks the gateway's mark,
// so that it says nothing about the charge.
func Intermediary(status int, then Step) Step {
	then = WithoutAnswer(then)
	then.answer.Message = fmt.Sprintf("the answer %d was not written by the gateway itself", status)
	return then
}

// Slow is then, with d of processing time. A caller that gives up does not get the answer, and the gateway
// continues.
func Slow(d time.Duration, then Step) Step {
	then.takes += d
	return then
}

const (
	unanswered = "no answer came"
	running    = "409 a charge with this key is under way"
)

// answerStep is a step in which the gateway itself answers, and decides nothing.
func answerStep(class payment.Class, message string) Step {
	s := unansweredStep(class, message)
	s.answer.Answered = true
	return s
}

// unansweredStep is a step in which the gateway itself does not answer, and decides nothing.
func unansweredStep(class payment.Class, message string) Step {
	return Step{answer: payment.Result{Class: class, Message: message}}
}

// Answer is how the gateway answers one call to [Gateway.LookUp].
type Answer int

const (
	// FromLedger: what the ledger has.
	FromLedger Answer = iota
	// NoAnswer: the gateway does not answer.
	NoAnswer
	// StillProcessing: an attempt with the key is running.
	StillProcessing
	// SaysPending: the charge is undecided.
	SaysPending
	// SaysVoided: the charge was cancelled, or its hold has ended.
	SaysVoided
	// SaysNothing: no charge has the key.
	SaysNothing
	// SaysDeclined: the charge was declined.
	SaysDeclined
)
