package app_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sandbox"
	"paymentd/app/apptest"
)

// serveSandbox serves a sandbox. wrap may make it misbehave.
func serveSandbox(t *testing.T, wrap func(http.Handler) http.Handler, opts ...sandbox.Option) (base string) {
	t.Helper()
	g, err := sandbox.Open(filepath.Join(t.TempDir(), "ledger"), opts...)
	require.NoError(t, err)
	server := httptest.NewServer(wrap(sandbox.Handler(g)))
	t.Cleanup(func() {
		server.CloseClientConnections()
		require.NoError(t, g.Close())
		server.Close()
	})
	return server.URL
}

func unchanged(h http.Handler) http.Handler { return h }

// withoutKeys makes each attempt another charge.
func withoutKeys(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			key := r.Header.Get("Idempotency-Key")
			r.Header.Set("Idempotency-Key", key+"-"+rand.Text())
			w = remarked{w, key}
		}
		h.ServeHTTP(w, r)
	})
}

// remarked puts the mark on an answer that the caller expects.
type remarked struct {
	http.ResponseWriter

	key string
}

func (w remarked) WriteHeader(status int) {
	w.Header().Set("Idempotency-Key", w.key)
	w.ResponseWriter.WriteHeader(status)
}

func gatewayCheck(t *testing.T, args ...string) apptest.Output {
	t.Helper()
	return apptest.Run(t, apptest.Build(t), nil, append([]string{"gateway-check"}, args...)...)
}

// fast leaves out the checks that wait for the sandbox.
var fast = []string{"--wait=1s", "--slow-amount=none", "--hung-amount=none"}

func TestGatewayCheck_Sandbox_Passes(t *testing.T) {
	t.Parallel()

	base := serveSandbox(t, unchanged)
	out := gatewayCheck(t, append(fast, "--gateway", base, "--payment-method=pm_1")...)
	require.Zero(t, out.Code, out)
	require.Empty(t, out.Stderr)
	first, _, _ := strings.Cut(out.Stdout, "\n")
	require.Contains(t, first, "gateway-check charges", "the sum comes first")
	require.Contains(t, out.Stdout, "PASS  same key at once               16 attempts made one charge")
	require.Contains(t, out.Stdout, "25 passed, 0 failed, 3 skipped in ")
	for line := range strings.Lines(out.Stdout) {
		require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 118, line)
	}
}

// The sandbox forgets keys as declared, which proves their lifetime, and sooner.
func TestGatewayCheck_KeyLifetime_IsProven(t *testing.T) {
	t.Parallel()

	base := serveSandbox(t, unchanged, sandbox.WithForgetAfter(2e9))
	proven := gatewayCheck(t, append(fast, "--gateway", base, "--key-lifetime=1500ms")...)
	require.Zero(t, proven.Code, proven)
	require.Contains(t, proven.Stdout, "PASS  lifetime of a key")
	early := gatewayCheck(t, append(fast, "--gateway", base, "--key-lifetime=24h", "--wait=3s")...)
	require.Equal(t, 1, early.Code)
	require.Contains(t, early.Stdout, "FAIL  lifetime of a key")
	require.Contains(t, early.Stderr, `with this gateway, the service cannot promise "Never twice": failed: lifetime of a key`)
}

func TestGatewayCheck_IgnoresKeys_Fails(t *testing.T) {
	t.Parallel()

	out := gatewayCheck(t, append(fast, "--gateway", serveSandbox(t, withoutKeys), "--json")...)
	require.Equal(t, 1, out.Code, out)
	require.Contains(t, out.Stderr, "gateway-check charges", "the sum comes first")
	require.Contains(t, out.Stderr, `"Never twice"`)
	var report struct {
		Keeps    bool     `json:"keeps_the_promise"`
		Broken   []string `json:"broken"`
		Findings []struct{ Check, Result string }
	}
	require.NoError(t, json.Unmarshal([]byte(out.Stdout), &report))
	require.False(t, report.Keeps)
	require.Contains(t, report.Broken, "Never twice")
	require.Contains(t, report.Findings, struct{ Check, Result string }{"same key again", "fail"})
	require.Contains(t, report.Findings, struct{ Check, Result string }{"same key at once", "fail"})
}

// docs/gateway-check.schema.json describes the report.
func TestGatewayCheck_JSON_FollowsTheSchema(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("../docs/gateway-check.schema.json")
	require.NoError(t, err)
	var schema map[string]any
	require.NoError(t, json.Unmarshal(text, &schema))
	for _, address := range []string{serveSandbox(t, unchanged), serveSandbox(t, withoutKeys), "http://127.0.0.1:1"} {
		out := gatewayCheck(t, append(fast, "--gateway", address, "--json")...)
		var report any
		require.NoError(t, json.Unmarshal([]byte(out.Stdout), &report), out)
		follow(t, schema, schema, report)
	}
}

// A gateway of the gateways file is checked with the settings of the file, unless a flag replaces them.
func TestGatewayCheck_Config_ChecksTheGatewayOfThatName(t *testing.T) {
	t.Parallel()

	const token = "0123456789abcdef0123456789abcdef"
	authorized := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+token {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
	folder := t.TempDir()
	bearer, file := filepath.Join(folder, "token"), filepath.Join(folder, "gateways.yaml")
	base := serveSandbox(t, authorized)
	require.NoError(t, os.WriteFile(bearer, []byte(token+"\n"), 0o600))
	require.NoError(t, os.WriteFile(file, []byte("gateways:\n"+
		"  - {name: other, kind: http, url: 'http://127.0.0.1:1'}\n"+
		"  - {name: bank, kind: http, url: '"+base+"', bearer_file: '"+bearer+"', key_lifetime: 48h}\n"+
		"  - {name: far, kind: http, url: 'https://gateway.example'}\n"+
		"routes:\n  - {use: [other, bank, far]}\n"), 0o600))

	out := gatewayCheck(t, append(fast, "--config", file, "--name", "bank")...)
	require.Zero(t, out.Code, out)
	require.Contains(t, out.Stdout, "at bank.\n")
	require.Contains(t, strings.Join(strings.Fields(out.Stdout), " "), "remembered for 48h, as declared, is unproven")
	require.Zero(t, gatewayCheck(t, append(fast, "--gateway", base, "--bearer-file", bearer)...).Code)
	require.Equal(t, 1, gatewayCheck(t, append(fast, "--gateway", base)...).Code, "without the token")
	for want, args := range map[string][]string{
		"--name: must be one of the file's gateways: other, bank, far":      {"--config", file, "--name", "shop"},
		"--config: needs --name, and neither --gateway nor --bearer-file":   {"--config", file},
		"--config: needs --name, and neither --gateway nor --bearer-file ":  {"--config", file, "--name", "bank", "--gateway", base},
		"--config: must be a file that can be read":                         {"--config", file + "x", "--name", "bank"},
		"--live: is missing: gateway-check charges, and the gateway at far": {"--config", file, "--name", "far"},
	} {
		out := gatewayCheck(t, args...)
		require.Equal(t, 2, out.Code, out)
		require.Contains(t, out.Stderr, want)
	}
}

// Nothing is charged if the gateway may be live, or a setting is wrong.
func TestGatewayCheck_WrongSetting_ChargesNothing(t *testing.T) {
	t.Parallel()

	base := serveSandbox(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	})
	for want, args := range map[string][]string{
		"--live: is missing: gateway-check charges, and the gateway at https://gateway.example/v1 may move real money": {"--gateway", "https://gateway.example/v1"},
		"--gateway: must begin with sandbox:, http:// or https://":                                                     {"--gateway", "gateway.example"},
		"--gateway: is missing: name the gateway with it, or with --config and --name":                                 {},
		"--approved-amount: amount must be above zero":                                                                 {"--gateway", base, "--approved-amount=0"},
		"--approved-amount: must be an amount":                                                                         {"--gateway", base, "--approved-amount=none"},
		"--declined-amount: currency must be":                                                                          {"--gateway", base, "--declined-amount=1 XYZ"},
		"--amount-0: must be in a currency with 0 decimals":                                                            {"--gateway", base, "--amount-0=1 USD"},
		"--amount-3: must be in a currency with 3 decimals":                                                            {"--gateway", base, "--amount-3=1"},
		"--payment-method: payment_method must be a token":                                                             {"--gateway", base, "--payment-method=4242424242424242"},
		"--timeout: must be from 100ms to 10m0s, and is 1ms":                                                           {"--gateway", base, "--timeout=1ms"},
		"--wait: must be from 0s to 1h0m0s, and is 2h0m0s":                                                             {"--gateway", base, "--wait=2h"},
		"--key-lifetime: must be from 0s to 87600h0m0s, and is -1s":                                                    {"--gateway", base, "--key-lifetime=-1s"},
		"--gateway: gateway URL must hold no user name":                                                                {"--gateway", strings.Replace(base, "http://", "http://me:secret@", 1)},
	} {
		out := gatewayCheck(t, args...)
		require.Equal(t, 2, out.Code, out)
		require.Contains(t, out.Stderr, want)
		require.Empty(t, out.Stdout)
		require.NotContains(t, out.Stderr, "secret@")
		require.NotContains(t, out.Stderr, "4242")
		require.Equal(t, 1, strings.Count(out.Stderr, "\n"), out.Stderr)
	}
}
