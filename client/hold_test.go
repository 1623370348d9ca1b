package client_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/client"
)

var (
	capture1 = client.Capture{OrderID: "a/1", Amount: "6.00", Reason: "sold out"}
	captured = line{status: 200, body: `{"status":"success","transaction_id":"txn-2"}`}
)

// withOperation is a payment in the state that has an operation.
func withOperation(state, kind, operationState, more string) line {
	return inState(state, `,"operations":[{"kind":"refund","refund_id":"x","state":"failed"},{"kind":"`+kind+`","state":"`+operationState+`"`+more+`}]`)
}

func TestCapture_EveryOutcome_IsReturned(t *testing.T) {
	t.Parallel()
	const problem = `{"type":"urn:paymentd:problem:capture-refused","title":"x","status":422,"detail":"the payment is voided","state":"voided"}`
	for name, test := range map[string]struct {
		lines  []line
		result client.Result
		err    error
		says   string
		asked  int
	}{
		"captured": {lines: []line{captured}, result: client.Result{TransactionID: "txn-2"}, asked: 1},
		"replayed": {
			lines:  []line{{200, captured.body, "Idempotent-Replayed: true", nil}},
			result: client.Result{TransactionID: "txn-2", Replayed: true}, asked: 1,
		},
		"the network, busy, away": {lines: []line{lost, busy, away, captured}, result: client.Result{TransactionID: "txn-2"}, asked: 4},
		"declined": {
			lines: []line{problemOf(402, "capture-declined", "Capture declined", "authorization_expired")},
			err:   &client.DeclinedError{OrderID: "a/1", Operation: client.OperationCapture, Code: "authorization_expired"},
			says:  "capture order a/1: declined: authorization_expired", asked: 1,
		},
		"failed": {
			lines: []line{problemOf(502, "capture-retries-exhausted", "Capture failed after maximum retries", "")},
			err:   &client.FailedError{OrderID: "a/1", Operation: client.OperationCapture, Reason: "Capture failed after maximum retries"},
			says:  "capture order a/1: not captured: Capture failed after maximum retries", asked: 1,
		},
		"mismatch": {
			lines: []line{problemOf(422, "capture-mismatch", "x", "")},
			err:   &client.MismatchError{OrderID: "a/1", Operation: client.OperationCapture},
			says:  "capture order a/1: the capture is known with another amount or currency", asked: 1,
		},
		"refused": {
			lines: []line{{status: 422, body: problem}},
			err: &client.RefusedError{
				OrderID: "a/1", Operation: client.OperationCapture, State: client.StateVoided, Sentence: "the payment is voided",
			},
			says: "capture order a/1: the payment is voided", asked: 1,
		},
		"no payment": {lines: []line{problemOf(404, "no-such-payment", "x", "")}, err: client.ErrNotFound, asked: 1},
		"a key that may not capture": {
			lines: []line{problemOf(403, "insufficient-scope", "use another key", "")},
			err:   &client.RequestError{Status: 403, Sentence: "use another key"}, asked: 1,
		},
		"later, captured": {
			lines: []line{
				later, withOperation("authorized", "capture", "scheduled", ""), busy, withOperation("authorized", "capture", "unresolved", ""),
				withOperation("succeeded", "capture", "succeeded", `,"transaction_id":"txn-3"`),
			},
			result: client.Result{TransactionID: "txn-3"}, asked: 5,
		},
		"later, declined": {
			lines: []line{later, withOperation("authorized", "capture", "declined", `,"code":"c"`)},
			err:   &client.DeclinedError{OrderID: "a/1", Operation: client.OperationCapture, Code: "c"}, asked: 2,
		},
		"later, failed": {
			lines: []line{later, withOperation("authorized", "capture", "failed", `,"reason":"sold out","state_reason":"503"`)},
			err:   &client.FailedError{OrderID: "a/1", Operation: client.OperationCapture, Reason: "503"}, asked: 2,
		},
		"later, and the key revoked": {
			lines: []line{later, {status: 401, body: `{"error":"use another key"}`}},
			err: &client.UnfinishedError{
				OrderID: "a/1", Operation: client.OperationCapture, Cause: &client.RequestError{Status: 401, Sentence: "use another key"},
			},
			says: "capture order a/1: not decided: 401 Unauthorized: use another key", asked: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, s := play(t, test.lines...)
				got, err := c.Capture(t.Context(), capture1)
				require.Equal(t, test.result, got)
				require.Equal(t, test.err, err)
				if test.says != "" {
					require.EqualError(t, err, test.says)
				}
				require.Len(t, s.sent, test.asked)
				for _, sent := range s.sent { // the same request each time
					require.Contains(t, []string{
						`POST /base/payments/a%2F1/capture {"amount":6.00,"reason":"sold out"}`, "GET /base/payments/a%2F1",
					}, sent)
				}
			})
		})
	}
}

// A pending payment has no void while the gateway is asked to cancel it.
func TestVoid_EveryOutcome_IsReturned(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lines  []line
		result client.Result
		err    error
		asked  int
	}{
		"voided":    {lines: []line{captured}, result: client.Result{TransactionID: "txn-2"}, asked: 1},
		"cancelled": {lines: []line{{status: 200, body: `{"status":"success"}`}}, asked: 1},
		"refused": {
			lines: []line{problemOf(422, "void-refused", "refund it instead", "")},
			err:   &client.RefusedError{OrderID: "a/1", Operation: client.OperationVoid, Sentence: "refund it instead"}, asked: 1,
		},
		"later, voided": {
			lines:  []line{later, withOperation("voided", "void", "succeeded", `,"transaction_id":"txn-3"`)},
			result: client.Result{TransactionID: "txn-3"}, asked: 2,
		},
		"later, cancelled":               {lines: []line{later, inState("pending", ""), inState("declined", `,"code":"abandoned"`)}, asked: 3},
		"later, approved before, voided": {lines: []line{later, inState("authorized", ""), captured}, result: client.Result{TransactionID: "txn-2"}, asked: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, s := play(t, test.lines...)
				got, err := c.Void(t.Context(), client.Void{OrderID: "a/1"})
				require.Equal(t, test.result, got)
				require.Equal(t, test.err, err)
				require.Len(t, s.sent, test.asked)
				for _, sent := range s.sent {
					require.Contains(t, []string{`POST /base/payments/a%2F1/void {}`, "GET /base/payments/a%2F1"}, sent)
				}
			})
		})
	}
}

func TestCapture_ContextCancelled_ReturnsUnfinished(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]line{
		"no network": {lost},
		"never done": {later, withOperation("authorized", "capture", "unresolved", "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				c, _ := play(t, lines...)
				_, err := c.Capture(ctx, capture1)
				var unfinished *client.UnfinishedError
				require.ErrorAs(t, err, &unfinished)
				require.Equal(t, client.OperationCapture, unfinished.Operation)
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
		})
	}
}

func TestCapture_AmountMayBeLeftOut(t *testing.T) {
	t.Parallel()
	c, s := play(t, captured)
	_, err := c.Capture(t.Context(), client.Capture{OrderID: "order-1"})
	require.NoError(t, err)
	require.Equal(t, []string{`POST /base/payments/order-1/capture {}`}, s.sent)
	_, err = c.Capture(t.Context(), client.Capture{OrderID: "order-1", Amount: "ten"})
	require.EqualError(t, err, "the amount must be a decimal number such as 60.00")
	require.Len(t, s.sent, 1)
}

func TestPay_Hold_IsAuthorized(t *testing.T) {
	t.Parallel()
	held := client.Payment{OrderID: "order-1", Amount: "10.00", Capture: client.CaptureManual}
	c, s := play(t, line{status: 200, body: `{"status":"authorized","transaction_id":"txn-1"}`})
	got, err := c.Pay(t.Context(), held)
	require.NoError(t, err)
	require.Equal(t, client.Result{TransactionID: "txn-1", Authorized: true}, got)
	require.Equal(t, []string{`POST /base/payments/process {"order_id":"order-1","amount":10.00,"capture":"manual"}`}, s.sent)

	synctest.Test(t, func(t *testing.T) {
		c, _ := play(t, later, inState("authorized", `,"transaction_id":"txn-1"`))
		got, err := c.Pay(t.Context(), held)
		require.NoError(t, err)
		require.Equal(t, client.Result{TransactionID: "txn-1", Authorized: true}, got)
	})
	synctest.Test(t, func(t *testing.T) {
		c, _ := play(t, later, inState("voided", ""))
		_, err := c.Pay(t.Context(), held)
		require.EqualError(t, err, "pay order order-1: the payment was voided; use a new order id")
	})
	c, _ = play(t, problemOf(422, "payment-voided", "the payment was voided", ""))
	_, err = c.Pay(t.Context(), held)
	require.Equal(t, &client.RefusedError{OrderID: "order-1", State: client.StateVoided, Sentence: "the payment was voided"}, err)
}
