package httpgateway

import (
	"errors"
	"net/http"
	"time"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// defaultCode is the code of a decline that has none.
const defaultCode = "declined"

// noAnswer returns the result of an attempt without an answer. The class depends on what was
// written, never on the type of the error.
func noAnswer(lost *httpcall.LostError) payment.Result {
	class := payment.ClassNotCharged
	if lost.MayHaveLeft {
		class = payment.ClassUnknownUnanswered
	}
	return payment.Result{Class: class, Message: clip(lost.Error())}
}

// result classifies a response to an attempt at the operation. A response without the gateway's mark
// says nothing about it: the intermediary that wrote it may have forwarded the request, and
// the gateway may still be charging.
func (a answer) result(about payment.ChargeRef) payment.Result {
	if !a.marked(about.Key) {
		return payment.Result{
			Class: payment.ClassUnknownUnanswered, Message: a.unmarked(), RetryAfter: httpcall.RetryAfter(a.header, time.Now()),
		}
	}
	var r payment.Result
	switch a.status / 100 {
	case 2:
		r = a.accepted(about)
	case 4, 5:
		r = a.refused(about.Operation)
	default:
		r = payment.Result{Class: payment.ClassUnknownAnswered, Message: a.message()}
	}
	if r.Class != payment.ClassApproved && !a.fresh() { // it is not about this attempt, which may still be running
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: a.unreadable(errCached), Answered: true}
	}
	r.Answered = true
	switch r.Class {
	case payment.ClassApproved, payment.ClassAuthorized, payment.ClassDeclined:
	default:
		r.RetryAfter = httpcall.RetryAfter(a.header, time.Now())
	}
	return r
}

// accepted classifies a marked 2xx.
func (a answer) accepted(about payment.ChargeRef) payment.Result {
	said, err := a.object()
	var found payment.Lookup
	if err == nil {
		found, err = said.found(about)
	}
	r := payment.Result{Class: payment.ClassUnknownAnswered}
	if err != nil && !errors.Is(err, errStatus) {
		r.Message = a.unreadable(err)
		return r
	}
	dropped := ""
	switch found.Result {
	case payment.FoundApproved:
		return payment.Result{Class: payment.ClassApproved, TransactionID: found.TransactionID}
	case payment.FoundAuthorized:
		_, dropped = said.expiresAt()
		r = payment.Result{Class: payment.ClassAuthorized, TransactionID: found.TransactionID, HoldExpires: found.HoldExpires}
		if dropped == "" {
			return r
		}
	case payment.FoundPending:
		_, dropped = said.redirectURL()
		r = payment.Result{Class: payment.ClassPending, Reference: found.Reference, RedirectURL: found.RedirectURL}
	case payment.FoundProcessing:
		r.Class = payment.ClassUnknownUnanswered
	case payment.FoundDeclined, payment.FoundVoided, payment.FoundReturned, payment.FoundNothing, payment.FoundNoAnswer:
		// Also "declined", for which the protocol requires a 402, and unknown states.
	}
	r.Message = clip("the gateway answered " + a.describe() + ", with status " + quote(said.status()) + dropped)
	return r
}

// refused classifies a marked 4xx or 5xx by the first matching row of the protocol's table. An
// answer whose body says that the charge exists contradicts its status: the charge exists, but its
// outcome is open.
func (a answer) refused(operation payment.OperationID) payment.Result {
	said, err := a.object()
	r := payment.Result{Class: payment.ClassUnknownAnswered, Message: a.message()}
	code, status := said.text("code"), said.status()
	charged, certain := said.charged()
	switch {
	case code == codeKeyReused:
		r.Class = payment.ClassKeyReused
	case said.exists():
		r.Class = payment.ClassPending // regardless of the HTTP status; one lookup does not settle it
		if a.status == http.StatusConflict || status == statusProcessing {
			r.Class = payment.ClassUnknownUnanswered
		}
	case a.status == http.StatusPaymentRequired && (status == statusDeclined || code != ""):
		return payment.Result{
			Class: payment.ClassDeclined, Code: said.code(), Message: clip(said.humanText("the gateway declined")),
		}
	case rejects(a.status), !operation.IsCharge() && missing(a.status):
		r.Class = payment.ClassRejected
	case a.status == http.StatusTooManyRequests, certain && !charged:
		r.Class = payment.ClassNotCharged
	case a.status == http.StatusConflict: // an attempt with this key is running
		r.Class = payment.ClassUnknownUnanswered
	case a.status == http.StatusPaymentRequired && err != nil:
		r.Message = a.unreadable(err)
	}
	return r
}

// missing reports whether the status means that the gateway does not have the operation (RFC 9110, sections 15.5.6
// and 15.6.2). It has every charge, so that for a charge the status says nothing.
func missing(status int) bool {
	return status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented
}

// rejects reports whether the status means that the request is wrong.
func rejects(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden,
		http.StatusNotFound, http.StatusUnprocessableEntity:
		return true
	}
	return false
}
