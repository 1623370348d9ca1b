package contract_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"paymentd/adapters/fake"
	"paymentd/adapters/httpapi"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// requestsEach is the number of requests to each service. rapid creates a hundred services.
const requestsEach = 25

// TestContract_RandomRequests_Hold sends thousands of valid and invalid requests to working services. No response
// is a 5xx, none contradicts the contract, and no invalid request is accepted.
//
// A failure prints its seed for -rapid.seed. -rapid.checks=N creates N services.
func TestContract_RandomRequests_Hold(t *testing.T) {
	t.Parallel()
	operations := readContract(t).operations()
	for _, o := range operations {
		if strings.HasSuffix(o.OperationID, "Payment") || o.OperationID == "listPayments" { // and refundPayment
			operations = append(operations, o, o, o) // these have more cases
		}
		if o.OperationID == "getRefund" {
			operations = append(operations, o) // two ids must be known
		}
	}
	seen := make(map[string]bool)
	unseen := func(answer string) bool { return !seen[answer] }
	// One run may not get the rarest responses. Ten do.
	for run := 0; run == 0 || run < 10 && slices.ContainsFunc(expectedAnswers, unseen) && !testing.Short(); run++ {
		rapid.Check(t, func(rt *rapid.T) {
			w := &walk{Case: rt, operations: operations, seen: seen, handler: working(t)}
			for range requestsEach {
				w.step()
			}
		})
	}
	t.Logf("seen: %v", slices.Sorted(maps.Keys(seen)))
	if !testing.Short() { // then there are too few requests to get every response
		require.Empty(t, slices.DeleteFunc(slices.Clone(expectedAnswers), func(a string) bool { return seen[a] }), "never seen")
	}
}

// expectedAnswers are the responses that random requests get.
var expectedAnswers = []string{
	"getDocs 200", "getDocsFile 200", "getHealth 200", "getMetrics 200", "getOpenAPI 200", "getReadiness 200", "listGateways 200",
	"getPayment 200", "getPayment 400", "getPayment 404", "listPayments 200", "listPayments 400",
	"capturePayment 400", "capturePayment 404", "capturePayment 413", "capturePayment 415", "capturePayment 422",
	"voidPayment 400", "voidPayment 404", "voidPayment 413", "voidPayment 415", "voidPayment 422",
	"refundPayment 200", "refundPayment 400", "refundPayment 404", "refundPayment 413", "refundPayment 415", "refundPayment 422",
	"listRefunds 200", "listRefunds 400", "listRefunds 404", "getRefund 200", "getRefund 400", "getRefund 404",
	"processPayment 200", "processPayment 202", "processPayment 400", "processPayment 402",
	"postGatewayEvent 400", "postGatewayEvent 404", "processPayment 413", "processPayment 415", "processPayment 422", "stray 404", "stray 405",
}

// working returns the API of a real core with ports in memory. The gateway declines some orders.
func working(t *testing.T) http.Handler {
	t.Helper()
	gateway := fake.NewGateway()
	gateway.OnCharge(func(c payment.Charge) fake.Step {
		if len(c.OrderID)%3 == 0 {
			return fake.Decline("card_declined")
		}
		return fake.Approve()
	})
	keys := 0
	service := core.New(core.Settings{
		Replica: "a", NewKey: func() payment.GatewayKey { keys++; return payment.GatewayKey("key-" + strconv.Itoa(keys)) },
		Lease: time.Minute, Wait: time.Second, Late: time.Minute, LookupFirst: time.Second, LookupMax: time.Minute,
		Workers: 1, Poll: time.Second, HeartbeatTimeout: time.Minute,
	}, fake.NewPayments(), core.OneGateway(gateway, once{}), slog.New(slog.DiscardHandler))
	// One order is paid and partly refunded from the start, so that many requests find something to refund or to read.
	_, err := service.Process(t.Context(), core.Request{OrderID: "a", Money: money(t, "100", "USD")})
	require.NoError(t, err)
	_, err = service.Refund(t.Context(), core.Request{
		OrderID: "a", Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r"}, Money: money(t, "10", "USD"),
	})
	require.NoError(t, err)
	return httpapi.New(service, options(t), slog.New(slog.DiscardHandler))
}

// once is a retry policy of one attempt.
type once struct{}

func (once) Run(_ context.Context, r ports.Round) error {
	r.Attempt()
	return nil
}

// walk is a sequence of requests to one service.
type walk struct {
	Case       *rapid.T
	operations []operation
	handler    http.Handler
	cursor     string // of the latest response
	seen       map[string]bool
}

// message is a request before it is encoded.
type message struct {
	method string
	path   string
	query  url.Values
	header []string
	body   string
	broken string // how it is invalid; empty if the contract describes it
}

func (w *walk) step() {
	o := rapid.SampledFrom(w.operations).Draw(w.Case, "operation")
	m := w.message(o)
	stray := false
	if w.oneIn(3, "broken") {
		stray = w.breakIt(&m)
	}
	got, ok := w.send(m)
	if !ok {
		return
	}
	name := o.OperationID
	if stray {
		name, o = "stray", w.operation("getPayment") // has the responses to requests that match no operation
	}
	w.seen[fmt.Sprint(name, " ", got.status)] = true
	head := m.method == http.MethodHead
	switch {
	case got.status >= http.StatusInternalServerError:
		w.Case.Fatalf("%s %s %q: %d %s", m.method, m.path, m.body, got.status, got.body)
	case m.broken != "" && got.status < http.StatusBadRequest:
		w.Case.Fatalf("%s: %s %s?%s %q: %d %s", m.broken, m.method, m.path, m.query.Encode(), m.body, got.status, got.body)
	}
	if err := o.check(got, head); err != nil {
		w.Case.Fatalf("%s %s?%s %q %q: %v", m.method, m.path, m.query.Encode(), m.header, m.body, err)
	}
	w.remember(got)
}

func (w *walk) remember(got answer) {
	var p struct {
		NextCursor string `json:"next_cursor"`
	}
	if json.Unmarshal([]byte(got.body), &p) == nil && p.NextCursor != "" {
		w.cursor = p.NextCursor
	}
}

func (w *walk) operation(id string) operation {
	return w.operations[slices.IndexFunc(w.operations, func(o operation) bool { return o.OperationID == id })]
}

// oneIn returns true once in n times. It is not uniform, because rapid prefers small numbers.
func (w *walk) oneIn(n int, label string) bool {
	return rapid.SampledFrom(append(make([]bool, n-1), true)).Draw(w.Case, label)
}

// send encodes the request, and parses it as net/http does. It returns false if net/http refuses
// it.
func (w *walk) send(m message) (answer, bool) {
	target := m.path
	if len(m.query) > 0 {
		target += "?" + m.query.Encode()
	}
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s",
		m.method, target, len(m.body), strings.Join(append(m.header, ""), "\r\n"), m.body)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return answer{}, false
	}
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, r)
	response := recorder.Result()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.Case.Fatal(err)
	}
	if m.method == http.MethodHead {
		body = nil // net/http omits it
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(body)}, true
}

// message returns a request that the contract describes.
func (w *walk) message(o operation) message {
	m := message{method: o.method, path: o.path, query: make(url.Values)}
	if m.method == http.MethodGet && w.oneIn(5, "as HEAD") {
		m.method = http.MethodHead
	}
	for _, p := range o.Parameters {
		name, schema := p.Value.Name, p.Value.Schema.Value
		if !p.Value.Required && rapid.Bool().Draw(w.Case, "without "+name) {
			continue
		}
		switch {
		case p.Value.In == "path":
			m.path = strings.Replace(m.path, "{"+name+"}", url.PathEscape(w.text(name, schema)), 1)
		case p.Value.In == "header":
			m.header = append(m.header, name+": "+w.headerValue(p.Value))
		case schema.Type.Is("array"):
			m.query[name] = rapid.SliceOfNDistinct(rapid.SampledFrom(words(schema.Items.Value)), 0, 3, rapid.ID).Draw(w.Case, name)
		default:
			m.query.Set(name, w.text(name, schema))
		}
	}
	if o.RequestBody != nil {
		m.header = append(m.header, "Content-Type: application/json")
		m.body = w.json("body", o.RequestBody.Value.Content["application/json"].Schema.Value)
	}
	accept := rapid.SampledFrom([]string{"", "*/*", "application/json", problemMedia, "text/html;q=0.1"}).Draw(w.Case, "accept")
	if accept != "" {
		m.header = append(m.header, "Accept: "+accept)
	}
	return m
}

func words(schema *openapi3.Schema) (words []string) {
	for _, value := range schema.Enum {
		words = append(words, fmt.Sprint(value))
	}
	return words
}

func (w *walk) headerValue(p *openapi3.Parameter) string {
	values := []string{"handling=strict", "wait=0, respond-async", "", "wait=x"}
	for _, example := range p.Examples {
		values = append(values, fmt.Sprint(example.Value.Value))
	}
	slices.Sort(values) // the order of a map does not depend on the seed
	return rapid.SampledFrom(values).Draw(w.Case, p.Name)
}

// usualTexts are values that repeat, so that requests find existing payments and refunds.
var usualTexts = map[string][]string{
	"order_id":  {"a", "ab", "abc", "a/b", "...", "process", "%2F"},
	"refund_id": {"r", "r/1", "..."},
}

// freeTexts are values of what has no pattern.
var freeTexts = map[string][]string{
	"reason":  {"damaged", "Größe 38", strings.Repeat("x", 500)},
	"gateway": {"", "bank", "https://gateway.example/v1", strings.Repeat("g", 255)},
	"q":       {"", "a", "a/", "txn-1", "%_", "Größe", strings.Repeat("q", 255)},
}

// text returns a string of the schema.
func (w *walk) text(name string, schema *openapi3.Schema) string {
	if usual := usualTexts[name]; usual != nil && !w.oneIn(10, "new "+name) {
		return rapid.SampledFrom(usual).Draw(w.Case, name)
	}
	switch {
	case name == "currency" && rapid.Bool().Draw(w.Case, "known currency"):
		return rapid.SampledFrom([]string{"USD", "JPY", "KWD"}).Draw(w.Case, name)
	case freeTexts[name] != nil:
		return rapid.SampledFrom(freeTexts[name]).Draw(w.Case, name)
	case name == "cursor":
		return w.cursor // of this list or another
	case name == "name" && rapid.Bool().Draw(w.Case, "known gateway"):
		return "bank"
	case len(schema.Enum) > 0:
		return rapid.SampledFrom(words(schema)).Draw(w.Case, name)
	case schema.Format == "date-time":
		seconds := rapid.Int64Range(0, 253370764800).Draw(w.Case, name) // until the end of 9998
		return time.Unix(seconds, seconds%1e9).UTC().Format(time.RFC3339Nano)
	case schema.Type.Is("integer"):
		return strconv.Itoa(rapid.IntRange(int(*schema.Min), int(*schema.Max)).Draw(w.Case, name))
	case schema.Pattern != "":
		return rapid.StringMatching(schema.Pattern).Filter(func(s string) bool {
			return schema.MaxLength == nil || uint64(len(s)) <= *schema.MaxLength
		}).Draw(w.Case, name)
	}
	w.Case.Fatalf("no text of %s is known", name)
	return ""
}

// json returns a JSON value of the schema.
func (w *walk) json(name string, schema *openapi3.Schema) string {
	switch {
	case len(schema.OneOf) > 0:
		if rapid.Bool().Draw(w.Case, "the usual "+name) {
			return "100"
		}
		one := rapid.SampledFrom(schema.OneOf).Draw(w.Case, "one of "+name)
		return w.json(name, one.Value)
	case schema.Type.Is("object"):
		var members []string
		for _, member := range slices.Sorted(maps.Keys(schema.Properties)) {
			if slices.Contains(schema.Required, member) || rapid.Bool().Draw(w.Case, "with "+member) {
				members = append(members, strconv.Quote(member)+":"+w.json(member, schema.Properties[member].Value))
			}
		}
		return "{" + strings.Join(members, ",") + "}"
	case schema.Type.Is("number"):
		return fmt.Sprintf("%d.%02d", rapid.IntRange(0, 1e13).Draw(w.Case, name), rapid.IntRange(0, 99).Draw(w.Case, "cents"))
	default:
		text, err := json.Marshal(w.text(name, schema))
		if err != nil {
			w.Case.Fatal(err)
		}
		return string(text)
	}
}
