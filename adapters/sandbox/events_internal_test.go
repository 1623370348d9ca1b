package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/internal/standardwebhooks"
)

// receiver is the receiver of events, which answers with a status.
type receiver struct {
	mu       sync.Mutex
	status   int
	received []delivery
}

type delivery struct {
	id, body string
	at       time.Time
}

func (r *receiver) RoundTrip(request *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	id, err := standardwebhooks.Verify([]standardwebhooks.Secret{testSecret}, request.Header, body, time.Now())
	if err != nil {
		return nil, err
	}
	r.received = append(r.received, delivery{id, string(body), time.Now()})
	if r.status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: r.status, Status: http.StatusText(r.status), Body: http.NoBody}, nil
}

func (r *receiver) take(status int) (all []delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, r.received, r.status = r.received, nil, status
	return all
}

var testSecret = standardwebhooks.Secret(bytes.Repeat([]byte("s"), 32))

func openWithEvents(t *testing.T, to http.RoundTripper, log io.Writer) *Gateway {
	t.Helper()
	events := WithEvents("http://127.0.0.1:3000/gateways/http/events", testSecret)
	g, err := Open(filepath.Join(t.TempDir(), "ledger"), events, func(g *Gateway) { g.events.client.Transport = to },
		WithLog(slog.New(slog.NewTextHandler(log, nil))))
	require.NoError(t, err)
	return g
}

func chargeOf(t *testing.T, order, amount string) payment.Charge {
	t.Helper()
	c, err := parseCharge("key-"+order, order, amount, "USD")
	require.NoError(t, err)
	return c
}

// Each decision is one event, which is signed and has the same id for each delivery.
func TestEvents_OfEachDecision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &receiver{status: http.StatusOK}
		g := openWithEvents(t, to, io.Discard)
		for order, amount := range map[string]string{
			"paid": "5.00", "declined": "9402.00", "later": "9202.00", "never": "9203.00", "asked": "9201.00", "failed": "9500.00",
		} {
			g.Charge(t.Context(), chargeOf(t, order, amount))
		}
		g.Charge(t.Context(), chargeOf(t, "paid", "5.00")) // a repeat is no decision
		g.Cancel(t.Context(), payment.ChargeRef{Key: "key-asked"})
		time.Sleep(pendingFor + time.Second)
		kinds, ids := make(map[string][]string), make(map[string]bool)
		for _, d := range to.take(http.StatusOK) {
			var body eventBody
			require.NoError(t, json.Unmarshal([]byte(d.body), &body))
			require.Equal(t, "key-"+body.OrderID, body.Key)
			kinds[body.OrderID] = append(kinds[body.OrderID], body.Type)
			ids[d.id] = true
		}
		require.Len(t, ids, 8)
		require.Equal(t, []string{"charge.succeeded"}, kinds["paid"])
		require.Equal(t, []string{"charge.declined"}, kinds["declined"])
		require.ElementsMatch(t, []string{"charge.pending", "charge.succeeded"}, kinds["later"])
		require.ElementsMatch(t, []string{"charge.pending", "charge.declined"}, kinds["never"])
		require.ElementsMatch(t, []string{"charge.pending", "charge.voided"}, kinds["asked"])
		require.Empty(t, kinds["failed"])
		require.NoError(t, g.Close())
	})
}

// Each decision about a refund is one event, with the key of the refund and the order of its charge.
func TestEvents_OfRefunds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &receiver{status: http.StatusOK}
		g := openWithEvents(t, to, io.Discard)
		c := chargeOf(t, "paid", "40000.00")
		g.Charge(t.Context(), c)
		for key, amount := range map[payment.GatewayKey]string{
			"whole": "5.00", "declined": "9402.00", "later": "9202.00", "never": "9203.00", "back": "9204.00", "failed": "9500.00",
		} {
			of := chargeOf(t, "paid", amount)
			of.Key, of.Operation, of.Of = key, payment.OperationID{Kind: payment.KindRefund, Name: string(key)}, payment.ChargeID{Key: c.Key}
			g.Charge(t.Context(), of)
		}
		time.Sleep(pendingFor + time.Second)
		kinds := make(map[string][]string)
		for _, d := range to.take(http.StatusOK) {
			var body eventBody
			require.NoError(t, json.Unmarshal([]byte(d.body), &body))
			require.Equal(t, "paid", body.OrderID)
			kinds[body.Key] = append(kinds[body.Key], body.Type)
		}
		require.Equal(t, []string{"refund.succeeded"}, kinds["whole"])
		require.Equal(t, []string{"refund.declined"}, kinds["declined"])
		require.ElementsMatch(t, []string{"refund.pending", "refund.succeeded"}, kinds["later"])
		require.ElementsMatch(t, []string{"refund.pending", "refund.declined"}, kinds["never"])
		require.ElementsMatch(t, []string{"refund.succeeded", "refund.returned"}, kinds["back"])
		require.Empty(t, kinds["failed"])
		require.NoError(t, g.Close())
	})
}

// Each decision about a hold is one event. A void that cancels a pending charge has none of its own.
func TestEvents_OfHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &receiver{status: http.StatusOK}
		g := openWithEvents(t, to, io.Discard)
		operate := func(kind payment.Kind, order, key, amount string) {
			of := chargeOf(t, order, amount)
			g.Charge(t.Context(), operation(kind, of.Key, payment.GatewayKey(key), of.Money))
		}
		for order, amount := range map[string]string{
			"captured": "100.00", "declined": "20000.00", "later": "20000.00", "voided": "100.00", "slowly": "9314.00", "expired": "9301.00",
			"late": "9202.00",
		} {
			c := chargeOf(t, order, amount)
			c.Capture = payment.CaptureManual
			g.Charge(t.Context(), c)
		}
		operate(payment.KindCapture, "captured", "c-1", "60.00")
		operate(payment.KindCapture, "declined", "c-2", "9402.00")
		operate(payment.KindCapture, "later", "c-3", "9202.00")
		operate(payment.KindVoid, "captured", "v-1", "1.00")
		operate(payment.KindVoid, "voided", "v-2", "1.00")
		operate(payment.KindVoid, "slowly", "v-3", "1.00")
		time.Sleep(pendingFor + time.Second)
		g.Cancel(t.Context(), payment.ChargeRef{Key: "key-late"})
		g.Cancel(t.Context(), payment.ChargeRef{Key: "key-captured"})
		synctest.Wait()
		kinds := make(map[string][]string)
		for _, d := range to.take(http.StatusOK) {
			var body eventBody
			require.NoError(t, json.Unmarshal([]byte(d.body), &body))
			kinds[body.Key] = append(kinds[body.Key], body.Type)
		}
		for key, want := range map[string][]string{
			"key-captured": {"charge.authorized"}, "key-declined": {"charge.authorized"}, "key-later": {"charge.authorized"},
			"key-voided": {"charge.authorized", "charge.voided"}, "key-slowly": {"charge.authorized", "charge.voided"},
			"key-expired": {"charge.authorized", "charge.voided"}, "key-late": {"charge.pending", "charge.authorized", "charge.voided"},
			"c-1": {"capture.succeeded"}, "c-2": {"capture.declined"}, "c-3": {"capture.pending", "capture.succeeded"},
			"v-1": {"void.declined"}, "v-2": {"void.succeeded"}, "v-3": {"void.pending", "void.succeeded"},
		} {
			require.ElementsMatch(t, want, kinds[key], key)
			delete(kinds, key)
		}
		require.Empty(t, kinds)
		require.NoError(t, g.Close())
	})
}

// An event that is not accepted is sent again at growing intervals, and given up at last.
func TestEvents_NotAccepted_AreSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		to := &receiver{status: http.StatusServiceUnavailable}
		g := openWithEvents(t, to, &log)
		g.Charge(t.Context(), chargeOf(t, "paid", "5.00"))
		time.Sleep(4 * time.Second)
		early := to.take(0)
		require.Len(t, early, 3, "at once, after 1 s and after 2 s more")
		require.Equal(t, early[0].id, early[2].id)
		time.Sleep(time.Hour)
		require.Len(t, to.take(http.StatusOK), maxDeliveries-3)
		time.Sleep(time.Hour)
		require.Empty(t, to.take(http.StatusOK))
		require.NoError(t, g.Close()) // ends the goroutines that log
		require.Contains(t, log.String(), "it is not sent again")
	})
}

// Close does not wait for a receiver that does not answer.
func TestEvents_Close_EndsDeliveries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hangs := roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		g := openWithEvents(t, hangs, io.Discard)
		for _, order := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
			g.Charge(t.Context(), chargeOf(t, order, "5.00"))
		}
		synctest.Wait()
		began := time.Now()
		require.NoError(t, g.Close())
		require.Zero(t, time.Since(began))
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCheckEventsURL(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"http://127.0.0.1:3000/gateways/http/events": true, "https://pay.example/gateways/bank/events": true,
		"": false, "127.0.0.1:3000": false, "ftp://h/x": false, "http:///x": false, "http://u:p@h/": false,
	} {
		require.Equal(t, ok, CheckEventsURL(address) == nil, address)
	}
}
