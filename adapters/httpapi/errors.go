package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// statusClientGone is for the log only, because the client has disconnected. nginx uses the same
// number.
const statusClientGone = 499

// problem is a kind of error response. Its name is the last part of the type in problem details;
// clients match on it, so it never changes.
type problem struct {
	name            string
	status          int
	title           string
	sentence        string        // what to change; empty if it differs from case to case
	retryAfter      time.Duration // zero if a retry is useless
	closeConnection bool          // the rest of the request is not read
}

// All problems. The sentences about money are promises; see core.
var (
	problemMalformed = problem{
		name: "malformed-request", status: http.StatusBadRequest, title: "Malformed request",
	}
	problemField = problem{
		name: "invalid-value", status: http.StatusBadRequest, title: "Invalid value",
	}
	problemNoKey = problem{
		name: "no-api-key", status: http.StatusUnauthorized, title: "No API key",
		sentence:        "the request has no API key; send one in the header Authorization: Bearer KEY",
		closeConnection: true,
	}
	problemKey = problem{
		name: "invalid-api-key", status: http.StatusUnauthorized, title: "Invalid API key",
		sentence: "the API key is unknown or revoked; use another one", closeConnection: true,
	}
	problemScope = problem{
		name: "insufficient-scope", status: http.StatusForbidden, title: "Insufficient scope",
	}
	problemForeignPage = problem{
		name: "cross-origin-request", status: http.StatusForbidden, title: "Cross-origin request",
		sentence: "a web page of another origin sent this request, and nothing was done; send it from a server, or from a page of this host",
	}
	problemDeclined = problem{
		name: "payment-declined", status: http.StatusPaymentRequired, title: "Payment declined",
		sentence: "Payment declined",
	}
	problemNoPath = problem{
		name: "no-such-path", status: http.StatusNotFound, title: "No such path",
		sentence: "there is no such path; in an order id, write / as %2F",
	}
	problemNoPayment = problem{
		name: "no-such-payment", status: http.StatusNotFound, title: "No such payment",
		sentence: "there is no payment with this order id; order ids are case-sensitive",
	}
	problemEvent = problem{
		name: "invalid-event", status: http.StatusBadRequest, title: "Invalid event",
	}
	problemNoEvents = problem{
		name: "no-events", status: http.StatusNotFound, title: "No events",
		sentence: "there is no gateway with this name that receives events; check its name and its webhook secret in the settings",
	}
	problemMethod = problem{
		name: "method-not-allowed", status: http.StatusMethodNotAllowed, title: "Method not allowed",
		sentence: "the path does not take this method; use one of those in the Allow header",
	}
	problemSlow = problem{
		name: "request-too-slow", status: http.StatusRequestTimeout, title: "Request too slow",
		sentence:        "the body did not arrive in time; send the same request again, and faster",
		closeConnection: true,
	}
	problemBusy = problem{
		name: "payment-in-progress", status: http.StatusConflict, title: "Payment in progress",
		sentence:   "another request is processing this payment; send the same request again later",
		retryAfter: time.Second,
	}
	problemOtherGateway = problem{
		name: "other-gateway", status: http.StatusConflict, title: "Payment at another gateway",
		sentence: "the payment was begun at a gateway that this service is not configured for, and may have been " +
			"charged there; send the same request again when its outcome is known",
		retryAfter: time.Minute,
	}
	problemOtherPaymentMethod = problem{
		name: "other-payment-method", status: http.StatusConflict, title: "Other payment method",
		sentence: "the payment was begun with another payment method, which may still be charged; " +
			"send the same request again later",
		retryAfter: 5 * time.Second,
	}
	problemNoGateway = problem{
		name: "gateway-unavailable", status: http.StatusServiceUnavailable, title: "Gateway unavailable",
		sentence: "no gateway for this payment can be reached; nothing was charged by this request; " +
			"send it again later",
		retryAfter: time.Second,
	}
	problemNoRefund = problem{
		name: "no-such-refund", status: http.StatusNotFound, title: "No such refund",
		sentence: "the order has no refund with this refund_id; refund ids are case-sensitive",
	}
	problemChargeOpen = problem{
		name: "payment-open", status: http.StatusConflict, title: "Payment not decided",
		sentence: "the outcome of the payment is not known yet; " +
			"send the same request again later",
		retryAfter: 5 * time.Second,
	}
	problemOperationRefused = problem{ // of an operation whose own problem replaces it: see operationWords
		name: "operation-refused", status: http.StatusUnprocessableEntity, title: "Operation refused",
	}
	problemTooLarge = problem{
		name: "body-too-large", status: http.StatusRequestEntityTooLarge, title: "Body too large",
		closeConnection: true,
	}
	problemMediaType = problem{
		name: "unsupported-media-type", status: http.StatusUnsupportedMediaType,
		title:    "Unsupported media type",
		sentence: "the header Content-Type must be given once, as application/json",
	}
	problemCoding = problem{
		name: "unsupported-content-coding", status: http.StatusUnsupportedMediaType,
		title:    "Unsupported content coding",
		sentence: "the body must be sent without Content-Encoding",
	}
	problemMismatch = problem{
		name: "order-mismatch", status: http.StatusUnprocessableEntity, title: "Order mismatch",
		sentence: "the order is known with another amount, currency or capture; " +
			"repeat those, or use a new order_id",
	}
	problemVoided = problem{
		name: "payment-voided", status: http.StatusUnprocessableEntity, title: "Payment voided",
		sentence: "the payment was voided: the money was held for the order, and was released; use a new order_id",
	}
	problemHost = problem{
		name: "misdirected-request", status: http.StatusMisdirectedRequest, title: "Misdirected request",
		sentence: "without API keys this service is served only as localhost, by its loopback address, " +
			"and under the names in PAYMENTD_ALLOWED_HOSTS; send the request to one of these",
	}
	problemTooMany = problem{
		name: "too-many-requests", status: http.StatusTooManyRequests, title: "Too many requests",
	}
	problemClientGone = problem{
		name: "client-gone", status: statusClientGone, title: "Client gone",
		sentence: "the client closed its connection",
	}
	problemInternal = problem{
		name: "internal-error", status: http.StatusInternalServerError, title: "Internal error",
		sentence: "internal error; it is safe to retry the same request",
	}
	problemStoredRow = problem{
		name: "unreadable-record", status: http.StatusInternalServerError, title: "Unreadable record",
		sentence: "the stored data of this order is damaged and cannot be used; an operator must repair it: " +
			"the log of the service names the column",
	}
	problemExhausted = problem{
		name: "retries-exhausted", status: http.StatusBadGateway, title: "Payment failed",
		sentence: "Payment failed after maximum retries",
	}
	problemRejected = problem{
		name: "gateway-rejected", status: http.StatusBadGateway, title: "Payment rejected",
		sentence: "The payment gateway rejected the request",
	}
	problemAtLimit = problem{
		name: "too-busy", status: http.StatusServiceUnavailable, title: "Too busy",
		sentence: "the service has too many concurrent requests; " +
			"nothing was charged by this one; send it again later",
		retryAfter: time.Second,
	}
	problemNoDatabase = problem{
		name: "database-unavailable", status: http.StatusServiceUnavailable,
		title: "Database unavailable",
		sentence: "the database is not available; nothing was charged by this request; " +
			"send it again later",
		retryAfter: 2 * time.Second,
	}
	problemNotWritable = problem{
		name: problemNoDatabase.name, status: problemNoDatabase.status, title: problemNoDatabase.title,
		sentence: "the database accepts no writes; nothing was charged by this request; " +
			"send it again later",
		retryAfter: problemNoDatabase.retryAfter,
	}
	problemInDoubt = problem{
		name: "outcome-in-doubt", status: http.StatusServiceUnavailable, title: "Outcome in doubt",
		sentence: "the connection to the database was lost before it confirmed that this request was stored; " +
			"send the same request again: an order is charged once only",
		retryAfter: 2 * time.Second,
	}
	problemCutShort = problem{
		name: "request-cut-short", status: http.StatusServiceUnavailable,
		title: "Request cut short",
		sentence: "the service stopped waiting before the payment was decided; " +
			"send the same request again: an order is charged once only",
		retryAfter: time.Second,
	}
	problemNotReady = problem{
		name: "not-ready", status: http.StatusServiceUnavailable, title: "Not ready",
		sentence:   "the service is stopping, or its database is unavailable or has another version",
		retryAfter: time.Second,
	}
)

// refusal is a problem of one request. It is returned as an error, which becomes the response.
type refusal struct {
	problem

	code  string        // of the gateway, if it declined
	state payment.State // of the payment, if it is the reason
	cause error         // for the log only; nil if the response says everything
}

func refuse(p problem) *refusal { return &refusal{problem: p} }

func (r *refusal) Error() string { return r.sentence }

func (r *refusal) withSentence(sentence string) *refusal {
	r.sentence = sentence
	return r
}

func (r *refusal) withRetryAfter(wait time.Duration) *refusal {
	r.retryAfter = wait
	return r
}

func (r *refusal) withCode(code string) *refusal {
	r.code = code
	return r
}

func (r *refusal) withState(state payment.State) *refusal {
	r.state = state
	return r
}

func (r *refusal) withCause(cause error) *refusal {
	r.cause = cause
	return r
}

// sentinels maps the sentinel errors of the core and the ports. The first match counts.
var sentinels = []struct {
	err     error
	problem problem
	logged  bool // with the error as the cause
}{
	{core.ErrBusy, problemBusy, false},
	{core.ErrForeignGateway, problemOtherGateway, false},
	{core.ErrKeyOpen, problemOtherPaymentMethod, false},
	{core.ErrMismatch, problemMismatch, false},
	{core.ErrVoided, problemVoided, false},
	{payment.ErrChargeOpen, problemChargeOpen, false},
	{ports.ErrNotFound, problemNoPayment, false},
	{ports.ErrInDoubt, problemInDoubt, true}, // before ErrUnavailable, because an error may wrap both
	{ports.ErrNotWritable, problemNotWritable, true},
	{ports.ErrUnavailable, problemNoDatabase, true},
}

// refusalOf maps an error to the response.
func refusalOf(ctx context.Context, err error) *refusal {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused
	}
	// Before the sentinels, because one of them may wrap it.
	if _, ok := errors.AsType[*payment.StoredRowError](err); ok {
		return refuse(problemStoredRow).withCause(err)
	}
	if field, ok := errors.AsType[*payment.FieldError](err); ok {
		return refuse(problemField).withSentence(field.Message)
	}
	if away, ok := errors.AsType[*core.GatewaysUnavailableError](err); ok {
		return refuse(problemNoGateway).withRetryAfter(max(problemNoGateway.retryAfter, away.RetryAfter))
	}
	if refused, ok := errors.AsType[*payment.OperationRefusedError](err); ok {
		return refuse(problemOperationRefused).withSentence(refused.Why).withState(refused.State)
	}
	for _, s := range sentinels {
		switch {
		case !errors.Is(err, s.err):
		case s.logged:
			return refuse(s.problem).withCause(err)
		default:
			return refuse(s.problem)
		}
	}
	return refusalOfRequest(ctx, err)
}

// refusalOfRequest maps an error of the request's context, or of the router.
func refusalOfRequest(ctx context.Context, err error) *refusal {
	routing, _ := errors.AsType[*echo.HTTPError](err)
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return refuse(problemClientGone)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return refuse(problemCutShort).withCause(err)
	case routing != nil && routing.Code == http.StatusNotFound:
		return refuse(problemNoPath)
	case routing != nil && routing.Code == http.StatusMethodNotAllowed:
		return refuse(problemMethod) // the router has set Allow
	}
	return refuse(problemInternal).withCause(err)
}

// readRefusal maps the error of a read that the database refuses: the sentence says nothing about charges.
func readRefusal(err error) error {
	var stored *payment.StoredRowError
	if !errors.Is(err, ports.ErrNotWritable) || errors.As(err, &stored) {
		return err
	}
	return refuse(problemNoDatabase).withSentence("the database refuses the service to read this; " +
		"send the same request again later, and see the log of the service for the reason").withCause(err)
}
