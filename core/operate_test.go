package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// operated returns the use cases of operators of a new replica whose queue does not run.
func operated(w *world) *core.Operator {
	return core.NewOperator(w.replica("replica-o").Service, w.payments)
}

func TestOperator_AsksAndStoresNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		o := operated(w)
		_, err := o.Process(t.Context(), core.Request{OrderID: order, Money: money("100", "USD")})
		require.NoError(t, err)
		before := w.history()
		found, err := o.Ask(t.Context(), before, before.Payment.GatewayKey)
		require.NoError(t, err)
		require.Equal(t, payment.FoundApproved, found.Result)
		_, err = o.Ask(t.Context(), before, "another key")
		require.ErrorIs(t, err, core.ErrUnknownKey)
		require.Equal(t, before, w.history())
		require.Contains(t, o.Explain(before).Reasons[0].Text, "recorded with its transaction")
		p, err := o.Find(t.Context(), payment.Ref{OrderID: order})
		require.NoError(t, err)
		require.Equal(t, payment.StateSucceeded, p.State)
	})
}

func TestOperator_ActsAreInTheHistory(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		o := operated(w)
		ref := payment.Ref{OrderID: order}
		var refused *payment.FieldError
		require.ErrorAs(t, o.Expedite(t.Context(), ref, false, ""), &refused)
		require.ErrorIs(t, o.Expedite(t.Context(), ref, false, "ada"), ports.ErrNotFound)
		_, err := o.Process(t.Context(), core.Request{OrderID: order, Money: money("100", "USD")})
		require.NoError(t, err)
		require.Equal(t, payment.StateUnresolved, w.stored().State)
		require.NoError(t, o.Expedite(t.Context(), ref, false, "ada"))
		require.NoError(t, o.Resolve(t.Context(), ref, payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-9"}, "bo"))
		refund := payment.Ref{OrderID: order, Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}}
		_, err = o.RequestOperation(t.Context(), refund, money("5", "USD"), "broken", "cy")
		require.NoError(t, err)
		h := w.history()
		require.Equal(t, "ada", h.Events[0].Replica)
		require.Equal(t, payment.EventExpedited, h.Events[0].Kind)
		require.Equal(t, "bo", h.Events[1].Replica)
		require.Equal(t, "cy", h.Operations[0].Events[0].Replica)
		waiting, err := o.WaitingOperations(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, waiting.Operations, 1)
	}, fake.Timeout(), fake.Timeout(), fake.Timeout(), fake.Timeout())
}

// Payments of several states are merged by their due times, each once, for pages of any size.
func TestOperator_WaitingMergesStates(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		o := operated(w)
		for i := range 12 {
			id := payment.OrderID(fmt.Sprintf("order-%02d", i))
			if i%3 == 0 {
				_, err := o.Process(t.Context(), core.Request{OrderID: id, Money: money("5", "USD"), Async: true})
				require.NoError(t, err)
				continue
			}
			w.gateway.Script(id, fake.Timeout(), fake.Timeout(), fake.Timeout(), fake.Timeout())
			_, err := o.Process(t.Context(), core.Request{OrderID: id, Money: money("5", "USD")})
			require.NoError(t, err)
		}
		for _, limit := range []int{1, 2, 5, 12, 50} {
			seen, f := map[payment.OrderID]bool{}, core.WaitingFilter{Limit: limit}
			var last time.Time
			for range 50 {
				page, err := o.Waiting(t.Context(), f)
				require.NoError(t, err)
				require.LessOrEqual(t, len(page.Payments), limit)
				for _, p := range page.Payments {
					require.False(t, seen[p.OrderID], "each once")
					require.False(t, p.DueAt.Before(last))
					seen[p.OrderID], last = true, p.DueAt
				}
				if f.After = page.Next; f.After.DueAt.IsZero() {
					break
				}
			}
			require.Len(t, seen, 12, "limit %d", limit)
		}
		for want, f := range map[int]core.WaitingFilter{
			4: {States: []payment.State{payment.StateScheduled}}, 8: {States: []payment.State{payment.StateUnresolved}},
			0: {Quarantined: true},
		} {
			f.Limit = 50
			page, err := o.Waiting(t.Context(), f)
			require.NoError(t, err)
			require.Len(t, page.Payments, want)
		}
		for _, f := range []core.WaitingFilter{{Gateway: "other", Limit: 9}, {OlderThan: 24 * time.Hour, Limit: 9}} {
			page, err := o.Waiting(t.Context(), f)
			require.NoError(t, err)
			require.Empty(t, page.Payments)
		}
	})
}

func TestOperator_SearchFindsAKeyByItsTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		key := fmt.Sprintf("%08x-%04x-7000-8000-000000000001", time.Now().UnixMilli()>>16, time.Now().UnixMilli()&0xffff)
		o := core.NewOperator(w.replica("replica-o", func(s *core.Settings) {
			s.NewKey = func() payment.GatewayKey { return payment.GatewayKey(key) }
		}).Service, w.payments)
		_, err := o.Process(t.Context(), core.Request{OrderID: order, Money: money("100", "USD")})
		require.NoError(t, err)
		for text, orders := range map[string]int{string(order): 1, "order": 1, "other": 0} {
			found, err := o.Search(t.Context(), text)
			require.NoError(t, err)
			require.Len(t, found.Orders, orders)
			require.Empty(t, found.Keys)
		}
		found, err := o.Search(t.Context(), key)
		require.NoError(t, err)
		require.Len(t, found.Keys, 1)
		require.Equal(t, order, found.Keys[0].OrderID)
		for _, other := range []string{"x", key[:35] + "2", key[:14] + "4" + key[15:], key + "0"} {
			found, err := o.Search(t.Context(), other)
			require.NoError(t, err)
			require.Empty(t, found.Keys, other)
		}
	})
}
