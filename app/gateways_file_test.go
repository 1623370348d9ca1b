package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// gatewaysFile writes a gateways file, and returns its path.
func gatewaysFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateways.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// Payments go to the gateways of their route, and on to the next one if the first cannot be reached. The
// gateway is shown by its name.
func TestServe_GatewaysFile_RoutesPayments(t *testing.T) {
	t.Parallel()
	euros, others := apptest.StartGateway(t), apptest.StartGateway(t)
	p := serve(t, env{"PAYMENTD_GATEWAYS_FILE": gatewaysFile(t, fmt.Sprintf(`gateways:
- {name: euros, kind: http, url: %s}
- {name: others, kind: http, url: %s}
- {name: away, kind: http, url: "http://127.0.0.1:9", max_retries: 0}
routes:
- {currency: EUR, use: euros}
- {amount_from: 500.00, use: [away, others]}
- {use: [others, euros]}
`, euros.URL, others.URL))})
	for order, body := range map[string]string{
		"euro":  `{"order_id":"euro","amount":"10.00","currency":"EUR"}`,
		"small": `{"order_id":"small","amount":"10.00"}`,
		"large": `{"order_id":"large","amount":"500.00"}`,
	} {
		answer := apptest.Post(t.Context(), p.URL, body)
		require.Equal(t, http.StatusOK, answer.Code, "%s: %s", order, answer)
	}
	require.Len(t, euros.Taken("euro"), 1)
	require.Len(t, others.Taken("small"), 1)
	require.Len(t, others.Taken("large"), 1)
	require.Empty(t, others.Taken("euro"))
	require.Empty(t, euros.Taken("small"))

	metrics := apptest.Get(t.Context(), p.URL, "/metrics")
	require.Contains(t, metrics.Raw, `paymentd_attempt_duration_seconds_count{class="approved",gateway="euros",operation="charge"} 1`)
	require.Contains(t, metrics.Raw, `paymentd_attempt_duration_seconds_count{class="not_charged",gateway="away",operation="charge"} 1`)
	shown := apptest.Get(t.Context(), p.URL, "/gateways")
	require.Equal(t, http.StatusOK, shown.Code)
	require.Contains(t, shown.Raw, `{"gateways":[{"name":"euros","kind":"http","id":"euros","capabilities":{"repeat":"first_success",`)
	require.Contains(t, shown.Raw, `"breaker":"closed"`)
	require.Zero(t, p.Stop(t))
}

// A token that is replaced in its file is used without a restart, and is never logged.
func TestServe_BearerFile_IsReread(t *testing.T) {
	t.Parallel()
	var token atomic.Pointer[string]
	gateway := apptest.StartGateway(t)
	target, err := url.Parse(gateway.URL)
	require.NoError(t, err)
	forward := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token.Store(new(r.Header.Get("Authorization")))
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("first-secret-token\n"), 0o600))
	p := serve(t, env{"PAYMENTD_GATEWAY": proxy.URL, "PAYMENTD_GATEWAY_BEARER_FILE": file, "PAYMENTD_LOG_LEVEL": "debug"})
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "10.00").Code)
	require.Equal(t, "Bearer first-secret-token", *token.Load())

	require.NoError(t, os.WriteFile(file, []byte("second-secret-token\n"), 0o600))
	p.WaitLog(t, "a changed file of the settings was read")
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-2", "10.00").Code)
	require.Equal(t, "Bearer second-secret-token", *token.Load())
	require.Zero(t, p.Stop(t))
	require.NotContains(t, p.Log(), "secret-token")
}

// The doctor has one finding for each gateway, and charges nothing.
func TestDoctor_GatewaysFile_HasAFindingForEach(t *testing.T) {
	t.Parallel()
	good, broken := apptest.StartGateway(t), apptest.StartGateway(t)
	broken.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Status: http.StatusUnauthorized} })
	out := apptest.Run(t, apptest.Build(t), env{"PAYMENTD_GATEWAYS_FILE": gatewaysFile(t, fmt.Sprintf(
		"gateways:\n- {name: good, kind: http, url: %s}\n- {name: broken, kind: http, url: %s}\nroutes: [{currency: EUR, use: [good, broken]}]\n",
		good.URL, broken.URL))}, "doctor", "--json")
	require.Equal(t, 1, out.Code, out)
	require.Contains(t, out.Stdout, `"check": "gateway good"`)
	require.Contains(t, out.Stdout, `"check": "gateway broken"`)
	require.Contains(t, out.Stdout, "no route matches every payment")
	require.Contains(t, out.Stdout, "401 Unauthorized")
	require.Empty(t, good.Charges())
	require.Empty(t, broken.Charges())
}

// A mistake in the file stops the start with one line and exit code 2.
func TestServe_WrongGatewaysFile_ExitsWithTwo(t *testing.T) {
	t.Parallel()
	file := gatewaysFile(t, "gateways:\n- {name: bank, kind: http, url: https://gateway.example, timout: 5s}\n")
	out := apptest.Run(t, apptest.Build(t), env{"PAYMENTD_GATEWAYS_FILE": file}, "serve")
	require.Equal(t, 2, out.Code, out)
	require.Equal(t, 1, strings.Count(out.Stderr, "\n"), out.Stderr)
	require.Contains(t, out.Stderr, file+`:2: gateway bank of kind http has the unknown field "timout" (did you mean timeout?)`)

	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("token"), 0o600))
	file = gatewaysFile(t, "gateways:\n- {name: shop, kind: square, environment: test, location: L1, access_token_file: "+token+"}\n")
	out = apptest.Run(t, apptest.Build(t), env{"PAYMENTD_GATEWAYS_FILE": file}, "serve")
	require.Equal(t, 2, out.Code, out)
	require.Equal(t, 1, strings.Count(out.Stderr, "\n"), out.Stderr)
	require.Contains(t, out.Stderr, file+":2: gateway shop: the environment of Square must be sandbox or production")

	file = gatewaysFile(t, "gateways: [{name: bank, kind: http, url: https://gateway.example}]\n")
	out = apptest.Run(t, apptest.Build(t), env{"PAYMENTD_GATEWAYS_FILE": file}, "serve", "--gateway=sandbox:")
	require.Equal(t, 2, out.Code, out)
	require.Contains(t, out.Stderr, "must not be set together with PAYMENTD_GATEWAYS_FILE")
}
