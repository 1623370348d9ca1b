package portstest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// OperatedPayments is a repository of payments that operators read and act on.
type OperatedPayments interface {
	ports.Payments
	ports.Operators
}

// Operators checks that a repository keeps the contract of ports.Operators. open returns a new, empty repository,
// and registers its removal with t.Cleanup.
func Operators(t *testing.T, open func(t testing.TB) OperatedPayments) {
	t.Helper()
	for name, check := range map[string]func(*repository, ports.Operators){
		"an expedited payment is due now":           expedites,
		"an expedited refund is due now":            expeditesRefund,
		"payments that are not expedited unchanged": refusesToExpedite,
		"waiting payments in pages":                 pagesWaiting,
		"waiting payments of one state":             listsOneState,
		"orders by the beginning of their ids":      searchesOrders,
		"operations by their names":                 searchesOperations,
		"orders by gateway keys":                    searchesKeys,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			check(&repository{Payments: s, t: t}, s)
		})
	}
}

func expedites(r *repository, o ports.Operators) {
	p := r.claim(r.claimRequest("order-1"), payment.VerdictClaimed)
	p = r.settle(p, resultFor(payment.StateUnresolved), payment.Outcome{State: payment.StateUnresolved, Reason: "unknown", DueIn: time.Hour})
	require.NoError(r.t, o.Expedite(r.t.Context(), payment.Expedite{OrderID: "order-1", By: "ada", Rules: rules(), Worker: plainTime(time.Now())}))
	h := r.history("order-1")
	require.False(r.t, h.Payment.DueAt.After(p.DueAt.Add(-time.Minute)))
	require.Equal(r.t, p.Fence+1, h.Payment.Fence)
	require.Len(r.t, h.Events, 1)
	require.Equal(r.t, payment.EventExpedited, h.Events[0].Kind)
	require.Equal(r.t, "ada", h.Events[0].Replica)
	require.Equal(r.t, "was unresolved and due in 1h0m0s; look up now", h.Events[0].Detail)

	require.NoError(r.t, o.Expedite(r.t.Context(), payment.Expedite{OrderID: "order-1", Retry: true, By: "bo", Rules: rules(), Worker: plainTime(time.Now())}))
	h = r.history("order-1")
	require.Equal(r.t, payment.StateScheduled, h.Payment.State)
	require.Len(r.t, h.Attempts, 1, "the attempt is kept")
	require.Equal(r.t, p.GatewayKey, h.Payment.GatewayKey)
	require.Len(r.t, r.pickUp(r.pickUpPolicy(payment.WorkCharges), 10), 1)
}

func expeditesRefund(r *repository, o ports.Operators) {
	r.charged("order-1")
	p := r.refundInState(payment.StateUnresolved, "order-1", "r-1", "25")
	before := r.find("order-1")
	require.NoError(r.t, o.Expedite(r.t.Context(), payment.Expedite{
		OrderID: "order-1", Operation: p.Operation, By: "ada", Rules: rules(), Worker: plainTime(time.Now()),
	}))
	events := r.operation(p.Ref()).Events
	require.Equal(r.t, payment.EventExpedited, events[len(events)-1].Kind)
	require.Equal(r.t, before.RefundReserved, r.find("order-1").RefundReserved)
}

func refusesToExpedite(r *repository, o ports.Operators) {
	require.ErrorIs(r.t, o.Expedite(r.t.Context(), payment.Expedite{OrderID: "unknown", By: "ada", Rules: rules()}), ports.ErrNotFound)
	r.charged("order-1")
	before := r.history("order-1")
	err := o.Expedite(r.t.Context(), payment.Expedite{OrderID: "order-1", By: "ada", Rules: rules()})
	var refused *payment.NotExpeditedError
	require.ErrorAs(r.t, err, &refused)
	require.Equal(r.t, before, r.history("order-1"))
}

func pagesWaiting(r *repository, o ports.Operators) {
	want := map[payment.OrderID]bool{}
	for _, id := range []payment.OrderID{"a", "b", "c", "d", "e", "f", "g"} {
		r.inState(payment.StateUnresolved, id)
		want[id] = true
	}
	for _, limit := range []int{1, 2, 3, 7, 10} {
		seen, after := map[payment.OrderID]bool{}, ports.WaitingCursor{}
		var last payment.Payment
		for range 10 {
			page, err := o.ListWaiting(r.t.Context(), ports.WaitingQuery{State: payment.StateUnresolved, After: after, Limit: limit})
			require.NoError(r.t, err)
			require.Empty(r.t, page.Unreadable)
			require.LessOrEqual(r.t, len(page.Payments), limit)
			for _, p := range page.Payments {
				require.False(r.t, seen[p.OrderID], "each once")
				require.False(r.t, p.DueAt.Before(last.DueAt), "by due time")
				require.False(r.t, p.SeenAt.IsZero())
				seen[p.OrderID], last = true, p
			}
			if after = page.Next; after == (ports.WaitingCursor{}) {
				break
			}
		}
		require.Equal(r.t, want, seen, "limit %d", limit)
	}
	page, err := o.ListWaiting(r.t.Context(), ports.WaitingQuery{State: payment.StateUnresolved})
	require.NoError(r.t, err)
	require.Empty(r.t, page)
}

func listsOneState(r *repository, o ports.Operators) {
	for _, state := range payment.States() {
		if state != payment.StatePending && state != payment.StateAuthorized && state != payment.StateVoided {
			r.inState(state, payment.OrderID("order-"+state))
		}
	}
	for _, state := range []payment.State{payment.StateProcessing, payment.StateScheduled, payment.StateUnresolved, payment.StateSucceeded} {
		page, err := o.ListWaiting(r.t.Context(), ports.WaitingQuery{State: state, Limit: 10})
		require.NoError(r.t, err)
		if state.Final() {
			require.Empty(r.t, page.Payments)
			continue
		}
		require.Len(r.t, page.Payments, 1)
		requireSame(r.t, r.find(payment.OrderID("order-"+state)), page.Payments[0])
	}
}

func searchesOrders(r *repository, o ports.Operators) {
	for _, id := range []payment.OrderID{"shop-1", "shop-10", "shop-2", "Shop-1", "shop-1%", "shoq", "~", "_"} {
		r.inState(payment.StateScheduled, id)
	}
	for beginning, want := range map[string][]payment.OrderID{
		"shop-1": {"shop-1", "shop-1%", "shop-10"}, "shop-1%": {"shop-1%"}, "shop": {"shop-1", "shop-1%", "shop-10", "shop-2"},
		"S": {"Shop-1"}, "~": {"~"}, "%": nil, "_": {"_"}, "zzz": nil,
	} {
		found, err := o.SearchOrders(r.t.Context(), beginning, 10)
		require.NoError(r.t, err)
		require.ElementsMatch(r.t, want, found, beginning)
	}
	found, err := o.SearchOrders(r.t.Context(), "shop-1", 1)
	require.NoError(r.t, err)
	require.Equal(r.t, []payment.OrderID{"shop-1"}, found)
}

func searchesOperations(r *repository, o ports.Operators) {
	for _, id := range []payment.OrderID{"order-1", "order-2"} {
		r.charged(id)
		r.refund(id, "r-1", "5")
	}
	r.refund("order-2", "r-2", "5")
	found, err := o.SearchOperations(r.t.Context(), "r-1", 10)
	require.NoError(r.t, err)
	refund := payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}
	require.Equal(r.t, []payment.Ref{{OrderID: "order-1", Operation: refund}, {OrderID: "order-2", Operation: refund}}, found)
	found, err = o.SearchOperations(r.t.Context(), "r-1", 1)
	require.NoError(r.t, err)
	require.Len(r.t, found, 1)
	found, err = o.SearchOperations(r.t.Context(), "r", 10)
	require.NoError(r.t, err)
	require.Empty(r.t, found)
}

func searchesKeys(r *repository, o ports.Operators) {
	first, second := r.inState(payment.StateSucceeded, "order-1"), r.inState(payment.StateSucceeded, "order-2")
	search := func(q ports.KeyQuery) []payment.OrderID {
		found, err := o.SearchKeys(r.t.Context(), q)
		require.NoError(r.t, err)
		return found
	}
	from, before := first.CreatedAt, second.CreatedAt.Add(time.Second)
	require.Equal(r.t, []payment.OrderID{"order-1"}, search(ports.KeyQuery{Key: first.GatewayKey, CreatedFrom: from, CreatedBefore: before, Examined: 10, Limit: 10}))
	require.Equal(r.t, []payment.OrderID{"order-2"}, search(ports.KeyQuery{Key: second.GatewayKey, CreatedFrom: from, CreatedBefore: before, Examined: 10, Limit: 10}))
	require.Empty(r.t, search(ports.KeyQuery{Key: second.GatewayKey, CreatedFrom: from, CreatedBefore: before, Examined: 1, Limit: 10}), "examines no more")
	require.Empty(r.t, search(ports.KeyQuery{Key: first.GatewayKey, Examined: 10, Limit: 10}), "its time is not within the bounds")
	require.Empty(r.t, search(ports.KeyQuery{Key: "unknown", CreatedFrom: from, CreatedBefore: before, Examined: 10, Limit: 10}))

	// A declined key has a record once a new one replaced it.
	declined := r.inState(payment.StateDeclined, "order-3")
	p := r.claim(r.claimRequest("order-3"), payment.VerdictClaimed)
	require.NotEqual(r.t, declined.GatewayKey, p.GatewayKey)
	if len(r.history("order-3").Keys) > 0 {
		require.Equal(r.t, []payment.OrderID{"order-3"}, search(ports.KeyQuery{Key: declined.GatewayKey, Examined: 0, Limit: 10}))
	}
}
