package mysqlstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/ports"
)

// An endpoint costs a payment nothing unless it receives events of its changes: a success is the same two statements,
// and no row of the outbox.
func TestStatements_OfEventsThatNoEndpointReceives(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, noCounters, mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	require.NoError(t, s.Endpoints().Create(t.Context(), endpoint.New("https://shop.example/", endpoint.Patterns{"refund.*"})))
	off := endpoint.New("https://shop.example/", endpoint.Patterns{"*"})
	require.NoError(t, s.Endpoints().Create(t.Context(), off))
	_, err := s.Endpoints().Change(t.Context(), off.ID, endpoint.Change{State: endpoint.StateDisabled})
	require.NoError(t, err)
	requireCount(t, s, map[string]int{"Questions": 2, "Com_insert": 1, "Com_update": 1}, func() { succeed(t, s, "order-1") })
	require.Zero(t, rowsOfOutbox(t, s))
}

// With a subscriber of the outcome only, the claim is one statement, and the settlement a transaction that inserts the
// event: begin (2), lock, update, latest event, time to wait, insert, commit.
func TestStatements_OfAnEvent(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, noCounters, mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	require.NoError(t, s.Endpoints().Create(t.Context(), endpoint.New("https://shop.example/", endpoint.Patterns{"payment.succeeded"})))
	requireCount(t, s, map[string]int{
		"Questions": 9, "Com_begin": 1, "Com_commit": 1, "Com_select": 3, "Com_insert": 2, "Com_update": 1,
	}, func() { succeed(t, s, "order-1") })
	require.Equal(t, 1, rowsOfOutbox(t, s))
}

// succeed charges an order at once.
func succeed(t *testing.T, s *Payments, id payment.OrderID) {
	t.Helper()
	p, verdict, err := s.Claim(t.Context(), request(t, id))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
	require.NoError(t, s.Settle(t.Context(), approved(*p)))
}

func rowsOfOutbox(t *testing.T, s *Payments) (n int) {
	t.Helper()
	require.NoError(t, s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM outbox").Scan(&n))
	return n
}

// The log of attempts costs each attempt one statement: the end of the attempt, and its entry.
func TestStatements_OfAnAttempt(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, noCounters, mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	e := endpoint.New("https://shop.example/", endpoint.Patterns{"payment.succeeded"})
	require.NoError(t, s.Endpoints().Create(t.Context(), e))
	succeed(t, s, "order-1")
	claimed, err := s.Outbox().ClaimDeliveries(t.Context(), e.ID, 1, time.Minute)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	requireCount(t, s, map[string]int{"Questions": 2, "Com_insert": 1, "Com_update": 1}, func() {
		require.NoError(t, s.Outbox().Complete(t.Context(), claimed[0].Complete(endpoint.Answer{Status: 200})))
	})
}

// The version before deletes old events and does not know the log: what it leaves behind is deleted.
func TestPrune_DeletesAttemptsWithoutEvent(t *testing.T) {
	t.Parallel()
	s := onOneConnection(t)
	e := endpoint.New("https://shop.example/", endpoint.Patterns{"payment.succeeded"})
	require.NoError(t, s.Endpoints().Create(t.Context(), e))
	succeed(t, s, "order-1")
	claimed, err := s.Outbox().ClaimDeliveries(t.Context(), e.ID, 1, time.Minute)
	require.NoError(t, err)
	require.NoError(t, s.Outbox().Complete(t.Context(), claimed[0].Complete(endpoint.Answer{Status: 200})))
	_, err = s.db.ExecContext(t.Context(), "DELETE FROM outbox")
	require.NoError(t, err)
	left := func() int {
		page, err := s.Outbox().Attempts(t.Context(), ports.AttemptQuery{Endpoint: e.ID, Limit: 10})
		require.NoError(t, err)
		return len(page)
	}
	_, err = s.Outbox().Prune(t.Context(), e.ID, time.Now().Add(-time.Hour), 10)
	require.NoError(t, err)
	require.Equal(t, 1, left(), "it is not old")
	_, err = s.Outbox().Prune(t.Context(), e.ID, time.Now().Add(time.Hour), 10)
	require.NoError(t, err)
	require.Zero(t, left())
}
