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

// A page may send text, or nothing, to another site without a preflight.
func TestCrossOriginPost_ChangesNothing(t *testing.T) {
	t.Parallel()
	const refund = `{"refund_id":"r-1","amount":1.00}`
	for _, path := range []struct{ path, body string }{
		{"/payments/process", oneRequest},
		{"/payments/order-1/capture", `{"amount":1.00}`},
		{"/payments/order-1/void", ""},
		{"/payments/order-1/void", "{}"},
		{"/payments/order-1/refunds", refund},
	} {
		for _, test := range []struct {
			name    string
			headers []string
			refused bool
		}{
			{"cross-site", []string{"Origin: http://evil.example", "Sec-Fetch-Site: cross-site"}, true},
			{"another port", []string{"Origin: http://x:81", "Sec-Fetch-Site: same-site"}, true},
			{"without an origin", []string{"Sec-Fetch-Site: cross-site"}, true},
			{"an older browser", []string{"Origin: http://evil.example"}, true},
			{"a sandboxed page", []string{"Origin: null"}, true},
			{"a page of this host", []string{"Origin: http://x", "Sec-Fetch-Site: same-origin"}, false},
			{"an older browser, a page of this host", []string{"Origin: http://x"}, false},
		} {
			t.Run(path.path+" "+test.name, func(t *testing.T) {
				t.Parallel()
				p := answering(approved)
				s := serve(t, p)
				s.host = "x"
				got := s.request(http.MethodPost, path.path, path.body, append(test.headers, "Content-Type: application/json")...)
				if !test.refused {
					require.Equal(t, 200, got.status, got.body)
					return
				}
				require.Equal(t, 403, got.status, got.body)
				require.Contains(t, got.sentence(t), "a web page of another origin")
				p.requireUntouched(t)
			})
		}
	}
}

// An empty body has the Content-Type of any other, or none.
func TestPost_AnotherMediaType_Is415(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "{}"} {
		for _, mediaType := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
			for _, path := range []string{"/payments/process", "/payments/order-1/capture", "/payments/order-1/void", "/payments/order-1/refunds"} {
				p := answering(approved)
				got := serve(t, p).request(http.MethodPost, path, body, "Content-Type: "+mediaType)
				require.Equal(t, 415, got.status, "%s %s %q", path, mediaType, body)
				p.requireUntouched(t)
			}
		}
	}
	got := serve(t, answering(approved)).request(http.MethodPost, "/payments/order-1/void", "", "Content-Type: application/json")
	require.Equal(t, 200, got.status, got.body)
}

// A preflight is not answered with a permission.
func TestPreflight_PermitsNothing(t *testing.T) {
	t.Parallel()
	p := answering(approved)
	got := serve(t, p).request(http.MethodOptions, "/payments/process", "", "Origin: https://evil.example",
		"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type")
	require.Empty(t, got.header.Get("Access-Control-Allow-Origin"), "a page may ask for nothing else")
	p.requireUntouched(t)
}
