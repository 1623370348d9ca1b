package contract_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/require"

	"paymentd/core"
	"paymentd/core/payment"
)

// contract is openapi.yaml, parsed by kin-openapi.
type contract struct{ doc *openapi3.T }

func readContract(t testing.TB) contract {
	t.Helper()
	doc, err := parseContract()
	require.NoError(t, err)
	return contract{doc}
}

// parseContract parses and checks the file once, because that takes a second. The tests only read the result.
var parseContract = sync.OnceValues(func() (*openapi3.T, error) {
	text, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(context.Background()) // with its examples
})

// operation is an operation of the contract, with what is needed to check its responses.
type operation struct {
	*openapi3.Operation

	doc    *openapi3.T
	method string
	path   string // as a template
}

func (c contract) operations() []operation {
	var all []operation
	for _, path := range c.doc.Paths.InMatchingOrder() {
		for method, o := range c.doc.Paths.Value(path).Operations() {
			all = append(all, operation{o, c.doc, method, path})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.OperationID, b.OperationID) })
	return all
}

// everywhere are headers of any response: the contract has them in its description, and net/http
// adds some.
var everywhere = []string{
	"Cache-Control", "Connection", "Content-Length", "Content-Security-Policy", "Content-Type", "Date",
	"Ratelimit", "Ratelimit-Policy", "Referrer-Policy", "Strict-Transport-Security", "Vary", "X-Content-Type-Options",
}

// check returns how the response to a GET, which may have been sent as HEAD, contradicts the
// contract.
func (o operation) check(got answer, head bool) error {
	documented := o.Responses.Status(got.status)
	if documented == nil {
		return fmt.Errorf("the status %d is not in the contract", got.status)
	}
	known := slices.Clone(everywhere)
	for name := range documented.Value.Headers {
		known = append(known, http.CanonicalHeaderKey(name))
	}
	for name := range got.header {
		if !slices.Contains(known, name) {
			return fmt.Errorf("the header %s of a %d is not in the contract", name, got.status)
		}
	}
	if len(documented.Value.Content) == 0 && got.body != "" {
		return fmt.Errorf("the contract has no body for %d, and it is %q", got.status, got.body)
	}
	mediaType := got.header.Get("Content-Type")
	if got.body != "" && documented.Value.Content.Get(mediaType) == nil {
		return fmt.Errorf("the media type %s of a %d is not in the contract", mediaType, got.status)
	}
	if head {
		return nil
	}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: httptest.NewRequest(o.method, "/", nil),
			Route:   &routers.Route{Spec: o.doc, Path: o.path, Method: o.method, Operation: o.Operation},
		},
		Status: got.status, Header: got.header, Body: io.NopCloser(strings.NewReader(got.body)),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true,
			ExcludeResponseBody:   !strings.Contains(mediaType, "json"), // has no decoder for some media types
		},
	})
}

// The enumerations in the contract equal those of the domain.
func TestContract_Enumerations_AreTheDomains(t *testing.T) {
	t.Parallel()
	schemas := readContract(t).doc.Components.Schemas
	words := func(of *openapi3.SchemaRef) (words []string) {
		for _, w := range of.Value.Enum {
			words = append(words, fmt.Sprint(w))
		}
		return words
	}
	var states []string
	for _, s := range payment.States() {
		states = append(states, string(s))
	}
	require.Equal(t, states, words(schemas["State"]))
	require.Equal(t, []string{payment.CaptureAutomatic.String(), payment.CaptureManual.String()}, words(schemas["CaptureMode"]))
	require.ElementsMatch(t, payment.Kinds()[1:], []payment.Kind{payment.KindCapture, payment.KindVoid, payment.KindRefund})
	require.Equal(t, []string{
		string(payment.KindCapture), string(payment.KindVoid), string(payment.KindRefund),
	}, words(schemas["OperationKind"]))
	require.Equal(t, []string{
		string(payment.ClosedDeclined), string(payment.ClosedVoided), string(payment.ClosedAbsent),
		string(payment.ClosedPerson), string(payment.ClosedCharged), string(payment.ClosedNotCharged),
	}, words(schemas["GatewayKey"].Value.Properties["closed"]))
	require.Equal(t, []string{
		string(payment.ClassApproved), string(payment.ClassAuthorized), string(payment.ClassDeclined), string(payment.ClassRejected),
		string(payment.ClassNotCharged), string(payment.ClassUnknownAnswered), string(payment.ClassUnknownUnanswered),
		string(payment.ClassPending), string(payment.ClassKeyReused),
	}, words(schemas["Class"]))
	require.Equal(t, []string{
		"created", "claimed", "attempt", "settled",
		string(payment.EventRefused), string(payment.EventTakenOver), string(payment.EventScheduled),
		string(payment.EventQuarantined), string(payment.EventReconciled), string(payment.EventResolved),
		string(payment.EventImported), string(payment.EventEvidence), string(payment.EventDouble), string(payment.EventDoubleRefund),
		string(payment.EventKeyClosed), string(payment.EventUnsendable), string(payment.EventFailedOver), string(payment.EventReturned),
		string(payment.EventHoldEnded), string(payment.EventExpedited), string(payment.EventArchived),
	}, words(schemas["Moment"].Value.Properties["kind"]))
}

// The contract has exactly the routes of the service.
func TestContract_Routes_AreComplete(t *testing.T) {
	t.Parallel()
	s := serve(t, answering(approved), options(t))
	paths := readContract(t).doc.Paths
	for _, path := range paths.InMatchingOrder() {
		sent := strings.NewReplacer("{order_id}", "x", "{file}", "start.js", "{name}", "bank", "{refund_id}", "y").Replace(path)
		allow := s.request(http.MethodOptions, sent, "").header.Get("Allow")
		want := "OPTIONS"
		if paths.Value(path).Get != nil {
			want += ", GET, HEAD"
		}
		if paths.Value(path).Post != nil {
			want += ", POST"
		}
		require.Equal(t, want, allow, path)
	}
}

// The body of each request example in the contract refunds.
func TestContract_RequestExamples_Refund(t *testing.T) {
	t.Parallel()
	examples := readContract(t).doc.Paths.Value("/payments/{order_id}/refunds").Post.RequestBody.Value.Content["application/json"].Examples
	part := money(t, "25", "USD")
	want := map[string]core.Request{
		"part": {Money: part, Note: "damaged in transit"}, "with_currency": {Money: part}, "what_is_left": {},
	}
	require.Len(t, examples, len(want))
	for name, example := range examples {
		body, err := json.Marshal(example.Value.Value)
		require.NoError(t, err)
		p, refunded := answering(approved), core.Request{}
		respond := p.refund
		p.refund = func(ctx context.Context, r core.Request) (core.Answer, error) {
			refunded = r
			return respond(ctx, r)
		}
		require.Equal(t, 200, refunding(string(body))(serve(t, p, options(t))).status, name)
		expected := want[name]
		expected.OrderID, expected.Operation = "order-123", payment.OperationID{Kind: payment.KindRefund, Name: "refund-1"}
		require.Equal(t, expected, refunded, name)
	}
}

// The body of each request example in the contract captures or voids.
func TestContract_RequestExamples_CaptureAndVoid(t *testing.T) {
	t.Parallel()
	part := money(t, "60", "USD")
	for path, want := range map[string]map[string]core.Request{
		"capture": {
			"part_of_hold": {Money: part}, "part_with_currency": {Money: part, Note: "one item is sold out"}, "whole_hold": {},
		},
		"void": {"void": {}, "void_with_reason": {Note: "sold out"}},
	} {
		examples := readContract(t).doc.Paths.Value("/payments/{order_id}/" + path).Post.RequestBody.Value.Content["application/json"].Examples
		require.Len(t, examples, len(want))
		for name, example := range examples {
			body, err := json.Marshal(example.Value.Value)
			require.NoError(t, err)
			p, sent := answering(approved), core.Request{}
			respond := p.hold
			p.hold = func(ctx context.Context, r core.Request) (core.Answer, error) {
				sent = r
				return respond(ctx, r)
			}
			require.Equal(t, 200, holding(path, string(body))(serve(t, p, options(t))).status, name)
			expected := want[name]
			expected.OrderID, expected.Operation = "order-123", payment.OperationID{Kind: payment.Kind(path)}
			require.Equal(t, expected, sent, name)
		}
	}
}

// The body of each request example in the contract charges.
func TestContract_RequestExamples_Charge(t *testing.T) {
	t.Parallel()
	examples := readContract(t).doc.Paths.Value("/payments/process").Post.RequestBody.Value.Content["application/json"].Examples
	hundred := money(t, "100", "USD")
	want := map[string]core.Request{
		"number": {Money: hundred}, "decimal_string": {Money: hundred}, "other_currency": {Money: money(t, "1000", "JPY")},
		"held": {Money: hundred, Capture: payment.CaptureManual},
	}
	require.Len(t, examples, len(want))
	for name, example := range examples {
		body, err := json.Marshal(example.Value.Value)
		require.NoError(t, err)
		p, charged := answering(approved), false
		respond := p.process
		p.process = func(ctx context.Context, r core.Request) (core.Answer, error) {
			charged = r.Money == want[name].Money && r.Capture == want[name].Capture && r.OrderID == "order-123"
			return respond(ctx, r)
		}
		require.Equal(t, 200, serve(t, p, options(t)).post(string(body)).status, name)
		require.True(t, charged, name)
	}
}
