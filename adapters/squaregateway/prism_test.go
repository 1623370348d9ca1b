//go:build prism

package squaregateway_test

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
)

// specVariable is the path of Square's API specification, which `make test/square-prism` sets.
const specVariable = "SQUARE_SPEC"

// Prism, between the adapter and the fake, answers with an error if a request or an answer does not match
// Square's API specification. Declines have the status 200, because the specification has no other.
func TestPrism_RequestsAndAnswers_MatchTheSpecification(t *testing.T) {
	t.Parallel()
	spec := os.Getenv(specVariable)
	if spec == "" {
		t.Fatal("needs Square's API specification: make test/square-prism SPEC=FILE")
	}
	fake, err := squarefake.Open(squarefake.Options{DeclineStatus: http.StatusOK})
	require.NoError(t, err)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	o := validOptions()
	o.Environment, o.LocationID, o.BaseURL, o.Timeout = squaregateway.Sandbox, squarefake.DefaultLocation, startPrism(t, excerpt(t, spec), server.URL), time.Minute
	o.Token, o.Now = func() string { return squarefake.DefaultToken }, fake.Now
	g, err := squaregateway.New(o)
	require.NoError(t, err)
	t.Cleanup(g.Close)
	b := bench{g, fake, t}

	p := b.Probe(t.Context())
	require.True(t, p.Ready, p.Message)
	approved := b.charge(cardOK, payment.ClassApproved)
	require.Equal(t, approved.TransactionID, b.lookUp(b.ref(), payment.FoundApproved).TransactionID)
	byID := b.ref()
	byID.Reference = approved.TransactionID
	b.lookUp(byID, payment.FoundApproved)
	for i, source := range []payment.PaymentMethod{
		cardDeclined, cardUsed, "cnon:card-nonce-rejected-cvv", "cnon:gift-card-nonce-insufficient-funds",
	} {
		c := charge(t, source)
		c.Key = payment.GatewayKey("declined-" + strconv.Itoa(i))
		r := b.Charge(t.Context(), c)
		require.Equal(t, payment.ClassDeclined, r.Class, r.Message)
	}
	throughRefunds(t, b, approved.TransactionID)
	throughHolds(t, b)
	pending := charge(t, bankOK)
	pending.Key = "pending"
	r := b.Charge(t.Context(), pending)
	require.Equal(t, payment.ClassPending, r.Class, r.Message)
	b.cancel(payment.ChargeRef{Key: "pending", Money: pending.Money, Reference: r.Reference}, payment.FoundVoided)
	b.cancel(payment.ChargeRef{Key: "never-used"}, payment.FoundNothing)
	makePayments(t, b, 100)
	q := payment.LedgerQuery{From: fake.Now().Add(-time.Hour), To: fake.Now()}
	first, err := b.Charges(t.Context(), q)
	require.NoError(t, err)
	q.Cursor = first.Next
	second, err := b.Charges(t.Context(), q)
	require.NoError(t, err)
	require.Empty(t, append(first.Unreadable, second.Unreadable...))
	require.Empty(t, second.Next)
	t.Logf("Prism passed %d requests with their answers", len(fake.Calls()))

	// It would have found a mistake.
	fake.Inject(squarefake.Fault{Call: "get", Status: 200, Body: `{"payment":{"id":7}}`})
	l := b.LookUp(t.Context(), byID)
	require.Equal(t, payment.FoundNoAnswer, l.Result)
	require.Contains(t, l.Message, "500")
}

// throughRefunds makes each request about refunds of the payment of [charge].
func throughRefunds(t *testing.T, b bench, paid string) {
	t.Helper()
	c := payment.Charge{
		Key: refundKey, OrderID: "order-1", Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"},
		Of: payment.ChargeID{Key: key, TransactionID: paid}, Money: money(t, "25", "USD"),
	}
	ref := b.refOf(c)
	b.lookUp(ref, payment.FoundNothing)
	ref.Reference = b.refund(c, payment.ClassApproved).TransactionID
	b.lookUp(ref, payment.FoundApproved)
	ref.Reference = ""
	b.lookUp(ref, payment.FoundApproved)
	more := c
	more.Key, more.Money = "more-than-is-left", money(t, "75.01", "USD")
	require.Equal(t, payment.DeclineLimit, b.refund(more, payment.ClassDeclined).Code) // reads the payment and its refunds
	require.NoError(t, b.fake.DecideRefund(string(refundKey), "FAILED"))
	b.lookUp(ref, payment.FoundDeclined)
}

// throughHolds makes each request about a hold: its capture in part, its void, and what Square refuses afterwards.
func throughHolds(t *testing.T, b bench) {
	t.Helper()
	for kind, other := range map[payment.Kind]payment.Kind{payment.KindCapture: payment.KindVoid, payment.KindVoid: payment.KindCapture} {
		c := hold(t)
		c.Key = payment.GatewayKey("hold-" + string(kind))
		r := b.end(c, payment.ClassAuthorized)
		require.False(t, r.HoldExpires.IsZero())
		end := payment.Charge{
			Key: endKey, OrderID: c.OrderID, Operation: payment.OperationID{Kind: kind},
			Of: payment.ChargeID{Key: c.Key, TransactionID: r.TransactionID}, Money: money(t, "60", "USD"),
		}
		b.lookUp(endRef(end), payment.FoundNothing)
		b.end(end, payment.ClassApproved)
		b.lookUp(endRef(end), payment.FoundApproved)
		end.Operation.Kind = other
		b.end(end, payment.ClassDeclined)
	}
	paths := b.paths()
	for _, call := range []string{"PUT", "/complete", "/cancel"} {
		require.Contains(t, strings.Join(paths, "\n"), call)
	}
}

// usedPaths are the paths of the specification that the adapter calls.
var usedPaths = []string{
	"/v2/payments", "/v2/payments/cancel", "/v2/payments/{payment_id}", "/v2/payments/{payment_id}/cancel",
	"/v2/payments/{payment_id}/complete", "/v2/locations/{location_id}", "/v2/refunds", "/v2/refunds/{refund_id}",
}

// excerpt writes the parts of the specification that the adapter uses to a file, because others refer to
// documents elsewhere, and returns its path.
func excerpt(t *testing.T, spec string) (path string) {
	t.Helper()
	text, err := os.ReadFile(spec)
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, json.Unmarshal(text, &document))
	paths, _ := document["paths"].(map[string]any)
	used := map[string]any{}
	for _, path := range usedPaths {
		require.Contains(t, paths, path, "SPEC is not Square's api.json")
		used[path] = paths[path]
	}
	document["paths"] = used
	components, _ := document["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	kept := map[string]any{}
	keepSchemas(used, schemas, kept)
	components["schemas"] = kept
	text, err = json.Marshal(document)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "api.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// keepSchemas adds the schemas that a part of the document refers to, and those that they refer to.
func keepSchemas(part any, schemas, kept map[string]any) {
	switch part := part.(type) {
	case map[string]any:
		ref, _ := part["$ref"].(string)
		if name, local := strings.CutPrefix(ref, "#/components/schemas/"); local && kept[name] == nil {
			kept[name] = schemas[name]
			keepSchemas(schemas[name], schemas, kept)
		}
		for _, member := range part {
			keepSchemas(member, schemas, kept)
		}
	case []any:
		for _, member := range part {
			keepSchemas(member, schemas, kept)
		}
	}
}

// startPrism starts a proxy to the server that checks against the specification, and returns its address.
func startPrism(t *testing.T, spec, server string) (base string) {
	t.Helper()
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := unused.Addr().String()
	require.NoError(t, unused.Close())
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	var log logWriter
	command := exec.Command("prism", "proxy", "--errors", "--host", "127.0.0.1", "--port", port, spec, server)
	command.Stdout, command.Stderr = &log, &log
	require.NoError(t, command.Start())
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
		if t.Failed() {
			t.Log(log.String())
		}
	})
	require.Eventually(t, func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 2*time.Minute, 100*time.Millisecond, "Prism has not started")
	return "http://" + address
}

// logWriter keeps what a program writes.
type logWriter struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *logWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *logWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
