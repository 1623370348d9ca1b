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
	"paymentd/core/endpoint"
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

// On Vitess, no transaction of a payment, a refund, a hold or their events spans shards, and due payments are claimed in
// one for each shard: VTGate refuses others in the transaction mode SINGLE.
func TestTransactions_OfOneShard(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, "it has no shards", mysqltest.MySQL, mysqltest.TiDB)
	s := onOneConnection(t)
	require.NoError(t, s.Endpoints().Create(t.Context(), endpoint.New("https://shop.example/", endpoint.Patterns{"*"})))
	_, err := s.db.ExecContext(t.Context(), "SET transaction_mode = 'SINGLE'")
	require.NoError(t, err)
	topology, err := s.known(t.Context())
	require.NoError(t, err)
	var deferred []payment.OrderID
	for n := range 16 {
		id := payment.OrderID(fmt.Sprintf("order-%d", n))
		succeed(t, s, id)
		refund, _, err := s.Claim(t.Context(), refundRequest(t, id, "r-1"))
		require.NoError(t, err)
		require.NoError(t, s.Settle(t.Context(), approved(*refund)))
		hold(t, s, "held-"+id)
		later := request(t, "deferred-"+id)
		later.Deferred, later.Async = true, true
		_, _, err = s.Claim(t.Context(), later)
		require.NoError(t, err)
		deferred = append(deferred, later.OrderID)
	}
	require.Len(t, topology.claimedTogether(deferred), topology.shards(), "each shard has one of these orders")
	due, err := s.ClaimDue(t.Context(), payment.PickUpPolicy{
		Work: payment.WorkCharges, Replica: "replica-q", Rules: rules, Worker: micros(time.Now()),
	}, len(deferred))
	require.NoError(t, err)
	require.Len(t, due, len(deferred))
	for _, d := range due {
		require.NoError(t, s.Renew(t.Context(), payment.Renewal{
			ClaimRef: d.Payment.ClaimRef(), Next: true, Lease: time.Hour,
			End: payment.AttemptEnd{Result: payment.Result{Class: payment.ClassNotCharged}},
		}))
	}
	require.Positive(t, rowsOfOutbox(t, s))
	requireRefused(t, s, deferred)
}

// hold holds the money of an order and captures it.
func hold(t *testing.T, s *Payments, id payment.OrderID) {
	t.Helper()
	a := request(t, id)
	a.Capture = payment.CaptureManual
	a.Rules.Operations |= payment.OperationCapture | payment.OperationVoid
	held, _, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
	settlement := approved(*held)
	settlement.End.Class, settlement.Outcome.State = payment.ClassAuthorized, payment.StateAuthorized
	require.NoError(t, s.Settle(t.Context(), settlement))
	a = request(t, id)
	a.Operation, a.Money = payment.OperationID{Kind: payment.KindCapture}, payment.Money{}
	a.Rules.Operations |= payment.OperationCapture | payment.OperationVoid
	a.NewKey = "capture-of-" + a.NewKey
	capture, verdict, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
	require.NoError(t, s.Settle(t.Context(), approved(*capture)))
	p, err := s.Find(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, payment.StateSucceeded, p.State)
}

// requireRefused requires that one transaction cannot change payments of all shards.
func requireRefused(t *testing.T, s *Payments, orders []payment.OrderID) {
	t.Helper()
	err := s.write(t.Context(), func(ctx context.Context, conn *sql.Conn) error {
		return transact(ctx, conn, func(q *queries.Queries) error {
			for _, id := range orders {
				if err := q.DeleteEvents(ctx, queries.DeleteEventsParams{OrderID: id}); err != nil { // of which there are none
					return err
				}
			}
			return nil
		})
	})
	if topology := s.topology.Load(); topology.shards() > 1 {
		require.ErrorContains(t, err, "multi-db transaction attempted")
		return
	}
	require.NoError(t, err)
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
