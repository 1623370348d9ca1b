package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/core/payment"
)

// vexplain runs each statement, and records the shards that VTGate sends it to.
type vexplain struct {
	*sql.DB

	t      *testing.T
	shards map[string]bool
}

// executed is the result of a statement, without the figures of the server.
type executed struct{}

func (executed) LastInsertId() (int64, error) { return 0, nil }
func (executed) RowsAffected() (int64, error) { return 0, nil }

func (v *vexplain) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	rows, err := v.QueryContext(ctx, "VEXPLAIN /*vt+ EXECUTE_DML_QUERIES */ QUERIES "+statement, args...)
	require.NoError(v.t, err)
	defer func() { require.NoError(v.t, rows.Close()) }()
	for rows.Next() {
		var number, keyspace, shard, query string
		require.NoError(v.t, rows.Scan(&number, &keyspace, &shard, &query))
		v.shards[shard] = true
	}
	return executed{}, rows.Err()
}

// On Vitess, the two statements of a payment that succeeds at once, and those of a batch of one shard, go to
// one shard each.
func TestStatements_OfOneShard(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, "it has no shards", mysqltest.MySQL, mysqltest.TiDB)
	s := onOneConnection(t)
	topology, err := s.known(t.Context())
	require.NoError(t, err)
	var orders []payment.OrderID
	for n := range 20 {
		orders = append(orders, payment.OrderID(fmt.Sprintf("order-%d", n)))
	}
	groups := topology.claimedTogether(orders)
	require.Len(t, groups, topology.shards(), "each shard has one of these orders")
	used := make(map[string]bool)
	for _, group := range groups {
		require.Greater(t, len(group), 1)
		for _, part := range [][]payment.OrderID{group[:1], group[1:]} {
			v := &vexplain{DB: s.db, t: t, shards: make(map[string]bool)}
			requireStatements(t, s, v, part)
			require.Len(t, v.shards, 1, "the statements for %v", part)
			for shard := range v.shards {
				used[shard] = true
			}
		}
	}
	require.Len(t, used, topology.shards())
}

// requireStatements inserts and settles payments, one with the statements of one row.
func requireStatements(t *testing.T, s *Payments, v *vexplain, orders []payment.OrderID) {
	t.Helper()
	var inserts []queries.InsertPaymentParams
	for _, order := range orders {
		inserts = append(inserts, newInsertClaim(request(t, order)).row())
	}
	var err error
	if len(orders) == 1 {
		_, err = queries.New(v).InsertPayment(t.Context(), inserts[0])
	} else {
		_, err = insertPayments(t.Context(), v, inserts)
	}
	require.NoError(t, err)
	var settlements []queries.SettlePaymentParams
	for _, order := range orders {
		p, err := s.Find(t.Context(), order)
		require.NoError(t, err)
		row, ok := toFastSettle(approved(p))
		require.True(t, ok)
		settlements = append(settlements, row)
	}
	if len(orders) == 1 {
		_, err = queries.New(v).SettlePayment(t.Context(), settlements[0])
	} else {
		_, err = settlePayments(t.Context(), v, settlements)
	}
	require.NoError(t, err)
	for _, order := range orders {
		p, err := s.Find(t.Context(), order)
		require.NoError(t, err)
		require.Equal(t, payment.StateSucceeded, p.State)
		require.WithinDuration(t, time.Now(), p.UpdatedAt, time.Minute)
	}
}
