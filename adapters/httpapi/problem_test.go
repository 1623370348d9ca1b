package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

const problemMedia = "application/problem+json"

func TestProblem_Accept_SelectsTheForm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		accept  []string
		problem bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"*/*"}, false},
		{[]string{"application/*"}, false},
		{[]string{"application/json"}, false},
		{[]string{"text/html, */*;q=0.1"}, false},
		{[]string{problemMedia}, true},
		{[]string{"Application/Problem+JSON"}, true},
		{[]string{problemMedia + ";q=0.001"}, true},
		{[]string{problemMedia + ";q=0.000"}, false},
		{[]string{problemMedia + ";q=0"}, false},
		{[]string{problemMedia + ";q=1."}, true},
		{[]string{problemMedia + " ; Q=1.000"}, true},
		{[]string{problemMedia + `;profile="a,b;q=0"`}, true},
		{[]string{problemMedia + ";q=1.001"}, false},
		{[]string{problemMedia + ";q=2"}, false},
		{[]string{problemMedia + ";q=10"}, false},
		{[]string{problemMedia + ";q=0.0001"}, false},
		{[]string{problemMedia + ";q=-1"}, false},
		{[]string{problemMedia + ";q=1e0"}, false},
		{[]string{problemMedia + ";q=.5"}, false},
		{[]string{problemMedia + ";q=NaN"}, false},
		{[]string{problemMedia + ";q"}, false},
		{[]string{problemMedia + "x"}, false},
		{[]string{"application/json, " + problemMedia}, true},
		{[]string{"application/json;q=0.9, " + problemMedia}, true},
		{[]string{"application/json, " + problemMedia + ";q=0.9"}, false},
		{[]string{"*/*, " + problemMedia + ";q=0.9"}, false},
		{[]string{"*/*;q=0.9, application/json;q=0.1, " + problemMedia + ";q=0.5"}, true},
		{[]string{"application/*;q=0.2, */*, " + problemMedia + ";q=0.5"}, true},
		{[]string{"text/html", problemMedia}, true},
		{[]string{`x="` + problemMedia}, false},
		{[]string{"///, ," + problemMedia}, true},
		{[]string{strings.Repeat("a/b,", 1500) + problemMedia}, true},
	}
	s := serve(t, failing(core.ErrBusy))
	for _, test := range tests {
		var header []string
		for _, value := range test.accept {
			header = append(header, "Accept: "+value)
		}
		got := s.post(oneRequest, header...)
		want := "application/json"
		if test.problem {
			want = problemMedia
		}
		require.Equal(t, want, got.header.Get("Content-Type"), test.accept)
		require.Equal(t, "Accept, Prefer", got.header.Get("Vary"))
	}
}

// Every problem, byte for byte. The types never change, because clients match on them.
func TestProblem_Details_ByteForByte(t *testing.T) {
	t.Parallel()
	outcome := func(state payment.State, code string) *processor {
		return answering(core.Answer{State: state, Code: code})
	}
	get := func(path string) func(*service) answer {
		return func(s *service) answer { return s.get(path, "Accept: "+problemMedia) }
	}
	send := func(body string, header ...string) func(*service) answer {
		return func(s *service) answer { return s.post(body, append(header, "Accept: "+problemMedia)...) }
	}
	process := send(oneRequest)
	tests := []struct {
		p    *processor
		send func(*service) answer
		body string
	}{
		{failing(nil), send(""), `{"type":"urn:paymentd:problem:malformed-request","title":"Malformed request","status":400,` +
			`"detail":"the body is empty; send a JSON object such as {\"order_id\":\"order-123\",\"amount\":100.00}"}`},
		{failing(nil), send(`{"order_id":"o","amount":0}`), `{"type":"urn:paymentd:problem:invalid-value","title":"Invalid value","status":400,` +
			`"detail":"amount must be above zero"}`},
		{outcome(payment.StateDeclined, "card_declined"), process, `{"type":"urn:paymentd:problem:payment-declined","title":"Payment declined","status":402,` +
			`"detail":"Payment declined","code":"card_declined"}`},
		{failing(nil), get("/nowhere"), `{"type":"urn:paymentd:problem:no-such-path","title":"No such path","status":404,` +
			`"detail":"there is no such path; in an order id, write / as %2F"}`},
		{failing(nil), get("/payments/x"), `{"type":"urn:paymentd:problem:no-such-payment","title":"No such payment","status":404,` +
			`"detail":"there is no payment with this order id; order ids are case-sensitive"}`},
		{failing(nil), get("/payments/process"), `{"type":"urn:paymentd:problem:method-not-allowed","title":"Method not allowed","status":405,` +
			`"detail":"the path does not take this method; use one of those in the Allow header"}`},
		{failing(core.ErrBusy), process, `{"type":"urn:paymentd:problem:payment-in-progress","title":"Payment in progress","status":409,` +
			`"detail":"another request is processing this payment; send the same request again later"}`},
		{failing(nil), send(strings.Repeat(" ", 65537)), `{"type":"urn:paymentd:problem:body-too-large","title":"Body too large","status":413,` +
			`"detail":"the body must have at most 65536 bytes"}`},
		{failing(nil), send(oneRequest, "Content-Type: text/plain"), `{"type":"urn:paymentd:problem:unsupported-media-type","title":"Unsupported media type","status":415,` +
			`"detail":"the header Content-Type must be given once, as application/json"}`},
		{failing(nil), send(oneRequest, "Content-Encoding: gzip"), `{"type":"urn:paymentd:problem:unsupported-content-coding","title":"Unsupported content coding","status":415,` +
			`"detail":"the body must be sent without Content-Encoding"}`},
		{failing(core.ErrMismatch), process, `{"type":"urn:paymentd:problem:order-mismatch","title":"Order mismatch","status":422,` +
			`"detail":"the order is known with another amount, currency or capture; repeat those, or use a new order_id"}`},
		{failing(errors.New("x")), process, `{"type":"urn:paymentd:problem:internal-error","title":"Internal error","status":500,` +
			`"detail":"internal error; it is safe to retry the same request"}`},
		{outcome(payment.StateFailed, payment.CodeRetriesExhausted), process, `{"type":"urn:paymentd:problem:retries-exhausted","title":"Payment failed","status":502,` +
			`"detail":"Payment failed after maximum retries"}`},
		{outcome(payment.StateFailed, payment.CodeRejected), process, `{"type":"urn:paymentd:problem:gateway-rejected","title":"Payment rejected","status":502,` +
			`"detail":"The payment gateway rejected the request"}`},
		{failing(ports.ErrUnavailable), process, `{"type":"urn:paymentd:problem:database-unavailable","title":"Database unavailable","status":503,` +
			`"detail":"the database is not available; nothing was charged by this request; send it again later"}`},
		{failing(ports.ErrInDoubt), process, `{"type":"urn:paymentd:problem:outcome-in-doubt","title":"Outcome in doubt","status":503,` +
			`"detail":"the connection to the database was lost before it confirmed that this request was stored; send the same request again: an order is charged once only"}`},
		{failing(context.Canceled), process, `{"type":"urn:paymentd:problem:request-cut-short","title":"Request cut short","status":503,` +
			`"detail":"the service stopped waiting before the payment was decided; send the same request again: an order is charged once only"}`},
		{
			&processor{ready: func(context.Context) error { return errors.New("x") }}, get("/readyz"),
			`{"type":"urn:paymentd:problem:not-ready","title":"Not ready","status":503,` +
				`"detail":"the service is stopping, or its database is unavailable or has another version"}`,
		},
	}
	for _, test := range tests {
		t.Run(test.body[:60], func(t *testing.T) {
			t.Parallel()
			got := test.send(serve(t, test.p))
			require.Equal(t, test.body, got.body)
			require.Equal(t, problemMedia, got.header.Get("Content-Type"))
			require.Contains(t, got.body, fmt.Sprintf(`"status":%d,`, got.status))
		})
	}
}
