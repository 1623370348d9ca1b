package portstest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// WaitingPayments is a repository of payments that lists the operations which wait.
type WaitingPayments interface {
	ports.Payments
	ports.WaitingOperations
}

// Waiting checks that a repository keeps the contract of ports.WaitingOperations. open returns a new, empty
// repository, and registers its removal with t.Cleanup.
func Waiting(t *testing.T, open func(t testing.TB) WaitingPayments) {
	t.Helper()
	for name, check := range map[string]func(*repository, ports.WaitingOperations){
		"operations that are not final, the longest due first": listsWaiting,
		"at most as many as were asked for":                    limitsWaiting,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			check(&repository{Payments: s, t: t}, s)
		})
	}
}

func listsWaiting(r *repository, w ports.WaitingOperations) {
	page, err := w.ListWaitingOperations(r.t.Context(), 10)
	require.NoError(r.t, err)
	require.Empty(r.t, page)

	var want []payment.Ref
	for _, state := range operationStates() {
		id := payment.OrderID("order-" + state)
		r.charged(id)
		if p := r.refundInState(state, id, "r-1", "25"); !p.State.Final() {
			want = append(want, p.Ref())
		}
	}
	r.inState(payment.StateUnresolved, "order-of-a-payment")

	page, err = w.ListWaitingOperations(r.t.Context(), 10)
	require.NoError(r.t, err)
	require.Empty(r.t, page.Unreadable)
	var got []payment.Ref
	before := time.Time{}
	for _, p := range page.Operations {
		got = append(got, p.Ref())
		require.False(r.t, p.DueAt.Before(before), "the longest due first")
		before = p.DueAt
		require.False(r.t, p.SeenAt.IsZero())
		requireSame(r.t, r.stored(p.Ref()), p)
	}
	require.ElementsMatch(r.t, want, got)
}

// namesOperator is a clause about refunds that operators ask for.
func namesOperator(r *repository) {
	r.charged("order-1")
	for name, verdict := range map[string]payment.Verdict{"r-1": payment.VerdictClaimed, "r-2": payment.VerdictAccepted} {
		request := r.refundRequest("order-1", name, "1")
		request.Deferred, request.By = verdict == payment.VerdictAccepted, "ada"
		p := r.claim(request, verdict)
		require.Equal(r.t, 1, p.Events)
		events := r.operation(p.Ref()).Events
		require.Len(r.t, events, 1)
		require.Equal(r.t, payment.EventScheduled, events[0].Kind)
		require.Equal(r.t, "ada", events[0].Replica)
		require.Equal(r.t, "requested by an operator: damaged in transit", events[0].Detail)
		require.Equal(r.t, p.CreatedAt, events[0].At)
	}
}

func limitsWaiting(r *repository, w ports.WaitingOperations) {
	r.charged("order-1")
	for _, name := range []string{"r-1", "r-2", "r-3"} {
		r.claim(r.deferredRefund("order-1", name, "5"), payment.VerdictAccepted)
	}
	for _, limit := range []int{0, 1, 2, 3, 4} {
		page, err := w.ListWaitingOperations(r.t.Context(), limit)
		require.NoError(r.t, err)
		require.Len(r.t, page.Operations, min(limit, 3))
	}
}
