package tracing_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/resilience"
	"paymentd/adapters/tracing"
	"paymentd/core"
	"paymentd/core/payment"
)

// refunding is a gateway that approves every charge and refund.
type refunding struct{ *fake.Gateway }

func (refunding) Charge(_ context.Context, c payment.Charge) payment.Result {
	return payment.Result{Class: payment.ClassApproved, TransactionID: "txn-of-" + string(c.Key)}
}

func (g refunding) Capabilities() payment.Capabilities {
	can := g.Gateway.Capabilities()
	can.Operations |= payment.OperationRefund
	return can
}

// A refund has a trace of its own: that of its gateway key.
func TestRefund_HasATraceOfItsOwn(t *testing.T) {
	t.Parallel()
	var keys []string
	spans := &collector{}
	log := slog.New(slog.DiscardHandler)
	traces, err := tracing.NewWithExporter(t.Context(), tracing.Options{Version: "test", Replica: "a", Log: log}, spans)
	require.NoError(t, err)
	service := traces.Service(core.New(core.Settings{
		Replica: "a",
		NewKey: func() payment.GatewayKey {
			keys = append(keys, uuid.Must(uuid.NewV7()).String())
			return payment.GatewayKey(keys[len(keys)-1])
		},
		Lease: time.Minute, Wait: time.Second, Late: time.Minute, LookupFirst: time.Minute, LookupMax: time.Minute,
		Workers: 1, Poll: time.Second, HeartbeatTimeout: time.Minute,
	}, traces.Payments(fake.NewPayments()), core.OneGateway(traces.Gateway(refunding{fake.NewGateway()}),
		resilience.NewRetry(resilience.RetryOptions{})), log))
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	hundred, err := payment.ParseMoney("100", usd)
	require.NoError(t, err)
	refund := core.Request{OrderID: "order-1", Operation: payment.OperationID{Kind: payment.KindRefund, Name: "refund-1"}}

	_, err = service.Process(t.Context(), core.Request{OrderID: "order-1", Money: hundred})
	require.NoError(t, err)
	for range 2 {
		a, err := service.Refund(t.Context(), refund)
		require.NoError(t, err)
		require.Equal(t, payment.StateSucceeded, a.State)
	}
	require.NoError(t, traces.Stop(t.Context()))

	ofRefund := strings.ReplaceAll(keys[1], "-", "")
	requests := spans.named("process refund")
	require.Len(t, requests, 2, "and the replay")
	root := requests[0]
	require.Empty(t, root.parent)
	for _, s := range append(requests, spans.named("refund")...) {
		require.Equal(t, ofRefund, s.trace, s)
	}
	require.Equal(t, "order-1", root.attributes["paymentd.order_id"])
	require.Equal(t, "refund refund-1", root.attributes["paymentd.operation"])
	require.Equal(t, "succeeded", root.attributes["paymentd.state"])
	require.Equal(t, "true", requests[1].attributes["paymentd.replayed"])
	require.Len(t, spans.named("refund"), 1)
	require.Equal(t, root.id, spans.named("refund")[0].parent)
	require.Len(t, spans.named("process payment"), 1)
}
