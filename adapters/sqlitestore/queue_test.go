package sqlitestore_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sqlitestore"
	"paymentd/core/payment"
)

// accepted stores due orders, of which the first has been due the longest.
func accepted(t *testing.T, s *sqlitestore.Payments, n int) {
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
			databaseURL := migrated(t)
			var log bytes.Buffer
			s := open(t, databaseURL, sqlitestore.Options{Log: slog.New(slog.NewJSONHandler(&log, nil))})
			accepted(t, s, 3)
			execute(t, raw(t, databaseURL), damage)

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
	databaseURL := migrated(t)
	s := open(t, databaseURL, sqlitestore.Options{Log: slog.New(slog.DiscardHandler)})
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
	execute(t, raw(t, databaseURL),
		"INSERT INTO attempts (order_id, number, fence, replica, gateway_key, started_at, class, code, message)"+
			" VALUES ('order-0', 1, 1, 'r', 'k', 0, '', '', 'in the way')")

	due, err := s.ClaimDue(t.Context(), policy(payment.WorkTakeovers), 10)
	require.NoError(t, err)
	require.Equal(t, []payment.OrderID{"order-1", "order-2"}, idsOf(due))
	requirePostponed(t, databaseURL, "constraint failed")
	p, err := s.Find(t.Context(), "order-0")
	require.NoError(t, err)
	require.Equal(t, int64(1), p.Fence, "nothing of the failed claim is written")
}

// requirePostponed requires that order-0 is postponed for an hour, with the reason.
func requirePostponed(t *testing.T, databaseURL, reason string) {
	t.Helper()
	var got string
	var dueAt int64
	require.NoError(t, raw(t, databaseURL).QueryRowContext(t.Context(),
		"SELECT reason, due_at FROM payments WHERE order_id = 'order-0'").Scan(&got, &dueAt))
	require.Contains(t, got, "postponed: ")
	require.Contains(t, got, reason)
	require.WithinDuration(t, time.Now().Add(time.Hour), time.UnixMicro(dueAt), time.Minute)
}

// Leases expire by the repository's clock.
func TestOptions_Clock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.March, 1, 12, 0, 0, 999, time.FixedZone("", 3600))
	s := open(t, migrated(t), sqlitestore.Options{Clock: func() time.Time { return now }})
	p, _, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, time.March, 1, 11, 0, 0, 0, time.UTC), p.CreatedAt)

	now = now.Add(time.Hour - time.Microsecond)
	_, verdict, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictBusy, verdict)
	in, found, err := s.NextDue(t.Context(), policy(payment.WorkTakeovers))
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, time.Microsecond, in)

	now = now.Add(time.Microsecond)
	_, verdict, err = s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
}

// A refund whose row cannot be written is postponed, and delays neither charges nor other refunds.
func TestClaimDue_UnwritableRefundIsPostponed(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	var log bytes.Buffer
	s := open(t, databaseURL, sqlitestore.Options{Log: slog.New(slog.NewJSONHandler(&log, nil))})
	charged(t, s, "order-0")
	for _, a := range []payment.ClaimRequest{
		refundRequest(t, "order-0", "r-1", 100), request(t, "order-1"), refundRequest(t, "order-0", "r-2", 100),
	} {
		a.Lease = 0 // a takeover must archive its attempt
		_, _, err := s.Claim(t.Context(), a)
		require.NoError(t, err)
	}
	db := raw(t, databaseURL)
	execute(t, db, "INSERT INTO operation_attempts (order_id, operation_kind, operation_name, number, fence, replica, gateway_key, "+
		"started_at, class, code, message) VALUES ('order-0', 'refund', 'r-1', 1, 1, 'r', 'k', 0, '', '', 'in the way')")

	due, err := s.ClaimDue(t.Context(), policy(payment.WorkTakeovers), 10)
	require.NoError(t, err)
	require.Equal(t, []payment.OrderID{"order-1", "order-0"}, idsOf(due))
	require.Equal(t, "r-2", due[1].Payment.Operation.Name)
	require.Contains(t, log.String(), `"operation":"refund r-1"`)
	var reason string
	var dueAt, reserved int64
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT o.reason, o.due_at, p.refund_reserved_minor FROM operations o "+
		"JOIN payments p ON p.order_id = o.order_id WHERE o.operation_name = 'r-1'").Scan(&reason, &dueAt, &reserved))
	require.Contains(t, reason, "postponed: ")
	require.WithinDuration(t, time.Now().Add(time.Hour), time.UnixMicro(dueAt), time.Minute)
	require.Equal(t, int64(200), reserved)
}
