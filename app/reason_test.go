package app_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// internals matches error texts of Go's libraries.
var internals = regexp.MustCompile(`dial tcp|connect: |strconv|invalid character|context (canceled|deadline)|unexpected EOF|json: |http: `)

// TestRequestLog_Failure_HasReason checks the log lines of failed requests, and that their answers show no internals.
func TestRequestLog_Failure_HasReason(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Status: http.StatusTooManyRequests} })
	away := apptest.FreeAddress(t)
	for name, c := range map[string]struct {
		gateway, order, body string
		status               int
		log                  string
	}{
		"no gateway": {
			"http://" + away, "order-1", `{"order_id":"order-1","amount":5}`, 502,
			`"reason":"the request was not sent: connection refused at ` + away + `"`,
		},
		"a gateway that is at its limit": {
			gateway.URL, "order-2", `{"order_id":"order-2","amount":5}`, 502,
			`"reason":"the gateway answered 429 Too Many Requests: as scripted"`,
		},
		"a decline":     {gateway.URL, "order-3", `{"order_id":"order-3","amount":5}`, 402, `"code":"card_declined","reason":"`},
		"no JSON":       {gateway.URL, "", `{"order_id":x}`, 400, `"reason":"the body is not valid JSON after its first 12 bytes"`},
		"half a body":   {gateway.URL, "", `{"order_id":"a"`, 400, `"reason":"the body ends before its JSON object does"`},
		"a long number": {gateway.URL, "", `{"order_id":"a","amount":1e999}`, 400, `"reason":"amount `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := c.gateway
			if c.status == http.StatusPaymentRequired {
				declining := apptest.StartGateway(t)
				declining.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Status: http.StatusPaymentRequired} })
				g = declining.URL
			}
			p := serve(t, env{
				"PAYMENTD_GATEWAY": g, "PAYMENTD_RETRY_DELAY": "1ms", "PAYMENTD_TRUSTED_PROXIES": "127.0.0.1", "PAYMENTD_LOG_LEVEL": "debug",
			})
			answer := apptest.Post(t.Context(), p.URL, c.body, "X-Forwarded-For", "203.0.113.7")
			require.Equal(t, c.status, answer.Code, answer)
			require.NotRegexp(t, internals, answer.Raw)
			if c.order != "" {
				require.NotRegexp(t, internals, apptest.Get(t.Context(), p.URL, "/payments/"+c.order).Raw)
			}
			require.Zero(t, p.Stop(t))
			line := lineWith(t, p.Log(), `"route":"/payments/process"`)
			require.Contains(t, line, c.log)
			require.Contains(t, line, `"client":"203.0.113.7"`)
		})
	}
}
