package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// TestStop_DuringBackoff_RequeuesThePayment stops a replica whose payment waits for a retry. The client gets 202,
// and another replica finishes the payment.
func TestStop_DuringBackoff_RequeuesThePayment(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	gateway.Do(func(c apptest.Call) apptest.Reply {
		if c.Number == 1 && !c.LookUp {
			return apptest.Reply{Status: http.StatusServiceUnavailable}
		}
		return apptest.Reply{}
	})
	variables := env{
		"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_RETRY_DELAY": "8s",
	}
	p := serve(t, variables)
	asked := pay(t, p.URL, "order-1", "5.00")
	apptest.Eventually(t, 10*time.Second, inBackoff(t, p, "order-1"))

	began := time.Now()
	require.Zero(t, p.Stop(t))
	require.Less(t, time.Since(began), 5*time.Second, "the stop waited for the retry")
	answer := <-asked
	require.Equal(t, http.StatusAccepted, answer.Code, answer)
	require.JSONEq(t, `{"status":"scheduled","order_id":"order-1"}`, answer.Raw)
	require.Equal(t, "/payments/order-1", answer.Header.Get("Location"))
	out := apptest.Run(t, apptest.Build(t), variables, "stuck")
	require.Regexp(t, `(?m)^order-1 +scheduled `, out.Stdout)

	next := serve(t, variables)
	stored := apptest.WaitState(t, 30*time.Second, next.URL, "order-1", "succeeded")
	require.Equal(t, []string{stored.TransactionID}, gateway.Taken("order-1"))
	require.Len(t, gateway.Keys("order-1"), 1)
}

// inBackoff returns a condition that is nil once the first attempt of the order has finished and its retry is pending.
func inBackoff(t *testing.T, p *apptest.Process, order string) func() error {
	t.Helper()
	return func() error {
		stored, err := apptest.Find(t.Context(), p.URL, order)
		if err == nil && (len(stored.Attempts) != 1 || stored.Attempts[0].Class == "") {
			return errNotYet
		}
		return err
	}
}

// TestStop_DuringCall_FinishesIt stops a replica during a call of the gateway. The call finishes and its client gets
// the answer, new requests are accepted for later, and /readyz reports not ready.
func TestStop_DuringCall_FinishesIt(t *testing.T) {
	t.Parallel()

	release := make(chan struct{})
	gateway := apptest.StartGateway(t)
	gateway.Do(holdFirst(release))
	variables := env{"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": gateway.URL}
	p := serve(t, variables)
	asked := pay(t, p.URL, "order-1", "5.00")
	waitCalls(t, gateway, "order-1", 1)

	p.Terminate(t)
	waitReadyz(t, p, http.StatusServiceUnavailable)
	require.Equal(t, http.StatusOK, apptest.Status(t.Context(), p.URL+"/healthz"))
	late := apptest.Pay(t.Context(), p.URL, "order-2", "5.00")
	require.Equal(t, http.StatusAccepted, late.Code, late)
	require.Equal(t, "scheduled", late.Body.Status)
	require.Empty(t, gateway.Calls("order-2"), "a stopping replica must not start a charge")

	close(release)
	requireChargedOnce(t, gateway, "order-1", <-asked)
	require.Zero(t, p.Wait(t))

	next := serve(t, variables)
	apptest.WaitState(t, 30*time.Second, next.URL, "order-2", "succeeded")
	require.Len(t, gateway.Taken("order-2"), 1)
}

// TestStop_UnansweredCall_IsBounded stops a replica whose call the gateway never answers. Another replica takes over
// the payment.
func TestStop_UnansweredCall_IsBounded(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	gateway.Do(holdFirst(nil))
	variables := env{
		"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": gateway.URL,
		"PAYMENTD_SHUTDOWN": "1s", "PAYMENTD_HEARTBEAT_TIMEOUT": "1s",
	}
	p := serve(t, variables)
	pay(t, p.URL, "order-1", "5.00")
	waitCalls(t, gateway, "order-1", 1)
	began := time.Now()
	require.Zero(t, p.Stop(t))
	took := time.Since(began)
	require.Contains(t, p.Log(), "stopped with payments in flight")
	t.Logf("stopped after %v", took)
	require.Less(t, took, 5*time.Second)

	next := serve(t, variables)
	requireChargedOnce(t, gateway, "order-1", apptest.Pay(t.Context(), next.URL, "order-1", "5.00"))
}

func TestStop_SecondSignal_EndsTheProcess(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	gateway.Do(holdFirst(nil))
	p := serve(t, env{"PAYMENTD_GATEWAY": gateway.URL})
	pay(t, p.URL, "order-1", "5.00")
	waitCalls(t, gateway, "order-1", 1)
	p.Terminate(t)
	p.WaitLog(t, "paymentd stops")
	began := time.Now()
	p.Terminate(t)
	require.Equal(t, -1, p.Wait(t), "the second signal was caught")
	require.Less(t, time.Since(began), 3*time.Second)
}

func TestMaxRequests_OneMore_Gets503(t *testing.T) {
	t.Parallel()

	release := make(chan struct{})
	gateway := apptest.StartGateway(t)
	gateway.Do(holdFirst(release))
	p := serve(t, env{"PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_MAX_REQUESTS": "2"})
	first, second := pay(t, p.URL, "order-1", "5.00"), pay(t, p.URL, "order-2", "5.00")
	waitCalls(t, gateway, "", 2)

	third := apptest.Pay(t.Context(), p.URL, "order-3", "5.00")
	require.Equal(t, http.StatusServiceUnavailable, third.Code, third)
	require.Contains(t, third.Body.Error, "nothing was charged by this one")
	require.Equal(t, "1", third.Header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, apptest.Status(t.Context(), p.URL+"/healthz"))
	require.Equal(t, http.StatusOK, apptest.Status(t.Context(), p.URL+"/readyz"))

	close(release)
	requireChargedOnce(t, gateway, "order-1", <-first)
	requireChargedOnce(t, gateway, "order-2", <-second)
	requireChargedOnce(t, gateway, "order-3", apptest.Pay(t.Context(), p.URL, "order-3", "5.00"))
	require.Len(t, gateway.Calls("order-3"), 1)
}
