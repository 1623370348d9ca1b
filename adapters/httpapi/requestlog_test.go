package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// line stops the service and returns the only line of its log, without the members that vary, which
// are checked here.
func (s *service) line() map[string]any {
	s.t.Helper()
	s.stop()
	entries := s.log.entries(s.t)
	require.Len(s.t, entries, 1)
	line := entries[0]
	require.Equal(s.t, "request", line["msg"])
	require.GreaterOrEqual(s.t, line["duration_ms"], 0.0)
	require.NotEmpty(s.t, line["request_id"])
	for _, name := range []string{"time", "msg", "duration_ms", "request_id"} {
		delete(line, name)
	}
	return line
}

// logged is a request, and the line of the log about it.
type logged struct {
	name string
	p    *processor
	send func(*service)
	want map[string]any
}

func postOne(s *service) { s.post(oneRequest, "Authorization: Bearer hunter2", "Prefer: wait=5") }

func getPath(path string) func(*service) { return func(s *service) { s.get(path) } }

// chargeLine returns the line about a request that charges.
func chargeLine(level string, status float64, more map[string]any) map[string]any {
	line := map[string]any{
		"level": level, "method": "POST", "route": "/payments/process", "status": status, "order_id": "order-123",
		"client": "127.0.0.1",
	}
	maps.Copy(line, more)
	return line
}

// readLine returns the line about a request that reads.
func readLine(level, route string, status float64, more map[string]any) map[string]any {
	line := map[string]any{"level": level, "method": "GET", "route": route, "status": status}
	maps.Copy(line, more)
	return line
}

func chargeLines() []logged {
	replay := core.Answer{State: payment.StateSucceeded, TransactionID: "t", Attempts: 2, Replayed: true}
	return []logged{
		{"approved", answering(approved), postOne, chargeLine("INFO", 200,
			map[string]any{"state": "succeeded", "attempts": 1.0, "replayed": false})},
		{"replayed", answering(replay), postOne, chargeLine("INFO", 200,
			map[string]any{"state": "succeeded", "attempts": 2.0, "replayed": true})},
		{
			"declined", answering(core.Answer{State: payment.StateDeclined, Code: "c", Reason: "no money", Attempts: 1}), postOne,
			chargeLine("INFO", 402, map[string]any{
				"state": "declined", "attempts": 1.0, "replayed": false, "code": "c", "reason": "no money",
			}),
		},
		{
			"failed", answering(core.Answer{State: payment.StateFailed, Reason: "the gateway answered 503", Attempts: 4}), postOne,
			chargeLine("WARN", 502, map[string]any{
				"state": "failed", "attempts": 4.0, "replayed": false, "reason": "the gateway answered 503",
			}),
		},
		{
			"failed without a reason", answering(core.Answer{State: payment.StateFailed, Attempts: 4}), postOne,
			chargeLine("WARN", 502, map[string]any{
				"state": "failed", "attempts": 4.0, "replayed": false, "reason": "Payment failed after maximum retries",
			}),
		},
		{
			"rejected", answering(core.Answer{State: payment.StateFailed, Code: payment.CodeRejected, Reason: "401: who are you?"}), postOne,
			chargeLine("WARN", 502, map[string]any{
				"state": "failed", "attempts": 0.0, "replayed": false, "code": payment.CodeRejected, "reason": "401: who are you?",
			}),
		},
		{
			"unresolved", answering(core.Answer{State: payment.StateUnresolved, Reason: "no answer: the timeout was reached", Attempts: 4}), postOne,
			chargeLine("INFO", 202, map[string]any{
				"state": "unresolved", "attempts": 4.0, "replayed": false, "reason": "no answer: the timeout was reached",
			}),
		},
		{"busy", failing(core.ErrBusy), postOne, chargeLine("INFO", 409, map[string]any{
			"reason": "another request is processing this payment; send the same request again later",
		})},
		{"mismatch", failing(core.ErrMismatch), postOne, chargeLine("INFO", 422, map[string]any{
			"reason": "the order is known with another amount, currency or capture; repeat those, or use a new order_id",
		})},
		{"no database", failing(fmt.Errorf("claim payment: %w", ports.ErrUnavailable)), postOne, chargeLine("WARN", 503,
			map[string]any{
				"error":  "claim payment: the database is not available",
				"reason": "the database is not available; nothing was charged by this request; send it again later",
			})},
		{"our fault", failing(errors.New("nil ledger")), postOne, chargeLine("ERROR", 500, map[string]any{
			"error": "nil ledger", "reason": "internal error; it is safe to retry the same request",
		})},
		{
			"refused", failing(nil), func(s *service) { s.post(`{"order_id":"hunter2","amount":0}`) },
			map[string]any{
				"level": "INFO", "method": "POST", "route": "/payments/process", "status": 400.0,
				"client": "127.0.0.1", "reason": "amount must be above zero",
			},
		},
		{
			"wrong media type", failing(nil), func(s *service) { s.post(oneRequest, "Content-Type: text/plain") },
			map[string]any{
				"level": "INFO", "method": "POST", "route": "/payments/process", "status": 415.0,
				"client": "127.0.0.1", "reason": "the header Content-Type must be given once, as application/json",
			},
		},
	}
}

func readLines(t *testing.T) []logged {
	t.Helper()
	return []logged{
		{"found", knowing(ports.History{Payment: payment.Payment{
			OrderID: "o", State: payment.StateScheduled, Money: money(t, "1", "USD"),
		}}), getPath("/payments/o%2F1?key=hunter2"), readLine("INFO", "/payments/:order_id", 200,
			map[string]any{"order_id": "o/1", "state": "scheduled", "attempts": 0.0, "replayed": false})},
		{"not found", failing(nil), getPath("/payments/o"), readLine("INFO", "/payments/:order_id", 404, map[string]any{
			"order_id": "o", "reason": "there is no payment with this order id; order ids are case-sensitive",
		})},
		{"misspelt parameter", failing(nil), getPath("/payments?sate=failed"), readLine("INFO", "/payments", 400, map[string]any{
			"reason": `the parameter "sate" is not known; use state, gateway, created_from, created_before, q, limit or cursor`,
		})},
		{"list", failing(nil), getPath("/payments?limit=5"), readLine("INFO", "/payments", 200, nil)},
		{"unknown path", failing(nil), getPath("/hunter2"), readLine("INFO", "", 404, map[string]any{
			"reason": "there is no such path; in an order id, write / as %2F",
		})},
		{
			"method of any length", failing(nil), func(s *service) { s.request(strings.Repeat("X", 4000), "/payments", "") },
			map[string]any{"level": "INFO", "method": "XXXXXXXXXXXXXXXX", "route": "/payments", "status": 405.0, "reason": "the path does not take this method; use one of those in the Allow header"},
		},
		{"alive", failing(nil), getPath("/healthz"), readLine("DEBUG", "/healthz", 200, nil)},
		{"ready", failing(nil), getPath("/readyz"), readLine("DEBUG", "/readyz", 200, nil)},
	}
}

func TestRequestLog_Lines(t *testing.T) {
	t.Parallel()
	for _, test := range slices.Concat(chargeLines(), readLines(t)) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, test.p)
			test.send(s)
			require.Equal(t, test.want, s.line())
			require.NotContains(t, s.log.lines.String(), "hunter2")
		})
	}
}

func TestPanic_IsLoggedAndReturns500(t *testing.T) {
	t.Parallel()
	s := serve(t, &processor{process: func(context.Context, core.Request) (core.Answer, error) { panic("no ledger") }})
	got := s.post(oneRequest)
	require.Equal(t, 500, got.status)
	require.Equal(t, "internal error; it is safe to retry the same request", got.sentence(t))
	line := s.line()
	require.Equal(t, "ERROR", line["level"])
	require.Equal(t, "panic: no ledger", line["error"])
	require.Equal(t, "order-123", line["order_id"])
	require.Contains(t, line["stack"], "httpapi_test.TestPanic_IsLoggedAndReturns500")
}

// net/http drops the connection after this panic.
func TestAbortedHandler_ClosesConnection(t *testing.T) {
	t.Parallel()
	s := serve(t, &processor{process: func(context.Context, core.Request) (core.Answer, error) { panic(http.ErrAbortHandler) }})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.addr+"/payments/process", strings.NewReader(oneRequest))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	_, err = s.client.Do(r) //nolint:bodyclose // there is no response
	require.Error(t, err)
	s.stop()
	require.Empty(t, s.log.entries(t))
}

func TestRequestID_Valid_IsReturned(t *testing.T) {
	t.Parallel()
	s := serve(t, &processor{})
	longest := strings.Repeat("x", 128)
	kept := []string{"a", "7f3c-11", longest, `"<&>`}
	replaced := [][]string{
		nil, {""}, {"a b"}, {"a\tb"}, {"é"}, {longest + "x"}, {"a", "b"}, {"a", "a"}, {"\xff"},
	}
	for _, id := range kept {
		require.Equal(t, []string{id}, s.get("/healthz", "X-Request-Id: "+id).header.Values("X-Request-Id"))
	}
	var made []string
	for _, sent := range replaced {
		var header []string
		for _, id := range sent {
			header = append(header, "X-Request-Id: "+id)
		}
		got := s.get("/nowhere", header...).header.Values("X-Request-Id")
		require.Len(t, got, 1)
		id, err := uuid.Parse(got[0])
		require.NoError(t, err)
		require.EqualValues(t, 7, id.Version())
		made = append(made, got[0])
	}
	s.stop()
	for i, id := range append(kept, made...) {
		require.Equal(t, id, s.log.entries(t)[i]["request_id"])
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(made))), len(made))
}
