package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every response forbids browsers to execute or frame it.
func TestSecurityHeaders_EveryResponse(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Metrics = http.HandlerFunc(panicking)
	s := serveWith(t, answering(approved), o)
	for name, got := range map[string]answer{
		"a payment": s.post(oneRequest), "a refusal": s.post("{"), "a list": s.get("/payments"), "no path": s.get("/x"),
		"no method": s.request(http.MethodDelete, "/payments", ""), "options": s.request(http.MethodOptions, "/payments", ""),
		"a fault": s.get("/metrics"), "a probe": s.get("/healthz"), "the page": s.get("/docs"),
		"a part of it": s.get("/docs/start.js"), "the contract": s.get("/openapi.yaml"),
	} {
		policy := got.header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'", name)
		require.Contains(t, policy, "frame-ancestors 'none'", name)
		require.NotContains(t, policy, "unsafe", name)
		require.NotContains(t, policy, "http", name)
		require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"), name)
		require.Equal(t, "no-referrer", got.header.Get("Referrer-Policy"), name)
		require.Equal(t, name == "the page", policy != "default-src 'none'; frame-ancestors 'none'", name)
	}
}

// The page can send payments only if no money moves.
func TestDocsPage_ChargesSandboxOnly(t *testing.T) {
	t.Parallel()
	o := options(t)
	require.Contains(t, serveWith(t, &processor{}, o).get("/docs").body, `data-charge="false"`)
	o.ChargesSandbox = true
	require.Contains(t, serveWith(t, &processor{}, o).get("/docs").body, `data-charge="true"`)
}
