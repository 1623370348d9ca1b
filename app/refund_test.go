package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// refundOrder asks a service for a refund.
func refundOrder(t *testing.T, base, order, body string, headers ...string) apptest.Answer {
	t.Helper()
	return apptest.Ask(t.Context(), http.MethodPost, base+"/payments/"+order+"/refunds", body, headers...)
}

// TestRefund_EveryAnswer_OfTheWholeService runs the service as in production, on a file and its sandbox, whose amounts
// misbehave for refunds as for charges.
func TestRefund_EveryAnswer_OfTheWholeService(t *testing.T) {
	t.Parallel()
	p := serve(t, env{"PAYMENTD_RETRY_DELAY": "1ms"})
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "20000.00").Code)
	for _, c := range []struct {
		body   string
		want   int
		answer string
	}{
		{`{"refund_id":"r-1","amount":25.00,"reason":"damaged"}`, 200, `{"status":"success","refund_id":"r-1","transaction_id":"refund-1"}`},
		{`{"refund_id":"r-1","amount":25.00}`, 200, `{"status":"success","refund_id":"r-1","transaction_id":"refund-1"}`},
		{`{"refund_id":"r-1"}`, 200, `{"status":"success","refund_id":"r-1","transaction_id":"refund-1"}`},
		{`{"refund_id":"r-1","amount":26.00}`, 422, `{"error":"the refund_id is known with another amount or currency; repeat those, or use a new refund_id"}`},
		{`{"refund_id":"r-2","amount":19975.01}`, 422, `{"error":"the refund exceeds what is left of the payment: 19975.00 USD; refund at most that"}`},
		{`{"refund_id":"r-2","amount":1,"currency":"EUR"}`, 422, `{"error":"the payment is in USD; refund it in the same currency"}`},
		{`{"refund_id":"r-3","amount":9402}`, 402, `{"error":"Refund declined","code":"card_declined"}`},
		{`{"refund_id":"r-4"}`, 200, `{"status":"success","refund_id":"r-4","transaction_id":"refund-2"}`},
		{`{"refund_id":"r-5"}`, 422, `{"error":"nothing is left to refund: earlier refunds have, or may still move, all of the payment"}`},
		{`{"refund_id":"r-3","amount":9402}`, 422, `{"error":"nothing is left to refund: earlier refunds have, or may still move, all of the payment"}`},
	} {
		a := refundOrder(t, p.URL, "order-1", c.body)
		require.Equal(t, c.want, a.Code, "%s: %s", c.body, a)
		require.Equal(t, c.answer, a.Raw, c.body)
	}
	require.Equal(t, http.StatusNotFound, refundOrder(t, p.URL, "order-2", `{"refund_id":"r-1"}`).Code)
	require.Equal(t, http.StatusPaymentRequired, apptest.Pay(t.Context(), p.URL, "order-3", "9402").Code)
	a := refundOrder(t, p.URL, "order-3", `{"refund_id":"r-1"}`)
	require.Equal(t, http.StatusUnprocessableEntity, a.Code, a)
	require.JSONEq(t, `{"error":"the payment is declined; only a succeeded payment can be refunded","state":"declined"}`, a.Raw)
	whole := apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw
	require.Contains(t, whole, `"refunded":"20000.00","refundable":"0.00","operations":[{"kind":"refund","refund_id":"r-1","state":"succeeded"`)

	// A killed service gives the same answers after its restart.
	p.Kill()
	p = p.Restart(t)
	p.WaitReady(t)
	a = refundOrder(t, p.URL, "order-1", `{"refund_id":"r-1","amount":25.00}`)
	require.JSONEq(t, `{"status":"success","refund_id":"r-1","transaction_id":"refund-1"}`, a.Raw)
	require.Equal(t, whole, apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw)
	require.Zero(t, p.Stop(t))
}

// TestRefund_AcceptedForLater_IsMadeByTheQueue makes a refund that fails once, and is then taken.
func TestRefund_AcceptedForLater_IsMadeByTheQueue(t *testing.T) {
	t.Parallel()
	p := serve(t, env{"PAYMENTD_RETRY_DELAY": "1ms"})
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "10000.00").Code)
	a := refundOrder(t, p.URL, "order-1", `{"refund_id":"r-1","amount":9503}`, "Prefer", "respond-async")
	require.Equal(t, http.StatusAccepted, a.Code, a)
	require.JSONEq(t, `{"status":"scheduled","order_id":"order-1","refund_id":"r-1"}`, a.Raw)
	apptest.Eventually(t, 30*time.Second, func() error {
		found := apptest.Get(t.Context(), p.URL, "/payments/order-1/refunds/r-1")
		if !strings.Contains(found.Raw, `"refund_id":"r-1","state":"succeeded"`) {
			return fmt.Errorf("%w: %s", errNotYet, found)
		}
		return nil
	})
	require.Zero(t, p.Stop(t))
}

// TestRefund_ConcurrentRequests_NeverExceedThePayment sends refunds that together exceed the payment, each several
// times at once.
func TestRefund_ConcurrentRequests_NeverExceedThePayment(t *testing.T) {
	t.Parallel()
	const refunds, repeats = 5, 8 // of 30.00 each: three of them fit into 100.00
	p := serve(t, env{})
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "100.00").Code)
	var answers [refunds][repeats]apptest.Answer
	var clients sync.WaitGroup
	for i := range refunds {
		for j := range repeats {
			clients.Go(func() {
				answers[i][j] = refundOrder(t, p.URL, "order-1", fmt.Sprintf(`{"refund_id":"r-%d","amount":30.00}`, i))
			})
		}
	}
	clients.Wait()
	made := 0
	for i := range refunds {
		first := answers[i][0]
		require.Contains(t, []int{http.StatusOK, http.StatusUnprocessableEntity}, first.Code, first)
		for _, a := range answers[i] {
			require.Equal(t, first.Raw, a.Raw)
		}
		if first.Code == http.StatusOK {
			made++
			continue
		}
		require.JSONEq(t, `{"error":"the refund exceeds what is left of the payment: 10.00 USD; refund at most that"}`, first.Raw)
	}
	require.Equal(t, 3, made)
	require.Contains(t, apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw, `"refunded":"90.00","refundable":"10.00"`)
	require.Zero(t, p.Stop(t))
}
