package portstest

import (
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/ports"
)

// attempts returns the log of attempts of an endpoint, or of one event.
func (e *events) attempts(q ports.AttemptQuery) []endpoint.Attempt {
	e.t.Helper()
	page, err := e.outbox.Attempts(e.t.Context(), q)
	require.NoError(e.t, err)
	return page
}

func logsAttempts(e *events) {
	all, other := e.subscribe("*"), e.subscribe("*")
	require.Empty(e.t, e.attempts(ports.AttemptQuery{Endpoint: all.ID, Limit: 10}))
	e.charged("order-1")
	e.scheduled("order-2")
	attempt := func(answer endpoint.Answer) {
		for _, d := range e.due(all, liveLease) {
			c := d.Complete(answer)
			c.Duration, c.HoldsOrder, c.DueIn = 1500*time.Microsecond, false, 0
			for range 2 { // after a lost answer
				require.NoError(e.t, e.outbox.Complete(e.t.Context(), c))
			}
		}
	}
	attempt(endpoint.Answer{Status: 500, Body: "no\x00 \xff"})
	attempt(endpoint.Answer{Problem: "connection refused"})
	attempt(accepted)
	logged := e.attempts(ports.AttemptQuery{Endpoint: all.ID, Limit: 100})
	perEvent := make(map[payment.ChangeID][]endpoint.Attempt)
	for i, a := range logged {
		require.True(e.t, i == 0 || !a.EndedAt.After(logged[i-1].EndedAt))
		require.Equal(e.t, 1500*time.Microsecond, a.Duration)
		require.Equal(e.t, payment.NewChangeID(a.OrderID, a.Sequence), a.Event)
		perEvent[a.Event] = append(perEvent[a.Event], a)
	}
	require.Len(e.t, perEvent, 3)
	stored := e.stored(all)
	for _, d := range stored {
		of := perEvent[d.Event]
		require.Equal(e.t, of, e.attempts(ports.AttemptQuery{Endpoint: all.ID, Event: d.Event, Limit: endpoint.MaxLoggedAttempts}))
		require.WithinDuration(e.t, d.AttemptedAt, of[0].EndedAt, 10*time.Second)
		require.Equal(e.t, d.Type, of[0].Type)
		require.Equal(e.t, d.Fence, of[0].Number)
		require.Equal(e.t, accepted, of[0].Answer)
	}
	first := perEvent[stored[0].Event]
	require.Len(e.t, first, 3)
	require.Equal(e.t, "connection refused", first[1].Answer.Problem)
	require.Equal(e.t, endpoint.Answer{Status: 500, Body: "no  ?"}, first[2].Answer)

	var paged []endpoint.Attempt
	q := ports.AttemptQuery{Endpoint: all.ID, Limit: 2}
	for {
		page := e.attempts(q)
		if paged = append(paged, page...); len(page) < q.Limit {
			break
		}
		q.After = ports.CursorOf(page[len(page)-1])
	}
	require.Equal(e.t, logged, paged)
	require.Empty(e.t, e.attempts(ports.AttemptQuery{Endpoint: other.ID, Limit: 10}))
	require.Empty(e.t, e.attempts(ports.AttemptQuery{Endpoint: other.ID, Event: stored[0].Event, Limit: 10}))
	require.Empty(e.t, e.attempts(ports.AttemptQuery{Endpoint: all.ID, Event: payment.NewChangeID("order-9", stored[0].Sequence), Limit: 10}))
}

func boundsAttempts(e *events) {
	all := e.subscribe("*")
	e.scheduled("order-1")
	e.scheduled("order-2")
	const attempts = endpoint.MaxLoggedAttempts + 2
	for range attempts {
		for _, d := range e.due(all, liveLease) {
			c := d.Complete(refused)
			c.Outcome, c.DueIn = endpoint.OutcomeWaiting, 0
			if d.OrderID == "order-2" {
				c = d.Complete(accepted)
			}
			require.NoError(e.t, e.outbox.Complete(e.t.Context(), c))
		}
	}
	stored := e.stored(all)
	logged := e.attempts(ports.AttemptQuery{Endpoint: all.ID, Event: stored[0].Event, Limit: 1000})
	require.Len(e.t, logged, endpoint.MaxLoggedAttempts)
	require.EqualValues(e.t, attempts, logged[0].Number)
	require.Len(e.t, e.attempts(ports.AttemptQuery{Endpoint: all.ID, Limit: 1000}), endpoint.MaxLoggedAttempts+1)

	// With the first event, its attempts are deleted, and not those of the second.
	_, err := e.outbox.Prune(e.t.Context(), all.ID, time.UnixMicro(stored[1].Sequence), 10)
	require.NoError(e.t, err)
	logged = e.attempts(ports.AttemptQuery{Endpoint: all.ID, Limit: 1000})
	require.Len(e.t, logged, 1)
	require.Equal(e.t, stored[1].Event, logged[0].Event)
}
