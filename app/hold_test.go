package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// holdOrder asks a service to hold an amount for an order.
func holdOrder(t *testing.T, base, order, amount string) apptest.Answer {
	t.Helper()
	return apptest.Post(t.Context(), base, fmt.Sprintf(`{"order_id":%q,"amount":%s,"capture":"manual"}`, order, amount))
}

// endHold asks a service to capture or to void.
func endHold(t *testing.T, base, order, what, body string, headers ...string) apptest.Answer {
	t.Helper()
	return apptest.Ask(t.Context(), http.MethodPost, base+"/payments/"+order+"/"+what, body, headers...)
}

// TestHold_EveryAnswer_OfTheWholeService runs the service as in production, on a file and its sandbox.
func TestHold_EveryAnswer_OfTheWholeService(t *testing.T) {
	t.Parallel()
	p := serve(t, env{"PAYMENTD_RETRY_DELAY": "1ms"})
	const automatic = `{"order_id":"order-1","amount":100.00}`
	for _, order := range []string{"order-1", "order-2"} {
		require.Equal(t, 200, holdOrder(t, p.URL, order, "100.00").Code)
	}
	require.Equal(t, 200, holdOrder(t, p.URL, "order-3", "20000.00").Code)
	require.Equal(t, 200, apptest.Pay(t.Context(), p.URL, "order-4", "5.00").Code)
	for _, c := range []struct {
		order, what, body string
		want              int
		answer            string
	}{
		{"order-1", "process", automatic, 422, `{"error":"the order is known with another amount, currency or capture; repeat those, or use a new order_id"}`},
		{"order-1", "refunds", `{"refund_id":"r-1"}`, 422, `{"error":"the payment is authorized, so that no money was taken; void it, or capture it before a refund","state":"authorized"}`},
		{"order-1", "capture", `{"amount":100.01}`, 422, `{"error":"the capture exceeds what is held for the payment: 100.00 USD; capture at most that","state":"authorized"}`},
		{"order-1", "capture", `{"amount":1,"currency":"EUR"}`, 422, `{"error":"the payment is in USD; capture it in the same currency","state":"authorized"}`},
		{"order-1", "capture", `{"amount":60.00}`, 200, ``},
		{"order-1", "capture", `{"amount":50.00}`, 422, `{"error":"the capture of this order is known with another amount or currency; repeat those, because an order has one capture"}`},
		{"order-1", "void", ``, 422, `{"error":"the payment is succeeded, so that it cannot be voided; refund it instead","state":"succeeded"}`},
		{"order-1", "refunds", `{"refund_id":"r-1","amount":60.01}`, 422, `{"error":"the refund exceeds what is left of the payment: 60.00 USD; refund at most that"}`},
		{"order-1", "refunds", `{"refund_id":"r-1","amount":30.00}`, 200, ``},
		{"order-1", "process", automatic, 422, `{"error":"the order is known with another amount, currency or capture; repeat those, or use a new order_id"}`},
		{"order-2", "void", `{"reason":"sold out"}`, 200, ``},
		{"order-2", "void", ``, 200, ``},
		{"order-2", "capture", `{}`, 422, `{"error":"the payment is voided; only an authorized payment can be captured","state":"voided"}`},
		{"order-2", "refunds", `{"refund_id":"r-1"}`, 422, `{"error":"the payment is voided; only a succeeded payment can be refunded","state":"voided"}`},
		{"order-2", "process", `{"order_id":"order-2","amount":100.00,"capture":"manual"}`, 422, `{"error":"the payment was voided: the money was held for the order, and was released; use a new order_id"}`},
		{"order-3", "capture", `{"amount":9402}`, 402, `{"error":"Capture declined","code":"card_declined"}`},
		{"order-3", "capture", `{"amount":9402}`, 402, `{"error":"Capture declined","code":"card_declined"}`},
		{"order-3", "void", `{}`, 200, ``},
		{"order-4", "capture", `{}`, 422, `{"error":"the payment is succeeded; only an authorized payment can be captured","state":"succeeded"}`},
		{"order-5", "capture", `{}`, 404, `{"error":"there is no payment with this order id; order ids are case-sensitive"}`},
		{"order-5", "void", ``, 404, `{"error":"there is no payment with this order id; order ids are case-sensitive"}`},
	} {
		var a apptest.Answer
		if c.what == "process" {
			a = apptest.Post(t.Context(), p.URL, c.body)
		} else {
			a = endHold(t, p.URL, c.order, c.what, c.body)
		}
		require.Equal(t, c.want, a.Code, "%s %s %s: %s", c.order, c.what, c.body, a)
		if c.answer != "" {
			require.JSONEq(t, c.answer, a.Raw, c.body)
			continue
		}
		require.Contains(t, a.Raw, `"status":"success"`)
	}
	whole := apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw
	require.Contains(t, whole, `"state":"succeeded","amount":"100.00","currency":"USD","capture":"manual",`)
	require.Contains(t, whole, `"captured":"60.00","refunded":"30.00","refundable":"30.00","operations":[{"kind":"capture","state":"succeeded","amount":"60.00"`)
	voided := apptest.Get(t.Context(), p.URL, "/payments/order-2").Raw
	require.Contains(t, voided, `"state":"voided"`)
	require.Contains(t, voided, `"captured":"0.00","operations":[{"kind":"void","state":"succeeded","amount":"100.00","currency":"USD","reason":"sold out"`)

	// A killed service gives the same answers after its restart.
	p.Kill()
	p = p.Restart(t)
	p.WaitReady(t)
	require.Equal(t, whole, apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw)
	again := endHold(t, p.URL, "order-1", "capture", `{}`)
	require.Equal(t, 200, again.Code, again)
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	paid := holdOrder(t, p.URL, "order-1", "100.00")
	require.Contains(t, paid.Raw, `{"status":"success"`, "after a capture, the payment has succeeded")
	require.Zero(t, p.Stop(t))
}

func TestHold_Replay_IsAuthorizedOnce(t *testing.T) {
	t.Parallel()
	p := serve(t, nil)
	first := holdOrder(t, p.URL, "order-1", "100.00")
	require.Equal(t, 200, first.Code)
	require.Regexp(t, `^\{"status":"authorized","transaction_id":"[^"]+"\}$`, first.Raw)
	second := holdOrder(t, p.URL, "order-1", "100.00")
	require.Equal(t, first.Raw, second.Raw)
	require.Equal(t, "true", second.Header.Get("Idempotent-Replayed"))
	held := apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw
	require.Contains(t, held, `"state":"authorized"`)
	require.Contains(t, held, `"captured":"0.00"`)
	require.Regexp(t, `"hold_expires_at":"20\d\d-`, held)
	require.Zero(t, p.Stop(t))
}

// A capture that is accepted for later fails once, and is then made by the queue.
func TestHold_AcceptedForLater_IsCapturedByTheQueue(t *testing.T) {
	t.Parallel()
	p := serve(t, env{"PAYMENTD_RETRY_DELAY": "1ms"})
	require.Equal(t, 200, holdOrder(t, p.URL, "order-1", "10000.00").Code)
	a := endHold(t, p.URL, "order-1", "capture", `{"amount":9503}`, "Prefer", "respond-async")
	require.Equal(t, 202, a.Code, a)
	require.JSONEq(t, `{"status":"scheduled","order_id":"order-1"}`, a.Raw)
	require.Equal(t, "/payments/order-1", a.Header.Get("Location"))
	apptest.WaitState(t, 30*time.Second, p.URL, "order-1", "succeeded")
	require.Contains(t, apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw, `"captured":"9503.00"`)
	require.Zero(t, p.Stop(t))
}

// A void of a payment that waits for its customer (an amount of 9201) cancels it.
func TestVoid_PendingPayment_IsCancelled(t *testing.T) {
	t.Parallel()
	p := serve(t, nil)
	require.Equal(t, 202, apptest.Pay(t.Context(), p.URL, "order-1", "9201").Code)
	var a apptest.Answer
	apptest.Eventually(t, 30*time.Second, func() error { // a pending payment is looked up at most once a second
		if a = endHold(t, p.URL, "order-1", "void", ""); a.Code == 202 {
			return fmt.Errorf("%w: %s", errNotYet, a)
		}
		return nil
	})
	require.Equal(t, 200, a.Code, a)
	require.JSONEq(t, `{"status":"success"}`, a.Raw)
	require.Contains(t, apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw, `"code":"abandoned"`)
	require.Zero(t, p.Stop(t))
}

func TestHold_GatewayWithoutHolds_Returns400(t *testing.T) {
	t.Parallel()
	gateway := apptest.StartGateway(t)
	p := serve(t, env{"PAYMENTD_GATEWAYS_FILE": gatewaysFile(t, fmt.Sprintf(
		"gateways:\n- {name: bank, kind: http, url: %s, operations: [refund]}\n", gateway.URL))})
	a := holdOrder(t, p.URL, "order-1", "100.00")
	require.Equal(t, 400, a.Code, a)
	require.JSONEq(t, `{"error":"capture must be automatic, because no gateway for this payment can hold money"}`, a.Raw)
	require.Equal(t, 404, apptest.Get(t.Context(), p.URL, "/payments/order-1").Code)
	require.Empty(t, gateway.Calls(""))
	require.Zero(t, p.Stop(t))
}

// twoReplicas starts two replicas on MySQL with a sandbox of their own process.
func twoReplicas(t *testing.T) (first, second *apptest.Process) {
	t.Helper()
	sandbox := apptest.Start(t, apptest.Build(t), nil, "sandbox")
	sandbox.WaitReady(t)
	variables := env{
		"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": sandbox.URL, "PAYMENTD_HEARTBEAT_TIMEOUT": "1s",
	}
	return serve(t, variables), serve(t, variables)
}

// Captures and voids of the same payments arrive at two replicas at once: each payment is either captured or voided, and
// the answer to the other request has the state.
func TestHold_CaptureAgainstVoid_OneWins(t *testing.T) {
	t.Parallel()
	const orders, repeats = 12, 3
	first, second := twoReplicas(t)
	var answers [orders][2][repeats]apptest.Answer
	var clients sync.WaitGroup
	for i := range orders {
		order := fmt.Sprintf("order-%d", i)
		require.Equal(t, 200, holdOrder(t, first.URL, order, "100.00").Code)
		for j := range repeats {
			clients.Go(func() { answers[i][0][j] = endHold(t, first.URL, order, "capture", `{"amount":60.00}`) })
			clients.Go(func() { answers[i][1][j] = endHold(t, second.URL, order, "void", "") })
		}
	}
	clients.Wait()
	wins := make(map[string]int)
	for i := range orders {
		captured, voided := answers[i][0][0], answers[i][1][0]
		winner, loser, state := answers[i][0], answers[i][1], "succeeded"
		if voided.Code == 200 {
			winner, loser, state = answers[i][1], answers[i][0], "voided"
		}
		wins[state]++
		for j := range repeats {
			require.Equal(t, 200, winner[j].Code, "%s: capture %s, void %s", winner[j], captured, voided)
			require.Equal(t, 422, loser[j].Code, loser[j])
			require.Contains(t, loser[j].Raw, `"state":"`)
		}
		require.Contains(t, apptest.Get(t.Context(), second.URL, fmt.Sprintf("/payments/order-%d", i)).Raw, `"state":"`+state+`"`)
	}
	t.Logf("final states: %v", wins)
	require.Zero(t, first.Stop(t))
	require.Zero(t, second.Stop(t))
}

// A replica is killed while the gateway captures (an amount of 9508 takes 3 s). The next request, at another replica,
// finishes the capture.
func TestCapture_ReplicaKilled_CapturedOnce(t *testing.T) {
	t.Parallel()
	first, second := twoReplicas(t)
	require.Equal(t, 200, holdOrder(t, first.URL, "order-1", "10000.00").Code)
	lost := make(chan apptest.Answer, 1)
	go func() { lost <- endHold(t, first.URL, "order-1", "capture", `{"amount":9508}`) }()
	apptest.Eventually(t, 30*time.Second, func() error {
		if a := apptest.Get(t.Context(), second.URL, "/payments/order-1"); !strings.Contains(a.Raw, `"kind":"capture","state":"processing"`) {
			return fmt.Errorf("%w: %s", errNotYet, a)
		}
		return nil
	})
	first.Kill()
	require.Error(t, (<-lost).Err)
	require.Equal(t, 422, endHold(t, second.URL, "order-1", "void", "").Code, "a capture may have been made")
	var a apptest.Answer
	apptest.Eventually(t, 60*time.Second, func() error {
		if a = endHold(t, second.URL, "order-1", "capture", `{"amount":9508}`); a.Code == 202 {
			return fmt.Errorf("%w: %s", errNotYet, a)
		}
		return nil
	})
	require.Equal(t, 200, a.Code, a)
	whole := apptest.Get(t.Context(), second.URL, "/payments/order-1").Raw
	require.Contains(t, whole, `"captured":"9508.00"`)
	require.Equal(t, 1, strings.Count(whole, `"kind":"capture"`))
	require.Zero(t, second.Stop(t))
}

// Captures and voids that an operator asks for are made by the running service, once.
func TestHoldCommands_RunningService_EndsTheHold(t *testing.T) {
	t.Parallel()
	p := serve(t, nil)
	run := func(args ...string) apptest.Output {
		return apptest.RunIn(t, p.Folder, apptest.Build(t), env{}, args...)
	}
	require.Equal(t, 200, holdOrder(t, p.URL, "order-1", "100.00").Code)
	require.Equal(t, 200, holdOrder(t, p.URL, "order-2", "100.00").Code)
	require.Equal(t, apptest.Output{Stdout: "capture of order-1: 60.00 USD, scheduled: the running service makes it\nto follow it: GET /payments/order-1\n"},
		run("capture", "order-1", "--amount=60", "--reason=one item is sold out", "--by=ada"))
	apptest.WaitState(t, 30*time.Second, p.URL, "order-1", "succeeded")
	require.Contains(t, apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw, `"replica":"ada"`)
	again := run("capture", "order-1", "--reason=again", "--json")
	require.Zero(t, again.Code, again)
	require.Contains(t, again.Stdout, `{"operation":"capture","order_id":"order-1","amount":"60.00","currency":"USD","state":"succeeded","transaction_id":"`)

	require.Contains(t, run("void", "order-2", "--reason=cancelled").Stdout, "void of order-2: 100.00 USD, scheduled")
	apptest.WaitState(t, 30*time.Second, p.URL, "order-2", "voided")
	for want, args := range map[string][]string{
		"refund it instead":                {"void", "order-1", "--reason=x"},
		"known with another amount":        {"capture", "order-1", "--amount=59", "--reason=x"},
		"only an authorized payment":       {"capture", "order-2", "--reason=x"},
		"no payment of the order order-3":  {"capture", "order-3", "--reason=x"},
		"there is no void of order-1":      {"resolve", "order-1", "--void", "--failed", "--reason=x"},
		"only one whose outcome is open":   {"resolve", "order-1", "--capture", "--failed", "--reason=x"},
		"the payment is voided; only one ": {"resolve", "order-2", "--authorized=txn-1"},
	} {
		out := run(args...)
		require.Equal(t, 1, out.Code, "%v: %v", args, out)
		require.Contains(t, out.Stderr, want)
	}
	for _, args := range [][]string{
		{"capture", "order-1"},
		{"capture", "order-1", "--reason=x", "--amount="},
		{"void", "a b", "--reason=x"},
		{"resolve", "order-1", "--void", "--capture", "--failed", "--reason=x"},
		{"resolve", "order-1", "--void", "--authorized=txn-1"},
	} {
		require.Equal(t, 2, run(args...).Code, args)
	}
	require.Zero(t, p.Stop(t))
}

// resolve settles a capture that the sandbox never decides (an amount of 9201), and stuck lists it.
func TestResolve_Capture_SettlesIt(t *testing.T) {
	t.Parallel()
	p := serve(t, nil)
	run := func(args ...string) apptest.Output {
		return apptest.RunIn(t, p.Folder, apptest.Build(t), env{}, args...)
	}
	require.Equal(t, 200, holdOrder(t, p.URL, "order-1", "10000.00").Code)
	require.Equal(t, 202, endHold(t, p.URL, "order-1", "capture", `{"amount":9201}`).Code)
	require.Regexp(t, `order-1 +capture +pending`, run("stuck").Stdout)
	require.Equal(t, 422, endHold(t, p.URL, "order-1", "void", "").Code)
	require.Equal(t, apptest.Output{Stdout: "capture of order-1 is succeeded\n"}, run("resolve", "order-1", "--capture", "--succeeded=cap-found", "--by=ada"))
	whole := apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw
	require.Contains(t, whole, `"captured":"9201.00"`)
	require.Contains(t, whole, `"transaction_id":"cap-found"`)
	require.Zero(t, p.Stop(t))
}
