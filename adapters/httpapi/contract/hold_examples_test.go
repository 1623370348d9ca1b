package contract_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"paymentd/adapters/httpapi"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

const oneCapture = `{"amount":60.00}`

// holding sends a request to capture or to void.
func holding(path, body string, header ...string) func(*service, ...string) answer {
	return func(s *service, more ...string) answer {
		header := slices.Concat([]string{"Content-Type: application/json"}, header, more)
		return s.request(http.MethodPost, "/payments/order-123/"+path, body, header...)
	}
}

// historyHeld is the payment of the examples whose money is held.
func historyHeld(t *testing.T) ports.History {
	t.Helper()
	h := historySucceeded(t)
	h.Payment.State, h.Payment.Capture = payment.StateAuthorized, payment.CaptureManual
	h.Payment.HoldExpires = at(7 * 24 * time.Hour)
	h.Attempts[0].Class = payment.ClassAuthorized
	return h
}

// historyCaptured is that payment with a capture of a part.
func historyCaptured(t *testing.T) ports.History {
	t.Helper()
	h := historyHeld(t)
	h.Payment.State, h.Payment.CapturedMinor = payment.StateSucceeded, 6000
	h.Operations = historyRefunded(t).Operations
	o := &h.Operations[0].Payment
	o.Operation, o.Money, o.Note = payment.OperationID{Kind: payment.KindCapture}, money(t, "60", "USD"), "one item is sold out"
	h.Payment.UpdatedAt = o.UpdatedAt
	return h
}

// holdScenarios are about the outcomes of a capture or a void.
func holdScenarios(kind string) map[string]scenario {
	location := map[string]string{"Location": "/payments/order-123"}
	made := core.Answer{State: payment.StateSucceeded, TransactionID: "txn-21409"}
	again := made
	again.Replayed = true
	done, code := "captured", "authorization_expired"
	all := make(map[string]scenario)
	if kind == "void" {
		done, code = "voided_hold", "not_voidable"
		all["cancelled"] = scenario{p: answering(core.Answer{State: payment.StateSucceeded})}
	}
	all[done] = scenario{p: answering(made), header: map[string]string{"Idempotent-Replayed": ""}}
	all[kind+"_replayed"] = scenario{p: answering(again), header: map[string]string{"Idempotent-Replayed": "true"}}
	all[kind+"_accepted"] = scenario{
		p:      answering(core.Answer{State: payment.StateScheduled, Async: true}),
		send:   holding(kind, "{}", "Prefer: respond-async"),
		header: map[string]string{"Preference-Applied": "respond-async", "Location": "/payments/order-123"},
	}
	all[kind+"_pending"] = scenario{p: answered(payment.StatePending, ""), header: location}
	all[kind+"_unresolved"] = scenario{p: answered(payment.StateUnresolved, ""), header: location}
	all[kind+"_declined"] = scenario{p: answered(payment.StateDeclined, code)}
	all[kind+"_exhausted"] = scenario{p: answered(payment.StateFailed, payment.CodeRetriesExhausted)}
	all[kind+"_rejected"] = scenario{p: answered(payment.StateFailed, payment.CodeRejected)}
	return all
}

// holdErrorScenarios are about requests to capture or to void that are refused or fail.
func holdErrorScenarios(t *testing.T, kind string) map[string]scenario {
	t.Helper()
	refused := func(state payment.State, why string) scenario {
		return scenario{p: ending(&payment.OperationRefusedError{State: state, Why: why})}
	}
	all := map[string]scenario{
		"of_unknown_order": {p: ending(ports.ErrNotFound)},
		"in_progress": {
			p: ending(core.ErrBusy), send: holding(kind, "{}", "Prefer: wait=0"),
			header: map[string]string{"Preference-Applied": "wait=0", "Retry-After": "1"},
		},
		"of_open_payment":  {p: ending(payment.ErrChargeOpen), header: map[string]string{"Retry-After": "5"}},
		"at_other_gateway": {p: ending(core.ErrForeignGateway), header: map[string]string{"Retry-After": "60"}},
		"not_json":         {send: holding(kind, "{}", "Content-Type: text/plain")},
		"compressed":       {send: holding(kind, "{}", "Content-Encoding: gzip")},
		"without_database": {p: ending(ports.ErrUnavailable), header: map[string]string{"Retry-After": "2"}},
		"without_gateway": {
			p: ending(&core.GatewaysUnavailableError{RetryAfter: 3 * time.Second}), header: map[string]string{"Retry-After": "3"},
		},
		"in_doubt":  {p: ending(ports.ErrInDoubt)},
		"cut_short": {p: ending(context.Canceled)},
	}
	if kind == "capture" {
		all["without_body"] = scenario{send: holding(kind, "")}
		all["with_misspelt_member"] = scenario{send: holding(kind, `{"amout":60.00}`)}
		all["of_nothing"] = scenario{send: holding(kind, `{"amount":0}`)}
		all["exceeds"] = refused(payment.StateAuthorized, "the capture exceeds what is held for the payment: 100.00 USD; capture at most that")
		all["of_voided"] = refused(payment.StateVoided, "the payment is voided; only an authorized payment can be captured")
		all["during_void"] = refused(payment.StateAuthorized, "a void of the payment is in progress, so that it cannot be captured")
	} else {
		all["with_amount"] = scenario{send: holding(kind, `{"amount":60.00}`)}
		all["with_a_card_number"] = scenario{send: holding(kind, `{"reason":"card 4242 4242 4242 4242"}`)}
		all["of_succeeded"] = refused(payment.StateSucceeded, "the payment is succeeded, so that it cannot be voided; refund it instead")
		all["during_capture"] = refused(payment.StateAuthorized, "a capture of the payment is in progress, so that it cannot be voided")
	}
	named := map[string]scenario{
		"long_" + kind: {send: holding(kind, strings.Repeat(" ", 65537))},
		"slow_" + kind: {
			options: func(o *httpapi.Options) { o.ReadTimeout = 50 * time.Millisecond },
			send: func(s *service, header ...string) answer {
				return s.raw("POST /payments/order-123/" + kind + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
					"Content-Length: 10\r\n" + strings.Join(append(header, ""), "\r\n") + "\r\n{")
			},
		},
	}
	if kind == "capture" {
		named["other_capture_amount"] = scenario{p: ending(core.ErrMismatch)}
	}
	for name, sc := range all {
		named[kind+"_"+name] = sc
	}
	return named
}
