package core_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// refundByHand is what an operator requests of the world's order, which was charged 100.00 USD.
func (w *world) refundByHand(name, amount string) payment.ClaimRequest {
	w.t.Helper()
	rules := payment.KeyRules{Capabilities: w.gateway.Capabilities(), Late: late}
	rules.Operations |= payment.OperationRefund
	r := payment.ClaimRequest{
		OrderID: order, Operation: payment.OperationID{Kind: payment.KindRefund, Name: name},
		Note: "damaged in transit", By: "ann", NewKey: w.newKey(), Rules: rules,
	}
	if amount != "" {
		money, err := payment.ParseMoney(amount, w.stored().Money.Currency())
		require.NoError(w.t, err)
		r.Money = money
	}
	return r
}

// An operator's refund is stored for the queue, with the name of the operator in its history.
func TestRequestOperation_Accepted_NamesTheOperator(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.replica("a").pay()
		p, err := core.RequestOperation(t.Context(), w.payments, w.refundByHand("r-1", "25"))
		require.NoError(t, err)
		require.Equal(t, payment.StateScheduled, p.State)
		require.Equal(t, "25.00 USD", p.Money.String())
		require.Equal(t, int64(2500), w.stored().RefundReserved)

		again, err := core.RequestOperation(t.Context(), w.payments, w.refundByHand("r-1", ""))
		require.NoError(t, err)
		require.Equal(t, p.GatewayKey, again.GatewayKey, "a repeat is the same refund")
		require.Equal(t, int64(2500), w.stored().RefundReserved)

		refunds := w.history().Operations
		require.Len(t, refunds, 1)
		require.Len(t, refunds[0].Events, 1)
		event := refunds[0].Events[0]
		require.Equal(t, payment.EventScheduled, event.Kind)
		require.Equal(t, "ann", event.Replica)
		require.Equal(t, "requested by an operator: damaged in transit", event.Detail)
		require.Equal(t, "damaged in transit", refunds[0].Payment.Note)
		require.Empty(t, w.events(), "the charge has its own history")
	})
}

func TestRequestOperation_NotAllowed_StoresNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.replica("a").pay()
		_, err := core.RequestOperation(t.Context(), w.payments, w.refundByHand("r-1", "25"))
		require.NoError(t, err)
		for name, change := range map[string]func(*payment.ClaimRequest){
			"the reason must":          func(r *payment.ClaimRequest) { r.Note = "" },
			"at most 500 bytes":        func(r *payment.ClaimRequest) { r.Note = strings.Repeat("x", payment.MaxMessageBytes+1) },
			"name of the operator":     func(r *payment.ClaimRequest) { r.By = "" },
			"75.00 USD":                func(*payment.ClaimRequest) {},
			"no such payment":          func(r *payment.ClaimRequest) { r.OrderID = "unknown-order" },
			"another amount":           func(r *payment.ClaimRequest) { r.Operation.Name = "r-1" },
			"began at another":         func(r *payment.ClaimRequest) { r.Rules.Gateway, r.Money = "https://other.example", payment.Money{} },
			"does not support refunds": func(r *payment.ClaimRequest) { r.Rules.Operations, r.Money = 0, payment.Money{} },
			"card number":              func(r *payment.ClaimRequest) { r.Note = "to 4242 4242 4242 4242" },
		} {
			request := w.refundByHand("r-2", "75.01")
			change(&request)
			_, err := core.RequestOperation(t.Context(), w.payments, request)
			require.ErrorContains(t, err, name)
		}
		require.Equal(t, int64(2500), w.stored().RefundReserved)
		require.Len(t, w.history().Operations, 1)
		_, err = core.RequestOperation(t.Context(), w.payments, w.refundByHand("r-2", "75.01"))
		var refused *payment.OperationRefusedError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "75.00 USD", refused.Left.String())
		request := w.refundByHand("r-2", "")
		request.OrderID = "unknown-order"
		_, err = core.RequestOperation(t.Context(), w.payments, request)
		require.ErrorIs(t, err, ports.ErrNotFound)
	})
}
