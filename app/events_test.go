package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
	"paymentd/internal/standardwebhooks"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// webhookSecretFile returns the path of a file with the secret.
func webhookSecretFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "webhook-secret")
	require.NoError(t, os.WriteFile(path, []byte(webhookSecret+"\n"), 0o600))
	return path
}

// postEvent sends an event of the gateway protocol, signed with a secret at a time.
func postEvent(t *testing.T, base, path, id, body, secret string, at time.Time) int {
	t.Helper()
	parsed, err := standardwebhooks.ParseSecret(secret)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(body))
	require.NoError(t, err)
	parsed.Sign(r.Header, id, at, []byte(body))
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

func eventOf(kind, order, key string) string {
	return `{"type":"` + kind + `","order_id":"` + order + `","key":"` + key + `"}`
}

// The sandbox server sends an event when the customer has decided. The payment is settled by the lookup that
// follows, long before the next interval of lookups.
func TestEvents_PendingPayment_IsSettledAtOnce(t *testing.T) {
	t.Parallel()
	secret, address := webhookSecretFile(t), apptest.FreeAddress(t)
	sandbox := apptest.Start(t, apptest.Build(t), env{
		"PAYMENTD_SANDBOX_EVENTS_URL":         "http://" + address + "/gateways/http/events",
		"PAYMENTD_SANDBOX_EVENTS_SECRET_FILE": secret,
	}, "sandbox")
	sandbox.WaitReady(t)
	p := serve(t, env{
		"PAYMENTD_ADDR": address, "PAYMENTD_GATEWAY": sandbox.URL, "PAYMENTD_GATEWAY_EVENTS_SECRET_FILE": secret,
		"PAYMENTD_RECONCILE": "15m",
	})
	answer := apptest.Pay(t.Context(), p.URL, "order-1", "9201.00")
	require.Equal(t, http.StatusAccepted, answer.Code, answer)
	var accepted struct {
		RedirectURL string `json:"redirect_url"`
	}
	require.NoError(t, json.Unmarshal([]byte(answer.Raw), &accepted))
	began := time.Now()
	response, err := http.PostForm(accepted.RedirectURL, url.Values{"decision": {"approve"}})
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	apptest.WaitState(t, 30*time.Second, p.URL, "order-1", "succeeded")
	t.Logf("settled %v after the customer's decision", time.Since(began))
	metrics := apptest.Get(t.Context(), p.URL, "/metrics").Raw
	require.Contains(t, metrics, `paymentd_gateway_events_total{gateway="http",result="refused"} 0`)
	require.NotContains(t, metrics, `paymentd_gateway_events_total{gateway="http",result="accepted"} 0`)
	require.NotContains(t, sandbox.Log(), "an event was not accepted")
	require.Zero(t, p.Stop(t))
	require.Zero(t, sandbox.Stop(t))
}

// The sandbox server sends an event when the money of a refund comes back, which no lookup would find, because the
// refund has succeeded. The amount can be refunded again.
func TestEvents_ReturnedRefund_IsRecorded(t *testing.T) {
	t.Parallel()
	secret, address := webhookSecretFile(t), apptest.FreeAddress(t)
	sandbox := apptest.Start(t, apptest.Build(t), env{
		"PAYMENTD_SANDBOX_EVENTS_URL":         "http://" + address + "/gateways/http/events",
		"PAYMENTD_SANDBOX_EVENTS_SECRET_FILE": secret,
	}, "sandbox")
	sandbox.WaitReady(t)
	p := serve(t, env{
		"PAYMENTD_ADDR": address, "PAYMENTD_GATEWAY": sandbox.URL, "PAYMENTD_GATEWAY_EVENTS_SECRET_FILE": secret,
		"PAYMENTD_RECONCILE": "15m",
	})
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "9204.00").Code)
	refunds := p.URL + "/payments/order-1/refunds"
	first := apptest.Ask(t.Context(), http.MethodPost, refunds, `{"refund_id":"r-1"}`)
	require.Equal(t, http.StatusOK, first.Code, first)
	again := apptest.Ask(t.Context(), http.MethodPost, refunds, `{"refund_id":"r-2","amount":1.00}`)
	require.Equal(t, http.StatusUnprocessableEntity, again.Code, again)
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		found := apptest.Get(context.Background(), p.URL, "/payments/order-1/refunds/r-1")
		assert.Contains(t, found.Raw, `"state":"declined"`)
		assert.Contains(t, found.Raw, `"code":"refund_returned"`)
	}, 30*time.Second, 100*time.Millisecond)
	again = apptest.Ask(t.Context(), http.MethodPost, refunds, `{"refund_id":"r-2","amount":1.00}`)
	require.Equal(t, http.StatusOK, again.Code, again)
	require.Zero(t, p.Stop(t))
	require.Zero(t, sandbox.Stop(t))
}

// The service is killed between its answer to the event and the end of the lookup.
func TestEvents_KilledBeforeLookupEnds_IsSettledAfterRestart(t *testing.T) {
	t.Parallel()
	gateway := apptest.StartGateway(t)
	const pending = `{"status":"pending","transaction_id":"txn-1"}`
	hung := make(chan struct{})
	gateway.Do(func(c apptest.Call) apptest.Reply {
		if c.LookUp {
			return apptest.Reply{Until: hung}
		}
		return apptest.Reply{Status: http.StatusOK, Body: pending}
	})
	p := serve(t, env{
		"PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_GATEWAY_EVENTS_SECRET_FILE": webhookSecretFile(t), "PAYMENTD_RECONCILE": "4s",
	})
	answer := apptest.Pay(t.Context(), p.URL, "order-1", "5.00")
	require.Equal(t, http.StatusAccepted, answer.Code, answer)
	event := eventOf("charge.succeeded", "order-1", gateway.Calls("order-1")[0].Key)
	require.Equal(t, http.StatusOK, postEvent(t, p.URL, "/gateways/http/events", "evt-1", event, webhookSecret, time.Now()))
	p.Kill()

	gateway.Do(func(apptest.Call) apptest.Reply {
		return apptest.Reply{Status: http.StatusOK, Body: strings.Replace(pending, "pending", "succeeded", 1)}
	})
	p = p.Restart(t)
	p.WaitReady(t)
	apptest.WaitState(t, time.Minute, p.URL, "order-1", "succeeded")
	require.Len(t, gateway.Calls("order-1"), 1)
	require.Zero(t, p.Stop(t))
}

// What is answered to events, over a real socket.
func TestEvents_Answers(t *testing.T) {
	t.Parallel()
	gateway := apptest.StartGateway(t)
	p := serve(t, env{"PAYMENTD_GATEWAYS_FILE": gatewaysFile(t, `gateways:
- {name: bank, kind: http, url: `+gateway.URL+`, webhook_secret_file: `+webhookSecretFile(t)+`}
- {name: spare, kind: http, url: "http://127.0.0.1:9"}
routes:
- {use: bank}
`), "PAYMENTD_API_KEYS": "0123456789abcdef"})
	const bank = "/gateways/bank/events"
	event, now := eventOf("charge.succeeded", "order-unknown", "key-1"), time.Now()
	other := strings.Replace(webhookSecret, "MfKQ", "MfKR", 1)
	require.Equal(t, http.StatusOK, postEvent(t, p.URL, bank, "evt-1", event, webhookSecret, now))
	require.Equal(t, http.StatusOK, postEvent(t, p.URL, bank, "evt-2", `{"type":"payout.paid"}`, webhookSecret, now))
	require.Equal(t, http.StatusBadRequest, postEvent(t, p.URL, bank, "evt-3", event, other, now))
	require.Equal(t, http.StatusBadRequest, postEvent(t, p.URL, bank, "evt-4", event, webhookSecret, now.Add(-6*time.Minute)))
	require.Equal(t, http.StatusBadRequest, postEvent(t, p.URL, bank, "evt-5", "{", webhookSecret, now))
	require.Equal(t, http.StatusNotFound, postEvent(t, p.URL, "/gateways/spare/events", "evt-6", event, webhookSecret, now))
	require.Equal(t, http.StatusNotFound, postEvent(t, p.URL, "/gateways/nothing/events", "evt-7", event, webhookSecret, now))
	large := string(bytes.Repeat([]byte(" "), 256<<10+1))
	require.Equal(t, http.StatusRequestEntityTooLarge, postEvent(t, p.URL, bank, "evt-8", large, webhookSecret, now))
	p.WaitLog(t, "unknown charge")
	metrics := apptest.Get(t.Context(), p.URL, "/metrics", "Authorization", "Bearer 0123456789abcdef").Raw
	for series, n := range map[string]string{
		`gateway="bank",result="unknown_order"`: "1", `gateway="bank",result="ignored"`: "1",
		`gateway="bank",result="refused"`: "4", `gateway="other",result="refused"`: "2",
		`gateway="bank",result="accepted"`: "0",
	} {
		require.Contains(t, metrics, "paymentd_gateway_events_total{"+series+"} "+n)
	}
	require.NotContains(t, p.Log(), strings.TrimPrefix(webhookSecret, "whsec_"))
	require.Zero(t, p.Stop(t))
}
