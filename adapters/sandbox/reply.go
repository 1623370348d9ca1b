package sandbox

import (
	"net/http"
	"strconv"
	"time"

	"paymentd/core/payment"
)

// reply is what the gateway says, before it is put on the wire or into a Result.
type reply struct {
	status        int    // of HTTP; 0 when the connection closes without an answer
	state         string // statusSucceeded, statusDeclined or statusProcessing, where the protocol has it
	transactionID string
	code          string
	message       string
	retryAfter    time.Duration
	// notCharged: it is certain that nothing was charged, and the answer says so.
	notCharged bool
	// between is the body of an answer that something in between gives in the gateway's place:
	// without the gateway's mark, and not of the protocol. betweenType is its content type.
	between, betweenType string

	// wait is closed when it is worth asking again; nil when this is the answer.
	wait <-chan struct{}
	// lost: whatever the answer will be, it gets lost.
	lost bool
	// instead is what is answered in the place of this; nil for this.
	instead *reply
}

var noAnswer = reply{message: "the connection was closed without an answer"}

// reply answers a charge whose key was decided on before, or just now.
func (e *entry) reply(c payment.Charge) reply {
	if e.charge != c {
		return mismatch
	}
	r := e.found()
	if r.state == statusDeclined {
		r.status, r.message = http.StatusPaymentRequired, "the sandbox declines this amount"
	}
	return r
}

// found answers a lookup of a decision.
func (e *entry) found() reply {
	if e.stored != nil {
		select {
		case <-e.stored.done:
		default:
			return reply{wait: e.stored.done}
		}
		if err := e.stored.err; err != nil {
			return broken(err)
		}
	}
	if e.transaction == 0 {
		return reply{status: http.StatusOK, state: statusDeclined, code: e.code}
	}
	return reply{status: http.StatusOK, state: statusSucceeded, transactionID: e.transactionID()}
}

// reply answers a charge that will be decided later.
func (d *delayed) reply(c payment.Charge) reply {
	if d.charge != c {
		return mismatch
	}
	switch d.amount.effect {
	case effectChargeLate:
		return reply{lost: true}
	case effectOverload:
		return overload
	default:
		return reply{wait: d.decided}
	}
}

var mismatch = reply{
	status: http.StatusUnprocessableEntity, code: codeKeyReused,
	message: "the gateway key was used for another order, amount or currency; take a new key",
}

// Replies of something in between.
var (
	paywall  = reply{status: http.StatusPaymentRequired, between: "Payment Required\n", betweenType: "text/plain; charset=utf-8"}
	noRoute  = reply{status: http.StatusNotFound, between: "<html><body><h1>404 Not Found</h1></body></html>\n", betweenType: "text/html"}
	overload = reply{status: http.StatusServiceUnavailable, between: "upstream connect error or disconnect/reset before headers\n", betweenType: "text/plain; charset=utf-8"}
)

// broken is the reply of a sandbox that cannot write its ledger.
func broken(err error) reply {
	return reply{status: http.StatusInternalServerError, message: err.Error()}
}

// failure is the first reply to an amount that fails once.
func (a Amount) failure() reply {
	if a.effect == effectLimitOnce {
		return reply{
			status: http.StatusTooManyRequests, message: "too many requests", retryAfter: time.Second, notCharged: true,
		}
	}
	return reply{status: http.StatusServiceUnavailable, message: "the sandbox is out of service for once"}
}

// result is the reply to a charge as ports.Gateway has it.
func (r reply) result() payment.Result {
	result := payment.Result{
		TransactionID: r.transactionID, Code: r.code, Message: r.message, RetryAfter: r.retryAfter,
		Answered: r.status != 0 && r.between == "",
	}
	switch {
	case !result.Answered:
		result.Class = payment.ClassUnknownUnanswered
		if r.between != "" {
			result.Message = "the answer " + strconv.Itoa(r.status) + " was not written by the gateway itself"
		}
	case r.status == http.StatusOK:
		result.Class = payment.ClassApproved
	case r.code == codeKeyReused:
		result.Class, result.Code = payment.ClassKeyReused, ""
	case r.status == http.StatusPaymentRequired:
		result.Class = payment.ClassDeclined
	case r.status == http.StatusBadRequest:
		result.Class = payment.ClassRejected
	case r.notCharged:
		result.Class = payment.ClassNotCharged
	default:
		result.Class = payment.ClassUnknownAnswered
	}
	return result
}

// lookup is the reply to a lookup as ports.Gateway has it.
func (r reply) lookup() payment.Lookup {
	l := payment.Lookup{Result: payment.FoundNoAnswer, TransactionID: r.transactionID, Message: r.message}
	switch {
	case r.state == statusSucceeded:
		l.Result = payment.FoundApproved
	case r.state == statusDeclined:
		l.Result, l.Code = payment.FoundDeclined, r.code
	case r.state == statusProcessing:
		l.Result = payment.FoundProcessing
	case r.code == codeNotFound:
		l.Result = payment.FoundNothing
	}
	return l
}
