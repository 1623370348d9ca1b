package app_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// A payment that is open at a gateway is not looked up at another system that has the gateway's name: it would find
// nothing, and the next request would charge the order again.
func TestServe_GatewayAtAnotherAddress_IsRefused(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]func(t *testing.T, url, movedFrom string) env{
		"file": func(t *testing.T, url, movedFrom string) env {
			t.Helper()
			if movedFrom != "" {
				movedFrom = ", moved_from: " + movedFrom
			}
			return env{"PAYMENTD_GATEWAYS_FILE": gatewaysFile(t, fmt.Sprintf("gateways:\n- {name: bank, kind: http, url: %s%s}\n", url, movedFrom))}
		},
		"variables": func(t *testing.T, url, movedFrom string) env {
			t.Helper()
			if movedFrom == "" {
				return env{"PAYMENTD_GATEWAY": url, "PAYMENTD_GATEWAY_NAME": "bank"}
			}
			return env{"PAYMENTD_GATEWAYS_FILE": gatewaysFile(t, fmt.Sprintf(
				"gateways:\n- {name: new, id: bank, kind: http, url: %s, moved_from: %s}\n", url, movedFrom))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := apptest.StartGateway(t), apptest.StartGateway(t)
			var key atomic.Value // of the order
			var calledB atomic.Bool
			b.Do(func(c apptest.Call) apptest.Reply { // doctor asks for a key of its own
				if !c.LookUp || c.Key == key.Load() {
					calledB.Store(true)
				}
				return apptest.Reply{}
			})
			a.Do(func(c apptest.Call) apptest.Reply {
				if !c.LookUp {
					key.Store(c.Key)
				}
				return apptest.Reply{Lost: true}
			})
			database := "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db")
			with := func(url, movedFrom string) env {
				variables := settings(t, url, movedFrom)
				variables["PAYMENTD_DATABASE"], variables["PAYMENTD_RETRY_DELAY"] = database, "10ms"
				variables["PAYMENTD_RECONCILE"] = "15m" // no lookup meanwhile
				return variables
			}
			p := serve(t, with(a.URL, ""))
			answer := apptest.Pay(t.Context(), p.URL, "order-1", "10.00")
			require.Equal(t, http.StatusAccepted, answer.Code, answer)
			require.Len(t, a.Taken("order-1"), 1)
			require.Zero(t, p.Stop(t))

			out := apptest.Run(t, apptest.Build(t), with(b.URL, ""), "serve")
			require.Equal(t, 2, out.Code, out)
			require.Contains(t, out.Stderr, fmt.Sprintf("1 payment is open at %s, and its address is %s now", a.URL, b.URL))
			require.Contains(t, out.Stderr, "moved_from: "+a.URL)
			require.Equal(t, 1, strings.Count(out.Stderr, "paymentd: "), out.Stderr)
			require.Equal(t, 2, apptest.Run(t, apptest.Build(t), with(b.URL, b.URL), "serve").Code, "moved from elsewhere")
			require.False(t, calledB.Load())

			p = serve(t, with(a.URL, ""))
			require.Zero(t, p.Stop(t))
			p = serve(t, with(b.URL, a.URL))
			require.Contains(t, p.Log(), "a gateway has another address than before")
			require.Zero(t, p.Stop(t))
			p = serve(t, with(b.URL, ""))
			require.Zero(t, p.Stop(t))
			require.Equal(t, 2, apptest.Run(t, apptest.Build(t), with(a.URL, ""), "serve").Code)
		})
	}
}

// Without open payments, another system may get the name, unless a replica runs that may still pay at the earlier one.
func TestServe_GatewayAtAnotherAddress_NeedsIdleness(t *testing.T) {
	t.Parallel()
	a, b := apptest.StartGateway(t), apptest.StartGateway(t)
	database := mysqltest.Database(t)
	with := func(url string) env {
		return env{"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": url, "PAYMENTD_GATEWAY_NAME": "bank"}
	}
	p := serve(t, with(a.URL))
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "10.00").Code)
	out := apptest.Run(t, apptest.Build(t), with(b.URL), "serve")
	require.Equal(t, 2, out.Code, out)
	require.Contains(t, out.Stderr, "runs, and may open payments at "+a.URL)
	require.Zero(t, p.Stop(t))

	p = serve(t, with(b.URL))
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-2", "10.00").Code)
	require.Len(t, b.Taken("order-2"), 1)
	require.Zero(t, p.Stop(t))
}
