package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"paymentd/core"
	"paymentd/core/payment"
)

// operate sends a request for an operation other than a charge to the core, with the client's preferences.
func (a *api) operate(
	c echo.Context, request core.Request, do func(context.Context, core.Request) (core.Answer, error),
) (core.Answer, error) {
	prefer := parsePrefer(c.Request().Header.Values("Prefer"))
	request.Wait, request.Async = prefer.wait, prefer.async
	answer, err := do(c.Request().Context(), request)
	_, wrong := errors.AsType[*payment.FieldError](err) // the request did not wait
	if applied := prefer.applied(answer.Async); applied != "" && !wrong {
		c.Response().Header().Set("Preference-Applied", applied)
	}
	if err == nil {
		infoOf(c).setAnswer(answer)
	}
	return answer, err
}

// refuseOperation returns the problem of an operation that moved no money.
func refuseOperation(answer core.Answer) error {
	words := operationWords[answer.Operation.Kind]
	switch answer.State {
	case payment.StateDeclined:
		return refuse(words.declined).withCode(answer.Code)
	case payment.StateFailed:
		if answer.Code == payment.CodeRejected {
			return refuse(words.rejected)
		}
		return refuse(words.exhausted)
	case payment.StateProcessing, payment.StateScheduled, payment.StatePending, payment.StateAuthorized,
		payment.StateSucceeded, payment.StateUnresolved, payment.StateVoided: // not final, or of charges only
	}
	return fmt.Errorf("answer %s of order %s: no answer for state %q", answer.Operation, answer.OrderID, answer.State)
}

// kindOfRoute returns the kind of operation that a POST to the route asks for.
func kindOfRoute(route string) payment.Kind {
	switch route {
	case routeRefunds:
		return payment.KindRefund
	case routeCapture:
		return payment.KindCapture
	case routeVoid:
		return payment.KindVoid
	}
	return payment.KindCharge
}

// words are the problems of an operation, and what its sentences say in place of those about charges.
type words struct {
	declined, exhausted, rejected problem
	// instead has the problems in place of those of a request to charge, by the name of the latter. One without a
	// sentence keeps that of the refusal.
	instead map[string]problem
	// replace replaces what the shared sentences say about charges.
	replace *strings.Replacer
}

var operationWords = map[payment.Kind]words{
	payment.KindRefund: wordsOf(payment.KindRefund, "refunded", "a refund is made once only", problem{
		sentence: "the refund_id is known with another amount or currency; repeat those, or use a new refund_id",
	}),
	payment.KindCapture: wordsOf(payment.KindCapture, "captured", "a payment is captured once only", problem{
		sentence: "the capture of this order is known with another amount or currency; " +
			"repeat those, because an order has one capture",
	}),
	payment.KindVoid: wordsOf(payment.KindVoid, "voided", "a payment is voided once only", problem{
		sentence: "the void of this order is known with another amount; use a new order_id",
	}),
}

// wordsOf returns the problems of a kind of operation, as in "the money was refunded". The names of problems never
// change, because clients match on them.
func wordsOf(kind payment.Kind, done, once string, mismatch problem) words {
	name := string(kind)
	title := strings.ToUpper(name[:1]) + name[1:]
	mismatch.name, mismatch.status, mismatch.title = name+"-mismatch", http.StatusUnprocessableEntity, title+" mismatch"
	busy, open, elsewhere := problemBusy, problemChargeOpen, problemOtherGateway
	busy.name, busy.title = name+"-in-progress", title+" in progress"
	busy.sentence = "another request is processing this " + name + "; send the same request again later"
	open.sentence = "the outcome of the payment is not known yet, so nothing can be " + done + "; send the same request again later"
	elsewhere.sentence = "the payment was charged at a gateway that this service is not configured for; " +
		"add the gateway to the settings, and send the same request again"
	return words{
		declined: problem{
			name: name + "-declined", status: http.StatusPaymentRequired, title: title + " declined",
			sentence: title + " declined",
		},
		exhausted: problem{
			name: name + "-retries-exhausted", status: http.StatusBadGateway, title: title + " failed",
			sentence: title + " failed after maximum retries",
		},
		rejected: problem{
			name: name + "-rejected", status: http.StatusBadGateway, title: title + " rejected",
			sentence: problemRejected.sentence,
		},
		instead: map[string]problem{
			problemBusy.name: busy, problemChargeOpen.name: open, problemOtherGateway.name: elsewhere,
			problemMismatch.name: mismatch,
			problemOperationRefused.name: {
				name: name + "-refused", status: problemOperationRefused.status, title: title + " refused",
			},
		},
		replace: strings.NewReplacer(
			"nothing was charged", "nothing was "+done,
			"before the payment was decided", "before the "+name+" was decided",
			"an order is charged once only", once,
		),
	}
}

// ofOperation returns the refusal of a request for an operation other than a charge: the problems that it shares with
// charges have sentences about charges.
func (r *refusal) ofOperation(kind payment.Kind) *refusal {
	words := operationWords[kind]
	if p, own := words.instead[r.name]; own {
		p.sentence = cmp.Or(p.sentence, r.sentence)
		r.problem = p
		return r
	}
	return r.withSentence(words.replace.Replace(r.sentence))
}
