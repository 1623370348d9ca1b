package mysqlstore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/core/endpoint"
	"paymentd/core/payment"
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
