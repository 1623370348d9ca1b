package httpgateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// The void is one request, with a key that depends on the charge's key only.
func TestCancel_Request_FollowsTheProtocol(t *testing.T) {
	t.Parallel()
	for charge, want := range map[payment.GatewayKey]struct{ path, key string }{
		"key-1": {"/v1/charges/key-1/voids", "void-key-1"},
		"a/b":   {"/v1/charges/a%2Fb/voids", "void-a/b"},
		payment.GatewayKey(strings.Repeat("k", 250)): {
			"/v1/charges/" + strings.Repeat("k", 250) + "/voids", "void-" + strings.Repeat("k", 250),
		},
		payment.GatewayKey(strings.Repeat("k", 251)): {
			"/v1/charges/" + strings.Repeat("k", 251) + "/voids",
			"void-3b8059c637939a483bdc7beef09f11b566581be6d14e25083b3041b77717de02",
		},
	} {
		type sent struct{ method, path, key, body string }
		requests := make(chan sent, 2)
		g := newGateway(t, serveUnmarked(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			requests <- sent{r.Method, r.URL.EscapedPath(), r.Header.Get("Idempotency-Key"), string(body)}
			w.Header().Set("Idempotency-Key", r.Header.Get("Idempotency-Key"))
			_, _ = io.WriteString(w, `{"status":"voided"}`)
		})+"/v1", longTimeout)
		for range 2 {
			l := g.Cancel(t.Context(), payment.ChargeRef{Key: charge})
			require.Equal(t, payment.FoundVoided, l.Result, l.Message)
			require.Equal(t, sent{http.MethodPost, want.path, want.key, "{}"}, <-requests)
			require.Empty(t, requests, "a marked answer that the charge is voided needs no lookup")
		}
	}
}

// voids is a gateway whose voids and lookups have the answers of a test.
type voids struct {
	status   int
	body     string
	unmarked bool // the answer to the void
	lost     bool // there is none
	age      string
	found    string
}

func (v voids) serve(t *testing.T) (base string) {
	t.Helper()
	return serveUnmarked(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Idempotency-Key", "key-1")
			_, _ = io.WriteString(w, v.found)
			return
		}
		if v.lost {
			panic(http.ErrAbortHandler)
		}
		if !v.unmarked {
			w.Header().Set("Idempotency-Key", r.Header.Get("Idempotency-Key"))
		}
		if v.age != "" {
			w.Header().Set("Age", v.age)
		}
		w.WriteHeader(v.status)
		_, _ = io.WriteString(w, v.body)
	})
}

// Anything but a marked "voided" is looked up, also a success or an error.
func TestCancel_AnyOtherAnswer_IsLookedUp(t *testing.T) {
	t.Parallel()
	const voided, pending = `{"status":"voided"}`, `{"status":"pending"}`
	for name, tt := range map[string]struct {
		voids

		want    payment.LookupResult
		message string
	}{
		"voided":                    {voids{status: 200, body: voided, found: pending}, payment.FoundVoided, ""},
		"cancelled":                 {voids{status: 201, body: `{"status":"cancelled"}`, found: pending}, payment.FoundVoided, ""},
		"voided, unmarked":          {voids{status: 200, body: voided, unmarked: true, found: pending}, payment.FoundPending, "not written by the gateway"},
		"voided, from a cache":      {voids{status: 200, body: voided, age: "7", found: pending}, payment.FoundPending, "cache"},
		"voided, under a 500":       {voids{status: 500, body: voided, found: pending}, payment.FoundPending, "500"},
		"voided, and charged":       {voids{status: 200, body: `{"status":"voided","charged":true}`, found: pending}, payment.FoundPending, "contradicts itself"},
		"succeeded":                 {voids{status: 200, body: approved, found: voided}, payment.FoundVoided, ""},
		"succeeded, still pending":  {voids{status: 200, body: approved, found: pending}, payment.FoundPending, `"succeeded"`},
		"too late":                  {voids{status: 402, body: `{"status":"declined","code":"already_succeeded"}`, found: approved}, payment.FoundApproved, ""},
		"declined before":           {voids{status: 402, body: `{"status":"declined"}`, found: `{"status":"declined"}`}, payment.FoundDeclined, ""},
		"no voids, a router's page": {voids{status: 404, body: page, unmarked: true, found: pending}, payment.FoundPending, "404 Not Found"},
		"no voids, 405":             {voids{status: 405, unmarked: true, found: approved}, payment.FoundApproved, ""},
		"no voids, 501":             {voids{status: 501, unmarked: true, found: voided}, payment.FoundVoided, ""},
		"unreadable":                {voids{status: 200, body: page, found: pending}, payment.FoundPending, "web page"},
		"lost":                      {voids{lost: true, found: pending}, payment.FoundPending, "no answer"},
		"lost, and voided":          {voids{lost: true, found: voided}, payment.FoundVoided, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newGateway(t, tt.serve(t), longTimeout).Cancel(t.Context(), payment.ChargeRef{Key: "key-1"})
			require.Equal(t, tt.want, l.Result, l.Message)
			require.Contains(t, l.Message, tt.message)
			require.LessOrEqual(t, len(l.Message), payment.MaxMessageBytes)
			require.Equal(t, tt.want == payment.FoundApproved, l.TransactionID != "")
		})
	}
}

func TestCancel_NoKey_SendsNothing(t *testing.T) {
	t.Parallel()
	g := newGateway(t, serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }), longTimeout)
	require.Equal(t, payment.FoundNoAnswer, g.Cancel(t.Context(), payment.ChargeRef{}).Result)
}
