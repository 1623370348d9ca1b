package sandbox

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"paymentd/core/payment"
)

// reply is an answer of the gateway, from which an HTTP response or a Result is made.
type reply struct {
	status        int    // of HTTP; 0 if the connection closes without an answer
	state         string // one of the protocol, if the answer has one
	transactionID string
	// redirect is the key of the charge that the customer decides at its page; empty if there is none.
	redirect payment.GatewayKey
	// expires is when the money that is held is released; with authorized.
	expires time.Time
	// captured is what was taken of a hold; zero for all.
	captured   payment.Money
	code       string
	message    string
	retryAfter time.Duration
	// notCharged: the answer says that nothing was charged.
	notCharged bool
	// between is the body of an intermediary's answer, which has no gateway mark and does not follow the
	// protocol. betweenType is its content type.
	between, betweenType string

	// wait is closed when the reply must be computed again; nil if this is the answer.
	wait <-chan struct{}
	// lost: the answer, once there is one, is lost.
	lost bool
	// instead replaces the answer, if it is not nil.
	instead *reply
}

var noAnswer = reply{message: "the connection was closed without an answer"}

// reply answers an operation whose key is decided, with its first result.
func (e *entry) reply(c payment.Charge) reply {
	if e.charge != c {
		return reused(c)
	}
	r := e.found()
	switch {
	case r.wait != nil || r.status != http.StatusOK:
		return r
	case e.charge.Operation.IsCharge() && !e.expires.IsZero(): // it has held the money
		return reply{status: http.StatusOK, state: statusAuthorized, transactionID: e.transactionID(), expires: e.expires}
	case r.state == statusReturned:
		r.state = statusSucceeded
	case r.state == statusDeclined:
		r.status, r.message = http.StatusPaymentRequired, cmp.Or(texts[r.code], "the sandbox declines this amount")
		if r.code == payment.DeclineExceeds {
			r.message = "the " + string(c.Operation.Kind) + " exceeds what is left of the charge"
		}
	}
	return r
}

// found answers a lookup of a key that is decided.
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
	r := reply{status: http.StatusOK, state: e.status}
	switch e.status {
	case statusDeclined:
		r.code = e.code
	case statusAuthorized:
		r.transactionID, r.expires = e.transactionID(), e.expires
	case statusSucceeded, statusReturned:
		if e.charge.Operation.Kind == payment.KindVoid {
			r.state = statusVoided
			break
		}
		r.transactionID = e.transactionID()
		if e.captured > 0 && e.captured < e.charge.Money.Minor() {
			r.captured, _ = payment.MoneyFromMinor(e.captured, e.charge.Money.Currency())
		}
	case statusPending:
		if e.of == nil && amountOf(e.charge.Money).effect == effectRedirect {
			r.redirect = e.charge.Key
		}
	}
	return r
}

// reply answers an operation that is decided later.
func (d *delayed) reply(c payment.Charge) reply {
	if d.charge != c {
		return reused(c)
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

var notFound = reply{status: http.StatusNotFound, code: codeNotFound, message: "no charge has this key"}

var mismatch = reply{
	status: http.StatusUnprocessableEntity, code: codeKeyReused,
	message: "the gateway key was used for another order, amount, currency, payment method, capture or void; take a new key",
}

// reused answers an operation whose key was used for another one.
func reused(c payment.Charge) reply {
	r := mismatch
	switch c.Operation.Kind {
	case payment.KindCharge, payment.KindVoid:
	case payment.KindCapture, payment.KindRefund:
		r.message = "the gateway key was used for a " + string(c.Operation.Kind) + " of another charge or amount; take a new key"
	}
	return r
}

// Replies of an intermediary.
var (
	paywall  = reply{status: http.StatusPaymentRequired, between: "Payment Required\n", betweenType: "text/plain; charset=utf-8"}
	noRoute  = reply{status: http.StatusNotFound, between: "<html><body><h1>404 Not Found</h1></body></html>\n", betweenType: "text/html"}
	overload = reply{status: http.StatusServiceUnavailable, between: "upstream connect error or disconnect/reset before headers\n", betweenType: "text/plain; charset=utf-8"}
)

// broken is the reply if the ledger cannot be written.
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

// result converts the reply to an operation for ports.Gateway. A void has no transaction; its key identifies it.
func (r reply) result(c payment.Charge) payment.Result {
	result := payment.Result{
		TransactionID: r.transactionID, HoldExpires: r.expires, Code: r.code, Message: r.message, RetryAfter: r.retryAfter,
		Answered: r.status != 0 && r.between == "",
	}
	switch {
	case !result.Answered:
		result.Class = payment.ClassUnknownUnanswered
		if r.between != "" {
			result.Message = "the answer " + strconv.Itoa(r.status) + " was not written by the gateway itself"
		}
	case r.state == statusSucceeded:
		result.Class = payment.ClassApproved
	case r.state == statusVoided && c.Operation.Kind == payment.KindVoid:
		result.Class, result.TransactionID = payment.ClassApproved, string(c.Key)
	case r.state == statusAuthorized:
		result.Class = payment.ClassAuthorized
	case r.state == statusPending:
		result.Class, result.Message = payment.ClassPending, "the charge is pending"
	case r.state == statusVoided:
		result.Class, result.Message = payment.ClassUnknownAnswered, "the charge is voided"
	case r.code == codeKeyReused:
		result.Class, result.Code = payment.ClassKeyReused, ""
	case r.status == http.StatusConflict:
		result.Class = payment.ClassUnknownUnanswered
	case r.status == http.StatusPaymentRequired:
		result.Class = payment.ClassDeclined
	case r.status == http.StatusBadRequest, r.code == codeNotFound:
		result.Class = payment.ClassRejected
	case r.notCharged:
		result.Class = payment.ClassNotCharged
	default:
		result.Class = payment.ClassUnknownAnswered
	}
	return result
}

// lookup converts the reply to a lookup for ports.Gateway.
func (r reply) lookup(ref payment.ChargeRef) payment.Lookup {
	l := payment.Lookup{
		Result: payment.FoundNoAnswer, TransactionID: r.transactionID, HoldExpires: r.expires, Captured: r.captured, Message: r.message,
	}
	switch {
	case r.state == statusSucceeded:
		l.Result = payment.FoundApproved
	case r.state == statusVoided && ref.Operation.Kind == payment.KindVoid:
		l.Result, l.TransactionID = payment.FoundApproved, string(ref.Key)
	case r.state == statusAuthorized:
		l.Result = payment.FoundAuthorized
	case r.state == statusDeclined:
		l.Result, l.Code = payment.FoundDeclined, r.code
	case r.state == statusProcessing:
		l.Result = payment.FoundProcessing
	case r.state == statusPending:
		l.Result = payment.FoundPending
	case r.state == statusVoided:
		l.Result = payment.FoundVoided
	case r.state == statusReturned:
		l.Result, l.TransactionID = payment.FoundReturned, ""
	case r.code == codeNotFound:
		l.Result = payment.FoundNothing
	}
	return l
}
