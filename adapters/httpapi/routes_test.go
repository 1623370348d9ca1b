package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

func TestRoutes_UnknownPath_Returns404(t *testing.T) {
	t.Parallel()
	p := answering(approved)
	s := serve(t, p)
	paths := []string{
		"//", "/payment", "/Payments", "/PAYMENTS/process", "/payments/", "/payments//", "//payments",
		"/payments//process", "//payments/process", "/payments/process/", "/payments/process/x",
		"/payments/a/b", "/payments/a/", "/payments/a/refunds/", "/payments/a/refunds/b/c", "/payments/a/refund", "/payments/a/captures", "/payments/a/capture/", "/payments/a/void/x", "/payments/a/Void", "/payments/a/Refunds", "/payments/../payments/process", "/payments/./process",
		"/./payments/process", "/payments%2Fprocess", "/%70ayments/process", "/payments;x=1/process",
		"/healthz/", "/healthz/x", "/readyz/", "/metrics/", "/favicon.ico", "/.env", "/payments/a/../../b",
	}
	for _, path := range paths {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"} {
			got := s.request(method, path, "", "Content-Type: application/json")
			require.Equal(t, 404, got.status, "%s %s", method, path)
			if method != "HEAD" {
				require.Equal(t, "there is no such path; in an order id, write / as %2F", got.sentence(t), "%s %s", method, path)
			}
		}
	}
	p.requireUntouched(t)
}

func TestRoutes_Root_LeadsToTheFirstPage(t *testing.T) {
	t.Parallel()
	for first, console := range map[string]func(*echo.Echo){"/docs": nil, "/console": func(*echo.Echo) {}} {
		o := options(t)
		o.Console = console
		s := serveWith(t, answering(approved), o)
		for _, method := range []string{"GET", "HEAD"} {
			got := s.raw(method + " / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			require.Equal(t, 302, got.status)
			require.Equal(t, first, got.header.Get("Location"))
		}
	}
}

func TestRoutes_WrongMethod_Returns405(t *testing.T) {
	t.Parallel()
	const one, many = "OPTIONS, POST", "OPTIONS, GET, HEAD"
	tests := []struct {
		path    string
		methods []string
		allow   string
	}{
		{"/payments/process", []string{"GET", "PUT", "DELETE", "PATCH", "TRACE", "BREW", "post", "POSTT"}, one},
		{"/payments", []string{"POST", "PUT", "DELETE", "PATCH", "get"}, many},
		{"/payments/x", []string{"POST", "PUT", "DELETE", "PATCH"}, many},
		{"/payments/process%2F", []string{"POST"}, many},
		{"/payments/process;x=1", []string{"POST"}, many},
		{"/payments/Process", []string{"POST"}, many},
		{"/payments/..", []string{"POST"}, many},
		{"/payments/x/capture", []string{"GET", "PUT", "DELETE"}, one},
		{"/payments/process/void", []string{"GET", "PUT", "DELETE"}, one},
		{"/payments/x/refunds/r-1", []string{"POST", "PUT", "DELETE"}, many},
		{"/payments/x/refunds", []string{"PUT", "DELETE", "PATCH"}, "OPTIONS, GET, HEAD, POST"},
		{"/payments/process/refunds", []string{"PUT", "DELETE", "PATCH"}, "OPTIONS, GET, HEAD, POST"},
		{"/healthz", []string{"POST", "DELETE"}, many},
		{"/readyz", []string{"POST", "DELETE"}, many},
	}
	p := &processor{}
	s := serve(t, p)
	for _, test := range tests {
		for _, method := range test.methods {
			got := s.request(method, test.path, "", "X-Http-Method-Override: GET", "Content-Type: application/json")
			require.Equal(t, 405, got.status, "%s %s", method, test.path)
			require.Equal(t, test.allow, got.header.Get("Allow"), "%s %s", method, test.path)
			require.Equal(t, "the path does not take this method; use one of those in the Allow header", got.sentence(t))
		}
		got := s.request(http.MethodOptions, test.path, "")
		require.Equal(t, 204, got.status, test.path)
		require.Equal(t, test.allow, got.header.Get("Allow"))
		require.Empty(t, got.body)
	}
	require.Empty(t, p.requests)
}

// The order id "process" is valid, and its payment can be looked up.
func TestLookUp_OrderNamedProcess_IsFound(t *testing.T) {
	t.Parallel()
	p := &processor{history: func(_ context.Context, id payment.OrderID) (ports.History, error) {
		return ports.History{Payment: payment.Payment{OrderID: id, Money: money(t, "1", "USD")}}, nil
	}}
	s := serve(t, p)
	require.Equal(t, 200, s.get("/payments/process").status)
	require.Equal(t, 200, s.get("/payments/%70rocess").status)
	require.Equal(t, []payment.OrderID{"process", "process"}, p.lookedUp)
}

func TestRoutes_Head_HasTheHeaderOfGet(t *testing.T) {
	t.Parallel()
	s := serve(t, &processor{})
	for _, path := range []string{"/healthz", "/readyz", "/payments", "/payments/x", "/nowhere"} {
		get, head := s.get(path), s.request(http.MethodHead, path, "")
		require.Equal(t, get.status, head.status, path)
		require.NotEmpty(t, get.body, path)
		require.Empty(t, head.body, path)
		for _, header := range []answer{get, head} {
			header.header.Del("Date")
			header.header.Del("X-Request-Id")
		}
		require.Equal(t, get.header, head.header, path)
	}
}

func TestRoutes_Probes(t *testing.T) {
	t.Parallel()
	well := serve(t, &processor{})
	well.get("/healthz").requireBody(t, `{"status":"ok"}`)
	well.get("/readyz?verbose").requireBody(t, `{"status":"ready"}`)

	sick := serve(t, &processor{ready: func(context.Context) error {
		return errors.New("dial mysql://root:hunter2@db")
	}})
	require.Equal(t, 200, sick.get("/healthz").status)
	got := sick.get("/readyz")
	require.Equal(t, 503, got.status)
	require.Equal(t, "1", got.header.Get("Retry-After"))
	require.Equal(t, "the service is stopping, or its database is unavailable or has another version", got.sentence(t))
}
