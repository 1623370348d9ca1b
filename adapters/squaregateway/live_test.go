//go:build live

package squaregateway_test

import (
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/core/payment"
)

// A sandbox account for `make test/square-live`. The environment is always the sandbox: with a token of
// production, every request is refused.
const (
	tokenVariable    = "SQUARE_ACCESS_TOKEN"
	locationVariable = "SQUARE_LOCATION_ID"
)

// TestLive charges in Square's sandbox, and logs what Square's documents leave open.
func TestLive_Sandbox(t *testing.T) {
	t.Parallel()
	token, location := os.Getenv(tokenVariable), os.Getenv(locationVariable)
	if token == "" || location == "" {
		t.Fatal("needs a sandbox account of Square: make test/square-live")
	}
	g, err := squaregateway.New(squaregateway.Options{
		Environment: squaregateway.Sandbox, LocationID: location, Token: func() string { return token }, Timeout: time.Minute,
	})
	require.NoError(t, err)
	defer g.Close()
	p := g.Probe(t.Context())
	require.True(t, p.Ready, p.Message)
	c := payment.Charge{
		Key: payment.GatewayKey(uuid.Must(uuid.NewV7()).String()), OrderID: "order-live", Method: cardOK,
		Money: money(t, "100", p.Currency),
	}
	began := time.Now()
	approved := g.Charge(t.Context(), c)
	require.Equal(t, payment.ClassApproved, approved.Class, approved.Message)
	require.Equal(t, approved.TransactionID, g.Charge(t.Context(), c).TransactionID, "a repeat is the same payment")
	other := c
	other.Money = money(t, "101", p.Currency)
	require.Equal(t, payment.ClassKeyReused, g.Charge(t.Context(), other).Class)

	refundLive(t, g, c, approved.TransactionID)
	holdLive(t, g, c)
	ref := payment.ChargeRef{Key: c.Key, Money: c.Money, Sent: began}
	for deadline := time.Now().Add(2 * squaregateway.DefaultLookupLag); ; time.Sleep(time.Second) {
		l := g.LookUp(t.Context(), ref)
		if l.Result == payment.FoundApproved {
			t.Logf("the list had the payment after %s", time.Since(began).Round(time.Second))
			require.Less(t, time.Since(began), squaregateway.DefaultLookupLag)
			break
		}
		require.Equal(t, payment.FoundNothing, l.Result, l.Message)
		require.True(t, time.Now().Before(deadline), "the list never had the payment")
	}

	for _, source := range []payment.PaymentMethod{cardDeclined, cardUsed, "cnon:card-nonce-rejected-cvv"} {
		d := c
		d.Key, d.Method = payment.GatewayKey(uuid.Must(uuid.NewV7()).String()), source
		first, again := g.Charge(t.Context(), d), g.Charge(t.Context(), d)
		require.Equal(t, payment.ClassDeclined, first.Class, first.Message)
		t.Logf("%s: %s (%s), a payment: %t; its repeat: %s %s", source, first.Code, first.Message, first.Reference != "", again.Class, again.Message)
	}
}

// holdLive captures a part of one hold and voids another, and logs what else Square allows then.
func holdLive(t *testing.T, g *squaregateway.Gateway, c payment.Charge) {
	t.Helper()
	for _, kind := range []payment.Kind{payment.KindCapture, payment.KindVoid} {
		c.Key, c.Capture = payment.GatewayKey(uuid.Must(uuid.NewV7()).String()), payment.CaptureManual
		r := g.Charge(t.Context(), c)
		require.Equal(t, payment.ClassAuthorized, r.Class, r.Message)
		t.Logf("the hold expires in %s", time.Until(r.HoldExpires).Round(time.Minute))
		end := payment.Charge{
			Key: payment.GatewayKey(uuid.Must(uuid.NewV7()).String()), OrderID: c.OrderID, Operation: payment.OperationID{Kind: kind},
			Of: payment.ChargeID{Key: c.Key, TransactionID: r.TransactionID}, Money: money(t, "60", c.Money.Currency().Code()),
		}
		require.Equal(t, payment.FoundNothing, g.LookUp(t.Context(), endRef(end)).Result)
		for range 2 {
			first := g.Charge(t.Context(), end)
			require.Equal(t, payment.ClassApproved, first.Class, first.Message)
		}
		l := g.LookUp(t.Context(), payment.ChargeRef{Key: c.Key, Money: c.Money, Capture: c.Capture, Reference: r.TransactionID})
		t.Logf("after the %s, the charge is %s, captured %s", kind, l.Result, l.Captured)
		other := end
		other.Operation.Kind = map[payment.Kind]payment.Kind{payment.KindCapture: payment.KindVoid, payment.KindVoid: payment.KindCapture}[kind]
		late := g.Charge(t.Context(), other)
		require.Equal(t, payment.ClassDeclined, late.Class, late.Message)
	}
}

// refundLive refunds the charge twice with one key, and logs how long the list lags and what more than is left gets.
func refundLive(t *testing.T, g *squaregateway.Gateway, c payment.Charge, paid string) {
	t.Helper()
	c.Of, c.Operation, c.Method = payment.ChargeID{Key: c.Key, TransactionID: paid}, payment.OperationID{Kind: payment.KindRefund, Name: "r-live"}, ""
	c.Key = payment.GatewayKey(uuid.Must(uuid.NewV7()).String())
	began := time.Now()
	first, again := g.Charge(t.Context(), c), g.Charge(t.Context(), c)
	require.Contains(t, []payment.Class{payment.ClassApproved, payment.ClassPending}, first.Class, first.Message)
	require.Equal(t, first.TransactionID+first.Reference, again.TransactionID+again.Reference, "a repeat is the same refund")
	t.Logf("the refund is %s, and its repeat %s", first.Class, again.Class)
	more := c
	more.Key = payment.GatewayKey(uuid.Must(uuid.NewV7()).String())
	refused := g.Charge(t.Context(), more)
	t.Logf("a refund of more than is left: %s %s (%s)", refused.Class, refused.Code, refused.Message)
	ref := payment.ChargeRef{Key: c.Key, Operation: c.Operation, Of: c.Of, Money: c.Money, Sent: began}
	for deadline := time.Now().Add(2 * squaregateway.DefaultLookupLag); ; time.Sleep(time.Second) {
		l := g.LookUp(t.Context(), ref)
		if l.Result != payment.FoundNothing {
			t.Logf("the list had the refund, %s, after %s", l.Result, time.Since(began).Round(time.Second))
			require.Contains(t, []payment.LookupResult{payment.FoundApproved, payment.FoundPending}, l.Result, l.Message)
			return
		}
		require.True(t, time.Now().Before(deadline), "the list never had the refund")
	}
}
