package portstest

import (
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/ports"
)

func listsDeliveries(e *events) {
	all := e.subscribe("*")
	for _, id := range []payment.OrderID{"order-1", "order-2", "order-3"} {
		e.charged(id)
	}
	var listed []endpoint.Delivery
	q := ports.DeliveryQuery{Endpoint: all.ID, Limit: 2}
	for {
		page, err := e.outbox.Deliveries(e.t.Context(), q)
		require.NoError(e.t, err)
		if listed = append(listed, page...); len(page) < q.Limit {
			break
		}
		q.Before, q.BeforeOrder = page[1].Sequence, page[1].OrderID
	}
	require.Len(e.t, listed, 6)
	for i := 1; i < len(listed); i++ {
		require.GreaterOrEqual(e.t, listed[i-1].Sequence, listed[i].Sequence)
		require.Nil(e.t, listed[i].Payload)
	}
	e.complete(e.due(all, liveLease)[0], accepted)
	delivered := endpoint.OutcomeDelivered
	page, err := e.outbox.Deliveries(e.t.Context(), ports.DeliveryQuery{Endpoint: all.ID, Limit: 10, Outcome: &delivered})
	require.NoError(e.t, err)
	require.Len(e.t, page, 1)
}

func replaysEvents(e *events) {
	all, other := e.subscribe("*"), e.subscribe("*")
	e.scheduled("order-1")
	e.scheduled("order-2")
	deliver := func() (delivered []payment.ChangeID) {
		for _, d := range e.due(all, liveLease) {
			e.complete(d, accepted)
			delivered = append(delivered, d.Event)
		}
		return delivered
	}
	require.Len(e.t, deliver(), 2)
	first := e.stored(all)[0]
	replay := func(q ports.ReplayQuery) int {
		q.Endpoint = all.ID
		n, next, err := e.outbox.Replay(e.t.Context(), q)
		require.NoError(e.t, err)
		require.Zero(e.t, next)
		return n
	}
	require.Equal(e.t, 1, replay(ports.ReplayQuery{Event: first.Event}))
	require.Equal(e.t, []payment.ChangeID{first.Event}, deliver(), "with the same id")
	require.Equal(e.t, 2, replay(ports.ReplayQuery{Since: first.CreatedAt.Add(-time.Hour)}))
	require.Len(e.t, deliver(), 2)
	require.Zero(e.t, replay(ports.ReplayQuery{Since: first.CreatedAt.Add(-time.Hour), Undelivered: true}))
	require.Zero(e.t, replay(ports.ReplayQuery{Since: first.CreatedAt.Add(time.Hour)}))
	require.Zero(e.t, replay(ports.ReplayQuery{Event: payment.NewChangeID("order-9", first.Sequence)}))
	require.Len(e.t, e.due(other, liveLease), 2, "of the other endpoint, nothing was replayed")
}

func prunesEvents(e *events) {
	all, other := e.subscribe("*"), e.subscribe("*")
	e.scheduled("order-1")
	e.scheduled("order-2")
	last := e.stored(all)[1].Sequence
	prune := func(before int64, limit int) int {
		n, err := e.outbox.Prune(e.t.Context(), all.ID, time.UnixMicro(before), limit)
		require.NoError(e.t, err)
		return n
	}
	require.Equal(e.t, 1, prune(last, 10))
	require.Len(e.t, e.stored(all), 1)
	require.Equal(e.t, 1, prune(last+1, 10))
	require.Zero(e.t, prune(last+1, 10))
	require.Empty(e.t, e.stored(all))
	require.Len(e.t, e.stored(other), 2)
}

func countsWaiting(e *events) {
	all := e.subscribe("*")
	n, oldest, err := e.outbox.Waiting(e.t.Context(), all.ID)
	require.NoError(e.t, err)
	require.Zero(e.t, n)
	require.Zero(e.t, oldest)
	e.scheduled("order-1")
	e.scheduled("order-2")
	e.complete(e.due(all, liveLease)[0], accepted)
	n, oldest, err = e.outbox.Waiting(e.t.Context(), all.ID)
	require.NoError(e.t, err)
	require.Equal(e.t, 1, n)
	require.GreaterOrEqual(e.t, oldest, time.Duration(0))
}
