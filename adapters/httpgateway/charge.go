package httpgateway

import (
	"net/http"
	"time"

	"paymentd/core/payment"
)

// defaultCode stands in for the code that a decline should have and does not.
const defaultCode = "declined"

// silent is the result of an attempt without an answer.
func silent(lost *lostError) payment.Result {
	class := payment.ClassNotCharged
	if lost.mayHaveLeft {
		class = payment.ClassUnknownUnanswered
	}
	return payment.Result{Class: class, Message: clip(lost.Error())}
}

// result says what an answer to a charge means.
//
// A status that the protocol does not name is an unknown outcome, 4xx included: taking
// it for "rejected" would end the payment on a guess.
func (a answer) result() payment.Result {
	switch a.status / 100 {
	case 1:
		// The answer that counts was still to come, and the charge may be going on.
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: a.describe()}
	case 2:
		return a.accepted()
	}
	r := payment.Result{Message: a.describe(), RetryAfter: retryAfter(a.header, time.Now())}
	switch a.status {
	case http.StatusPaymentRequired:
		return a.declined()
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden,
		http.StatusNotFound, http.StatusUnprocessableEntity:
		r.Class = payment.ClassRejected
	case http.StatusTooManyRequests:
		r.Class = payment.ClassNotCharged
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusGatewayTimeout:
		// Someone on the way gave up waiting. Behind them the charge may go on.
		r.Class = payment.ClassUnknownUnanswered
	default:
		r.Class = payment.ClassUnknownAnswered
	}
	return r
}

// accepted says what a 2xx to a charge means.
func (a answer) accepted() payment.Result {
	said, err := a.charge()
	if err != nil {
		return a.unreadable(err)
	}
	status := said.Status
	if status == "" && (a.status == http.StatusOK || a.status == http.StatusCreated) {
		// These two say "done" by themselves, where 202 does not. It still takes a
		// transaction id.
		status = statusSucceeded
	}
	switch status {
	case statusSucceeded:
		if err := said.checkTransactionID(); err != nil {
			return a.unreadable(err)
		}
		return payment.Result{Class: payment.ClassApproved, TransactionID: said.TransactionID}
	case statusDeclined:
		return a.declined()
	}
	// "processing", or a word that the protocol does not have: the charge may be going on.
	return payment.Result{
		Class:   payment.ClassUnknownUnanswered,
		Message: clip(a.describe() + ", with status " + quote(said.Status)),
	}
}

// declined is the gateway's no: 402, or a 2xx that says so. A decline is final, and frees
// the order for a new gateway key; so a 402 that is a web page, as hosting companies send
// for an unpaid bill, does not count. One without a readable body does.
func (a answer) declined() payment.Result {
	if a.html() {
		return a.unreadable(errHTML)
	}
	if a.tooLong {
		return a.unreadable(errTooLong)
	}
	said, err := a.charge()
	if err != nil {
		said = chargeAnswer{}
	}
	return payment.Result{
		Class: payment.ClassDeclined, Code: said.code(), Message: clip(said.words("the gateway declined")),
	}
}

// unreadable is the result of an answer from which nothing follows.
func (a answer) unreadable(err error) payment.Result {
	return payment.Result{
		Class:   payment.ClassUnknownAnswered,
		Message: clip(a.describe() + ", which cannot be read: " + err.Error()),
	}
}
