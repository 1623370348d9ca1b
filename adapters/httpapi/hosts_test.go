package httpapi_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/httpapi"
)

// The requests are those that a page of another site makes a browser send after DNS rebinding, and
// variations.
func TestHost_NoKeys_OnlyThisMachine(t *testing.T) {
	t.Parallel()
	const post = "POST %s HTTP/1.1\r\n%sContent-Type: application/json\r\nContent-Length: 40\r\nConnection: close\r\n\r\n" + oneRequest
	for name, c := range map[string]struct {
		target, headers string
		status          int
	}{
		"localhost":                     {"/payments/process", "Host: localhost:3000\r\n", 200},
		"an allowed name":               {"/payments/process", "Host: Pay.Internal\r\n", 200},
		"absolute form":                 {"http://localhost/payments/process", "Host: evil.example\r\n", 200},
		"another name":                  {"/payments/process", "Host: evil.example:3000\r\n", 421},
		"a forwarded name":              {"/payments/process", "Host: evil.example\r\nX-Forwarded-Host: localhost\r\nForwarded: host=localhost\r\n", 421},
		"a forwarded name, the other":   {"/payments/process", "Host: localhost\r\nX-Forwarded-Host: evil.example\r\n", 200},
		"another name in absolute form": {"http://evil.example/payments/process", "Host: localhost\r\n", 421},
		"a user":                        {"http://localhost@evil.example/payments/process", "Host: localhost\r\n", 421},
		"a user of localhost":           {"http://evil.example@localhost/payments/process", "Host: localhost\r\n", 421},
		"an empty name":                 {"/payments/process", "Host:\r\n", 421},
		"an origin":                     {"/payments/process", "Host: evil.example\r\nOrigin: http://localhost:3000\r\nSec-Fetch-Site: same-origin\r\n", 421},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, o := answering(approved), options(t)
			o.AllowedHosts = httpapi.Hosts{"pay.internal"}
			s := serveWith(t, p, o)
			got := s.raw(fmt.Sprintf(post, c.target, c.headers))
			require.Equal(t, c.status, got.status, got.body)
			if c.status == http.StatusMisdirectedRequest {
				require.Contains(t, got.sentence(t), "PAYMENTD_ALLOWED_HOSTS")
				p.requireUntouched(t)
				require.Contains(t, s.line()["error"], "without API keys, the host ")
			}
		})
	}
	s := serve(t, answering(approved))
	require.Equal(t, 421, s.raw("GET /payments HTTP/1.0\r\n\r\n").status, "no name at all")
}

// Only the probes are served under any name.
func TestHost_EveryRoute_IsChecked(t *testing.T) {
	t.Parallel()
	for _, keys := range []bool{false, true} {
		o := options(t)
		o.Metrics, o.AllowedHosts = counting, nil
		if keys {
			o.Keys = holders(t, fake.NewKeys(), keyOfShop)
		}
		s := serveWith(t, answering(approved), o)
		s.host = "evil.example"
		for path, probe := range map[string]bool{
			"/payments": false, "/payments/order-1": false, "/metrics": false, "/openapi.yaml": false, "/docs": false, "/docs/start.js": false,
			"/healthz": true, "/readyz": true,
		} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				got := s.request(method, path, "", "Authorization: Bearer "+keyOfShop)
				require.Equal(t, !keys && !probe, got.status == 421, "%s %d", path, got.status)
			}
		}
	}
}

// A page may send text to another site without a preflight.
func TestCrossSitePost_Text_IsRefused(t *testing.T) {
	t.Parallel()
	for _, mediaType := range []string{"text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		p := answering(approved)
		s := serve(t, p)
		got := s.request(http.MethodPost, "/payments/process", oneRequest,
			"Content-Type: "+mediaType, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site")
		require.Equal(t, 415, got.status, mediaType)
		p.requireUntouched(t)
	}
	p := answering(approved)
	got := serve(t, p).request(http.MethodOptions, "/payments/process", "", "Origin: https://evil.example",
		"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type")
	require.Empty(t, got.header.Get("Access-Control-Allow-Origin"), "a page may ask for nothing else")
	p.requireUntouched(t)
}
