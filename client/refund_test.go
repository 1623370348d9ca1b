package client_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/client"
)

const refundBody = `{"refund_id":"r/1","amount":2.50,"reason":"damaged"}`

var (
	refund1  = client.Refund{OrderID: "order-1", RefundID: "r/1", Amount: "2.50", Reason: "damaged"}
	refunded = line{status: 200, body: `{"status":"success","refund_id":"r/1","transaction_id":"txn-2"}`}
	accepted = line{status: 202, body: `{"status":"scheduled","order_id":"order-1","refund_id":"r/1"}`, header: "Retry-After: 5"}
)

// problemOf is a response with problem details.
func problemOf(status int, kind, detail, code string) line {
	return line{status: status, body: `{"type":"urn:paymentd:problem:` + kind + `","title":"x","status":0,"detail":"` + detail + `","code":"` + code + `"}`}
}

func refundInState(state, more string) line {
	return line{status: 200, body: `{"kind":"refund","refund_id":"r/1","state":"` + state + `"` + more + `}`}
}

func TestRefund_EveryOutcome_IsReturned(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lines  []line
		result client.Result
		err    error
		says   string
		asked  int
	}{
		"refunded": {lines: []line{refunded}, result: client.Result{TransactionID: "txn-2"}, asked: 1},
		"replayed": {
			lines:  []line{{200, refunded.body, "Idempotent-Replayed: true", nil}},
			result: client.Result{TransactionID: "txn-2", Replayed: true}, asked: 1,
		},
		"the network, busy, away, an intermediary": {
			lines:  []line{lost, busy, away, {status: 502, body: "<html>"}, refunded},
			result: client.Result{TransactionID: "txn-2"}, asked: 5,
		},
		"declined": {
			lines: []line{problemOf(402, "refund-declined", "Refund declined", "insufficient_funds")},
			err:   &client.DeclinedError{OrderID: "order-1", Operation: client.OperationRefund, RefundID: "r/1", Code: "insufficient_funds"}, asked: 1,
			says: "refund r/1 of order order-1: declined: insufficient_funds",
		},
		"returned": {
			lines: []line{problemOf(402, "refund-declined", "Refund declined", "refund_returned")},
			err:   &client.DeclinedError{OrderID: "order-1", Operation: client.OperationRefund, RefundID: "r/1", Code: client.CodeRefundReturned}, asked: 1,
			says: "refund r/1 of order order-1: declined: refund_returned",
		},
		"failed": {
			lines: []line{problemOf(502, "refund-retries-exhausted", "Refund failed after maximum retries", "")},
			err:   &client.FailedError{OrderID: "order-1", Operation: client.OperationRefund, RefundID: "r/1", Reason: "Refund failed after maximum retries"}, asked: 1,
			says: "refund r/1 of order order-1: not refunded: Refund failed after maximum retries",
		},
		"mismatch": {
			lines: []line{problemOf(422, "refund-mismatch", "x", "")}, err: &client.MismatchError{OrderID: "order-1", Operation: client.OperationRefund, RefundID: "r/1"}, asked: 1,
			says: "refund r/1 of order order-1: the refund is known with another amount or currency",
		},
		"refused": {
			lines: []line{problemOf(422, "refund-refused", "only 1.00 USD is left", "")},
			err:   &client.RefusedError{OrderID: "order-1", Operation: client.OperationRefund, RefundID: "r/1", Sentence: "only 1.00 USD is left"}, asked: 1,
			says: "refund r/1 of order order-1: only 1.00 USD is left",
		},
		"no payment": {lines: []line{problemOf(404, "no-such-payment", "x", "")}, err: client.ErrNotFound, says: "no such payment or refund", asked: 1},
		"a version without refunds": {
			lines: []line{problemOf(404, "no-such-path", "there is no such path", "")},
			err:   &client.RequestError{Status: 404, Sentence: "there is no such path"}, says: "404 Not Found: there is no such path", asked: 1,
		},
		"a key that may not refund": {
			lines: []line{problemOf(403, "insufficient-scope", "use another key", "")},
			err:   &client.RequestError{Status: 403, Sentence: "use another key"}, says: "403 Forbidden: use another key", asked: 1,
		},
		"later, refunded": {
			lines: []line{
				accepted, refundInState("scheduled", ""), busy, refundInState("processing", ""), refundInState("pending", ""),
				refundInState("succeeded", `,"transaction_id":"txn-3"`),
			},
			result: client.Result{TransactionID: "txn-3"}, asked: 6,
		},
		"later, declined": {
			lines: []line{accepted, refundInState("unresolved", ""), refundInState("declined", `,"code":"c"`)},
			err:   &client.DeclinedError{OrderID: "order-1", Operation: client.OperationRefund, RefundID: "r/1", Code: "c"}, says: "refund r/1 of order order-1: declined: c", asked: 3,
		},
		"later, failed": {
			lines: []line{accepted, refundInState("failed", `,"reason":"damaged","state_reason":"503"`)},
			err:   &client.FailedError{OrderID: "order-1", Operation: client.OperationRefund, RefundID: "r/1", Reason: "503"}, says: "refund r/1 of order order-1: not refunded: 503", asked: 2,
		},
		"later, and the key revoked": {
			lines: []line{accepted, {status: 401, body: `{"error":"use another key"}`}},
			err: &client.UnfinishedError{
				OrderID: "order-1", Operation: client.OperationRefund, RefundID: "r/1", Cause: &client.RequestError{Status: 401, Sentence: "use another key"},
			},
			says: "refund r/1 of order order-1: not decided: 401 Unauthorized: use another key", asked: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, s := play(t, test.lines...)
				got, err := c.Refund(t.Context(), refund1)
				require.Equal(t, test.result, got)
				require.Equal(t, test.err, err)
				if test.says != "" {
					require.EqualError(t, err, test.says)
				}
				require.Len(t, s.sent, test.asked)
				for _, sent := range s.sent { // the same request each time
					require.Contains(t, []string{
						"POST /base/payments/order-1/refunds " + refundBody, "GET /base/payments/order-1/refunds/r%2F1",
					}, sent)
				}
			})
		})
	}
}

func TestRefund_ContextCancelled_ReturnsUnfinished(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]line{
		"no network":                 {lost},
		"the payment is not decided": {problemOf(409, "payment-open", "x", "")},
		"never done":                 {accepted, refundInState("unresolved", "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				c, _ := play(t, lines...)
				_, err := c.Refund(ctx, refund1)
				var unfinished *client.UnfinishedError
				require.ErrorAs(t, err, &unfinished)
				require.Equal(t, "r/1", unfinished.RefundID)
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
		})
	}
}

func TestRefund_AmountMayBeLeftOut(t *testing.T) {
	t.Parallel()
	c, s := play(t, refunded)
	_, err := c.Refund(t.Context(), client.Refund{OrderID: "a/1", RefundID: "r-1"})
	require.NoError(t, err)
	require.Equal(t, []string{`POST /base/payments/a%2F1/refunds {"refund_id":"r-1"}`}, s.sent)
	for _, amount := range []string{"ten", "1,00", `1","x":"`} {
		_, err := c.Refund(t.Context(), client.Refund{OrderID: "order-1", RefundID: "r-1", Amount: amount})
		require.EqualError(t, err, "the amount must be a decimal number such as 25.00", amount)
	}
	require.Len(t, s.sent, 1)
}

func TestGetRefund_EveryResponse_IsReturned(t *testing.T) {
	t.Parallel()
	c, s := play(t, refundInState("succeeded", `,"amount":"2.50","attempts":[{"number":1}]`))
	r, err := c.GetRefund(t.Context(), "a/1", "r/1")
	require.NoError(t, err)
	require.Equal(t, client.StateSucceeded, r.State)
	require.Len(t, r.Attempts, 1)
	require.Equal(t, []string{"GET /base/payments/a%2F1/refunds/r%2F1"}, s.sent)

	c, s = play(t, line{status: 200, body: `{"refunds":[{"refund_id":"a"},{"refund_id":"b"}]}`})
	all, err := c.Refunds(t.Context(), "a/1")
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, []string{"GET /base/payments/a%2F1/refunds"}, s.sent)

	c, _ = play(t, problemOf(404, "no-such-refund", "x", ""))
	_, err = c.GetRefund(t.Context(), "order-1", "r-1")
	require.ErrorIs(t, err, client.ErrNotFound)
	_, err = c.Refunds(t.Context(), "order-1")
	require.ErrorIs(t, err, client.ErrNotFound)
}
