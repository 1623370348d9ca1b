package gateways_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/resilience"
	"paymentd/adapters/stripegateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/app/gateways"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/internal/filewatch"
)

// stripeShop is the core of the service with a fake of Stripe behind the real adapter.
type stripeShop struct {
	*core.Service

	t        *testing.T
	fake     *stripefake.Fake
	gateway  gateways.Gateway
	payments *fake.Payments
}

func newStripeShop(t *testing.T) *stripeShop {
	t.Helper()
	stripe, err := stripefake.Open("", stripefake.Options{})
	require.NoError(t, err)
	server := httptest.NewServer(stripe.Handler())
	t.Cleanup(server.Close)
	folder := t.TempDir()
	key, webhook := filepath.Join(folder, "key"), filepath.Join(folder, "webhook")
	require.NoError(t, os.WriteFile(key, []byte("sk_test_0123456789"), 0o600))
	require.NoError(t, os.WriteFile(webhook, []byte(secretText("a")), 0o600))
	kind, found := gateways.FindName("stripe")
	require.True(t, found)
	log := slog.New(slog.DiscardHandler)
	gateway, err := kind.Open(gateways.Options{
		Timeout: 10 * time.Second, Connections: 4, ID: "stripe", SecretFile: key, WebhookSecretFile: webhook, Address: server.URL,
		Log: log, Files: filewatch.NewSet(log),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, gateway.Close()) })
	s := &stripeShop{t: t, fake: stripe, gateway: gateway, payments: fake.NewPayments()}
	settings := core.Settings{
		Replica: "a", NewKey: func() payment.GatewayKey { return payment.GatewayKey(rand.Text()) },
		Lease: time.Minute, GatewayTimeout: 10 * time.Second, MaxBackoff: time.Minute, Wait: time.Second, Late: time.Minute,
		LookupFirst: time.Hour, LookupMax: time.Hour, // only an event makes a lookup due
		Workers: 4, Poll: 10 * time.Millisecond, HeartbeatTimeout: time.Minute,
	}
	s.Service = core.New(settings, s.payments, core.OneGateway(gateway, resilience.NewRetry(resilience.RetryOptions{})), log)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.RunQueue(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return s
}

// pay charges an order, and returns the id of its PaymentIntent.
func (s *stripeShop) pay(id payment.OrderID, method payment.PaymentMethod) string {
	s.t.Helper()
	c, err := payment.ParseCurrency("USD")
	require.NoError(s.t, err)
	m, err := payment.ParseMoney("12.50", c)
	require.NoError(s.t, err)
	a, err := s.Process(s.t.Context(), core.Request{OrderID: id, Money: m, Method: method})
	require.NoError(s.t, err)
	require.Equal(s.t, payment.StateSucceeded, a.State, a.Reason)
	return a.TransactionID
}

// giveBack refunds what is left of an order.
func (s *stripeShop) giveBack(ref payment.Ref, want payment.State) core.Answer {
	s.t.Helper()
	a, err := s.Refund(s.t.Context(), core.Request{OrderID: ref.OrderID, Operation: ref.Operation})
	require.NoError(s.t, err)
	require.Equal(s.t, want, a.State, a.Reason)
	return a
}

// send sends an event about a refund with its present state.
func (s *stripeShop) send(kind, id string, want core.Notified) {
	s.t.Helper()
	body := s.fake.Event(kind, id)
	header := http.Header{stripegateway.SignatureHeader: {stripefake.Sign(body, secretText("a"), time.Now())}}
	e, err := s.gateway.Events()(header, body, time.Now())
	require.NoError(s.t, err)
	require.Empty(s.t, e.Skipped)
	led, err := s.Notify(s.t.Context(), e.GatewayEvent)
	require.NoError(s.t, err)
	require.Equal(s.t, want, led)
}

// await polls until a refund has the state.
func (s *stripeShop) await(ref payment.Ref, want payment.State) payment.Payment {
	s.t.Helper()
	var p payment.Payment
	require.Eventually(s.t, func() bool {
		var err error
		p, err = s.payments.FindOperation(s.t.Context(), ref)
		return err == nil && p.State == want
	}, 30*time.Second, 5*time.Millisecond)
	return p
}

func refundRef(order payment.OrderID, name string) payment.Ref {
	return payment.Ref{OrderID: order, Operation: payment.OperationID{Kind: payment.KindRefund, Name: name}}
}

// A refund fails after it had succeeded. The event leads to a lookup, which finds that the money came back; it can be
// refunded again.
func TestStripeRefund_FailsAfterSuccess_IsReturned(t *testing.T) {
	t.Parallel()
	s := newStripeShop(t)
	intent := s.pay("order-1", "pm_card_refundFail")
	first := refundRef("order-1", "r-1")
	a := s.giveBack(first, payment.StateSucceeded)
	s.send("refund.created", a.TransactionID, core.NotifiedKnown)

	require.True(t, s.fake.SetRefund(a.TransactionID, "failed"))
	s.send("refund.failed", a.TransactionID, core.NotifiedDue)
	p := s.await(first, payment.StateDeclined)
	require.Equal(t, payment.CodeRefundReturned, p.Code)
	require.Contains(t, p.Reason, "expired_or_canceled_card")
	s.send("refund.updated", a.TransactionID, core.NotifiedKnown)
	require.Equal(t, payment.CodeRefundReturned, s.giveBack(first, payment.StateDeclined).Code)

	s.giveBack(refundRef("order-1", "r-2"), payment.StateSucceeded)
	require.EqualValues(t, 1250, s.fake.Refunded(intent))
}

// A pending refund is pending until the bank decides. One that fails then was never given back, and the same refund id
// may try again with another key.
func TestStripeRefund_Pending_IsDecidedByTheBank(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]payment.State{
		"succeeded": payment.StateSucceeded, "failed": payment.StateDeclined, "canceled": payment.StateDeclined,
	} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			s := newStripeShop(t)
			intent := s.pay("order-1", "pm_card_pendingRefund")
			ref := refundRef("order-1", "r-1")
			first := s.giveBack(ref, payment.StatePending)
			id := s.fake.Refunds(string(first.GatewayKey))[0]
			require.True(t, s.fake.SetRefund(id, status))
			s.send("refund.updated", id, core.NotifiedDue)
			p := s.await(ref, want)
			if want == payment.StateSucceeded {
				require.Equal(t, id, p.TransactionID)
				require.Equal(t, id, s.giveBack(ref, payment.StateSucceeded).TransactionID)
				return
			}
			require.NotEqual(t, payment.CodeRefundReturned, p.Code)
			require.Zero(t, s.fake.Refunded(intent))
			again := s.giveBack(ref, payment.StatePending)
			require.NotEqual(t, first.GatewayKey, again.GatewayKey)
			require.EqualValues(t, 1250, s.fake.Refunded(intent))
		})
	}
}
