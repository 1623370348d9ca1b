package apptest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway/protocoltest"
	"paymentd/app/apptest"
	"paymentd/core/payment"
)

func TestProcess_RestartAfterKillReplays(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	p := apptest.Start(t, apptest.Build(t), map[string]string{"PAYMENTD_GATEWAY": gateway.URL}, "serve")
	p.WaitReady(t)
	require.FileExists(t, filepath.Join(p.Folder, "paymentd.db"))
	first := apptest.Pay(t.Context(), p.URL, "order-1", "100.00")
	require.Equal(t, http.StatusOK, first.Code, first)

	p.Pause(t)
	require.Zero(t, apptest.Status(t.Context(), p.URL+"/healthz"), "a paused process responds")
	p.Resume(t)
	require.Equal(t, http.StatusOK, apptest.Status(t.Context(), p.URL+"/healthz"))

	p.Kill()
	require.Equal(t, -1, p.Wait(t))
	require.Zero(t, apptest.Status(t.Context(), p.URL+"/healthz"), "a killed process responds")

	again := p.Restart(t)
	again.WaitReady(t)
	second := apptest.Pay(t.Context(), again.URL, "order-1", "100.00")
	require.Equal(t, first.Raw, second.Raw)
	require.Equal(t, "true", second.Header.Get("Idempotent-Replayed"))
	require.Equal(t, "succeeded", apptest.WaitState(t, time.Second, again.URL, "order-1", "succeeded").State)
	require.Equal(t, []string{first.Body.TransactionID}, gateway.Taken("order-1"))
	require.Zero(t, again.Stop(t), again.Log())
}

func TestStart_SandboxIsReady(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Build(t), nil, "sandbox")
	p.WaitReady(t)
	p.WaitLog(t, "the sandbox gateway listens")
	require.Zero(t, p.Stop(t))
}

func TestRun_ReturnsOutputAndCode(t *testing.T) {
	t.Parallel()

	out := apptest.Run(t, apptest.Build(t), nil, "version")
	require.Equal(t, apptest.Output{Stdout: "paymentd devel\n"}, out)
	require.Equal(t, 2, apptest.Run(t, apptest.Build(t), map[string]string{"PAYMENTD_LEASE": "1s"}, "serve").Code)
}

// victimVariable makes TestVictim start a service and wait to be killed.
const victimVariable = "APPTEST_VICTIM"

// TestStart_ServiceIsKilledWithTheTestBinary kills a test binary that has started a service.
func TestStart_ServiceIsKilledWithTheTestBinary(t *testing.T) {
	t.Parallel()

	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
	victim.Env = append(os.Environ(), victimVariable+"="+apptest.Build(t))
	out, err := victim.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, victim.Start())
	stdout := bufio.NewScanner(out)
	require.True(t, stdout.Scan(), "the victim has not started a service")
	url := stdout.Text()
	require.Equal(t, http.StatusOK, apptest.Status(t.Context(), url+"/healthz"))

	require.NoError(t, victim.Process.Kill()) // no code of the victim runs after this
	require.Error(t, victim.Wait())
	apptest.Eventually(t, 30*time.Second, func() error {
		if code := apptest.Status(t.Context(), url+"/healthz"); code != 0 {
			return fmt.Errorf("the service of the victim still responds with %d", code)
		}
		return nil
	})
}

// TestVictim does nothing unless TestStart_ServiceIsKilledWithTheTestBinary has started it.
func TestVictim(t *testing.T) {
	t.Parallel()

	binary := os.Getenv(victimVariable)
	if binary == "" {
		return
	}
	p := apptest.Start(t, binary, nil, "serve")
	p.WaitReady(t)
	fmt.Println(p.URL)
	<-t.Context().Done()
}

// The gateway of the tests passes the tests of every gateway.
func TestGateway_PassesTheProtocolTests(t *testing.T) {
	t.Parallel()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	amount := func(text string) payment.Money {
		m, err := payment.ParseMoney(text, usd)
		require.NoError(t, err)
		return m
	}
	gateway := apptest.StartGateway(t)
	gateway.Do(func(c apptest.Call) apptest.Reply {
		if c.Amount == "2.00" {
			return apptest.Reply{Status: http.StatusPaymentRequired}
		}
		return apptest.Reply{}
	})
	protocoltest.Run(t, func(testing.TB) protocoltest.Server {
		return protocoltest.Server{URL: gateway.URL, Approved: amount("1"), Declined: amount("2")}
	})
}

func TestGateway_KeepsALedger(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	charge := func(key, order string) (status int, transaction string) {
		body := strings.NewReader(`{"order_id":"` + order + `","amount":"5.00","currency":"USD"}`)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gateway.URL+"/charges", body)
		require.NoError(t, err)
		request.Header.Set("Idempotency-Key", key)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, ""
		}
		defer func() { require.NoError(t, response.Body.Close()) }()
		var answer struct {
			TransactionID string `json:"transaction_id"`
		}
		require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
		return response.StatusCode, answer.TransactionID
	}

	first, transaction := charge("key-1", "order-1")
	require.Equal(t, http.StatusCreated, first)
	_, again := charge("key-1", "order-1")
	require.Equal(t, transaction, again, "a key is charged once")
	require.Len(t, gateway.Taken("order-1"), 1)
	charge("key-2", "order-1")
	require.Len(t, gateway.Taken("order-1"), 2, "another key is another charge")
	require.Equal(t, []string{"key-1", "key-2"}, gateway.Keys("order-1"))
	require.Len(t, gateway.Calls("order-1"), 3)
	mixed, _ := charge("key-1", "order-9")
	require.Equal(t, http.StatusUnprocessableEntity, mixed)

	gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Status: http.StatusServiceUnavailable} })
	sick, _ := charge("key-3", "order-3")
	require.Equal(t, http.StatusServiceUnavailable, sick)
	require.Empty(t, gateway.Taken("order-3"))
	gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Status: http.StatusPaymentRequired} })
	declined, _ := charge("key-4", "order-4")
	require.Equal(t, http.StatusPaymentRequired, declined)
	gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Lost: true} })
	lost, _ := charge("key-5", "order-5")
	require.Zero(t, lost)
	require.Len(t, gateway.Taken("order-5"), 1, "charged, without a response")

	gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{} })
	for key, want := range map[string]string{
		"key-1": `{"status":"succeeded","transaction_id":"` + transaction + `"}`,
		"key-3": `{"code":"not_found","message":"no charge has this key"}`,
		"key-4": `{"code":"card_declined","status":"declined"}`,
	} {
		require.JSONEq(t, want, apptest.Get(t.Context(), gateway.URL, "/charges/"+key).Raw)
	}
	require.Len(t, gateway.Charges(), 4)
}
