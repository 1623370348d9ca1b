package mysqlstore_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/core/payment"
)

// accepted stores due orders, of which the first has been due the longest.
func accepted(t *testing.T, s *mysqlstore.Payments, n int) {
	t.Helper()
	for i := range n {
		a := request(t, payment.OrderID(fmt.Sprintf("order-%d", i)))
		a.Deferred = true
		_, verdict, err := s.Claim(t.Context(), a)
		require.NoError(t, err)
		require.Equal(t, payment.VerdictAccepted, verdict)
	}
}

func idsOf(due []payment.Decision) []payment.OrderID {
	var ids []payment.OrderID
	for _, d := range due {
		ids = append(ids, d.Payment.OrderID)
	}
	return ids
}

// An unreadable row is postponed, with the reason, and does not block others.
func TestClaimDue_UnreadableRowIsPostponed(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"an unknown currency":          "UPDATE payments SET currency = 'ZZZ' WHERE order_id = 'order-0'",
		"an unknown state":             "UPDATE payments SET state = 'lost' WHERE order_id = 'order-0'",
		"no amount":                    "UPDATE payments SET amount_minor = 0 WHERE order_id = 'order-0'",
		"succeeded without an id":      "UPDATE payments SET state = 'succeeded' WHERE order_id = 'order-0'",
		"a final state, and still due": "UPDATE payments SET state = 'failed' WHERE order_id = 'order-0'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL, db := withRaw(t)
			var log bytes.Buffer
			s := open(t, databaseURL, mysqlstore.Options{Log: slog.New(slog.NewJSONHandler(&log, nil))})
			accepted(t, s, 3)
			execute(t, db, damage)

			_, err := s.Find(t.Context(), "order-0")
			require.ErrorContains(t, err, `read the row of order "order-0"`)
			if strings.Contains(damage, "state =") { // not selected as due work
				for _, work := range []payment.Work{payment.WorkLookups, payment.WorkTakeovers, payment.WorkCharges} {
					due, err := s.ClaimDue(t.Context(), policy(work), 10)
					require.NoError(t, err)
					require.Len(t, due, map[payment.Work]int{payment.WorkCharges: 2}[work])
				}
				return
			}
			due, err := s.ClaimDue(t.Context(), policy(payment.WorkCharges), 2)
			require.NoError(t, err)
			require.Equal(t, []payment.OrderID{"order-1"}, idsOf(due))
			due, err = s.ClaimDue(t.Context(), policy(payment.WorkCharges), 2)
			require.NoError(t, err)
			require.Equal(t, []payment.OrderID{"order-2"}, idsOf(due))
			requirePostponed(t, databaseURL, "read the row of order")
			require.Contains(t, log.String(), `"order_id":"order-0"`)
		})
	}
}

// A row that cannot be written fails the transaction of its batch. The others are claimed one by one,
// and the row is postponed.
func TestClaimDue_UnwritableRowIsPostponed(t *testing.T) {
	t.Parallel()
	databaseURL, db := withRaw(t)
	s := open(t, databaseURL, mysqlstore.Options{Log: slog.New(slog.DiscardHandler)})
	a := request(t, "order-0")
	a.Lease = 0 // a takeover must archive its attempt
	_, _, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
	for _, id := range []payment.OrderID{"order-1", "order-2"} {
		other := request(t, id)
		other.Lease = 0
		_, _, err := s.Claim(t.Context(), other)
		require.NoError(t, err)
	}
	execute(t, db, "INSERT INTO attempts (order_id, number, fence, replica, gateway_key, started_at, class, code, message)"+
		" VALUES ('order-0', 1, 1, 'r', 'k', NOW(6), '', '', 'in the way')")

	due, err := s.ClaimDue(t.Context(), policy(payment.WorkTakeovers), 10)
	require.NoError(t, err)
	require.ElementsMatch(t, []payment.OrderID{"order-1", "order-2"}, idsOf(due), "in the order of the shards, if there are some")
	requirePostponed(t, databaseURL, "Duplicate entry")
	p, err := s.Find(t.Context(), "order-0")
	require.NoError(t, err)
	require.Equal(t, int64(1), p.Fence, "nothing of the failed claim is written")
}

// Neither ClaimDue nor reads wait for row locks.
func TestClaimDue_SkipsLockedRows(t *testing.T) {
	t.Parallel()
	databaseURL, db := withRaw(t)
	s := open(t, databaseURL, mysqlstore.Options{})
	accepted(t, s, 3)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	_, err = tx.ExecContext(t.Context(), "UPDATE payments SET reason = 'held' WHERE order_id = 'order-1'")
	require.NoError(t, err)

	p, err := s.Find(t.Context(), "order-1")
	require.NoError(t, err)
	require.Empty(t, p.Reason)
	_, found, err := s.NextDue(t.Context(), policy(payment.WorkCharges))
	require.NoError(t, err)
	require.True(t, found)
	due, err := s.ClaimDue(t.Context(), policy(payment.WorkCharges), 10)
	require.NoError(t, err)
	require.Equal(t, []payment.OrderID{"order-0", "order-2"}, idsOf(due))
}

// ClaimDue waits for no lock of a payment to claim an operation of it, or a key.
func TestClaimDue_SkipsOperationsOfLockedPayments(t *testing.T) {
	t.Parallel()
	databaseURL, db := withRaw(t)
	s := open(t, databaseURL, mysqlstore.Options{})
	for _, id := range []payment.OrderID{"order-0", "order-1"} {
		p, _, err := s.Claim(t.Context(), request(t, id))
		require.NoError(t, err)
		require.NoError(t, s.Settle(t.Context(), approved(*p)))
		for _, name := range []string{"later", "unknown"} {
			a := refundRequest(t)
			a.OrderID, a.Operation.Name, a.NewKey, a.Deferred = id, name, payment.GatewayKey("key-of-"+name), name == "later"
			r, _, err := s.Claim(t.Context(), a)
			require.NoError(t, err)
			if name == "unknown" {
				failed := approved(*r)
				failed.End.Result = payment.Result{Class: payment.ClassUnknownUnanswered}
				failed.Outcome = payment.Outcome{State: payment.StateUnresolved, DueIn: time.Hour}
				require.NoError(t, s.Settle(t.Context(), failed))
				resolved := payment.Resolution{
					OrderID: id, Operation: a.Operation, By: "ada",
					Outcome: payment.Outcome{State: payment.StateFailed, Code: payment.CodeResolved, Reason: "not on the statement"},
				}
				require.NoError(t, s.Resolve(t.Context(), resolved)) // its key is looked up all the same
			}
		}
	}
	execute(t, db, "UPDATE operation_keys SET due_at = NOW(6)")
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	_, err = tx.ExecContext(t.Context(), "UPDATE payments SET reason = 'held' WHERE order_id = 'order-0'")
	require.NoError(t, err)

	began := time.Now()
	for _, work := range []payment.Work{payment.WorkCharges, payment.WorkLookups} {
		on := policy(work)
		on.Rules = refundRules()
		due, err := s.ClaimDue(t.Context(), on, 10)
		require.NoError(t, err)
		require.Equal(t, []payment.OrderID{"order-1"}, idsOf(due), work)
	}
	const lockWait = 2500 * time.Millisecond // half of the default timeout
	require.Less(t, time.Since(began), 2*lockWait, "a claim that waits for the lock is tried until twice the timeout is over")
}

func TestRelease_MoreThanABatch(t *testing.T) {
	t.Parallel()
	databaseURL, db := withRaw(t)
	s := open(t, databaseURL, mysqlstore.Options{})
	const claims = 501
	for i := range claims {
		_, _, err := s.Claim(t.Context(), request(t, payment.OrderID(fmt.Sprintf("order-%d", i))))
		require.NoError(t, err)
	}
	require.NoError(t, s.Heartbeat(t.Context(), "replica-a"))
	execute(t, db, "UPDATE replicas SET beat_at = beat_at - INTERVAL 1 DAY")
	beats, err := s.Heartbeats(t.Context(), "replica-b")
	require.NoError(t, err)
	require.Len(t, beats, 1)
	require.InDelta(t, 24*time.Hour, beats[0].Age, float64(time.Minute))
	released, err := open(t, databaseURL, mysqlstore.Options{}).Release(t.Context(), beats[0])
	require.NoError(t, err)
	require.True(t, released)
	due, err := s.ClaimDue(t.Context(), policy(payment.WorkTakeovers), claims+1)
	require.NoError(t, err)
	require.Len(t, due, claims)
}

func withRaw(t *testing.T) (string, *sql.DB) {
	t.Helper()
	databaseURL := migrated(t)
	return databaseURL, raw(t, databaseURL)
}

// requirePostponed requires that order-0 is postponed for an hour, with the reason.
func requirePostponed(t *testing.T, databaseURL, reason string) {
	t.Helper()
	var got string
	var minutes int
	require.NoError(t, raw(t, databaseURL).QueryRowContext(t.Context(),
		"SELECT reason, TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(6), due_at) FROM payments WHERE order_id = 'order-0'",
	).Scan(&got, &minutes))
	require.Contains(t, got, "postponed: ")
	require.Contains(t, got, reason)
	require.InDelta(t, 60, minutes, 2)
}
