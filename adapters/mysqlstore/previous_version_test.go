package mysqlstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/core/payment"
)

// older changes a row to what the previous version writes: without the evidence about its key.
const older = "UPDATE payments SET gateway = '', key_sent_at = NULL, key_sent_clock = NULL, key_lifetime_micros = 0, " +
	"doubt_named = FALSE, doubt_unanswered_clock = NULL, doubt_latest_at = NULL, doubt_latest_clock = NULL, retries = 0"

// A key that the previous version sent is as old as its payment, also after this version has written the
// row. Its gateway is the one that it is sent to next.
func TestPreviousVersion_RowsAreReadable(t *testing.T) {
	t.Parallel()
	databaseURL, db := withRaw(t)
	s := open(t, databaseURL, mysqlstore.Options{})
	a := request(t, "order-1")
	a.Lease = 0
	_, _, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
	execute(t, db, older)
	p, err := s.Find(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, payment.Instant{DB: p.CreatedAt}, p.KeySent)
	require.Empty(t, p.Gateway)

	a = request(t, "order-1")
	a.Lease, a.Rules.KeyLifetime = 0, 24*time.Hour
	_, verdict, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
	stored, err := s.Find(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, payment.Instant{DB: p.CreatedAt}, stored.KeySent, "and not as old as 1970")
	require.Equal(t, rules.Gateway, stored.Gateway)

	execute(t, db, "UPDATE payments SET created_at = NOW(6) - INTERVAL 25 HOUR, key_sent_at = NOW(6) - INTERVAL 25 HOUR")
	_, verdict, err = s.Claim(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictLookUp, verdict, "the gateway may have forgotten it")
}

// The previous version sends keys that this version created, fails payments after one lookup, and does
// not know the table gateway_keys.
func TestPreviousVersion_WritesToRowsOfThisVersion(t *testing.T) {
	t.Parallel()
	databaseURL, db := withRaw(t)
	s := open(t, databaseURL, mysqlstore.Options{})
	a := request(t, "order-1")
	a.Deferred = true
	claimed, _, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
	require.True(t, claimed.KeySent.IsZero())
	execute(t, db, "UPDATE payments SET state = 'processing', fence = 1, attempt_started_at = NOW(6), "+
		"attempt_fence = 1, attempt_gateway_key = gateway_key")
	p, err := s.Find(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, payment.Instant{DB: p.CreatedAt}, p.KeySent)

	execute(t, db, older+", state = 'failed', due_at = NULL, attempt_class = 'unknown_answered', "+
		"reason = 'the gateway has no charge with this gateway key'")
	p, err = s.Find(t.Context(), "order-1")
	require.NoError(t, err)
	require.True(t, p.Doubt.Any(), "one lookup proves nothing")
	execute(t, db, "UPDATE payments SET reason = 'connection refused'")
	p, err = s.Find(t.Context(), "order-1")
	require.NoError(t, err)
	require.False(t, p.Doubt.Any())
}

// The previous version neither reads nor writes what refunds have reserved of a payment, and leaves the refunds
// alone.
func TestPreviousVersion_KeepsRefunds(t *testing.T) {
	t.Parallel()
	databaseURL, db := withRaw(t)
	s := open(t, databaseURL, mysqlstore.Options{})
	charged(t, s)
	require.NoError(t, claimRefund(t.Context(), t, s, 1))
	before, err := s.History(t.Context(), "order-1")
	require.NoError(t, err)
	execute(t, db, older) // the previous version records an event of the gateway
	after, err := s.History(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, int64(2_500), after.Payment.RefundReserved)
	before.Operations[0].Payment.SeenAt = after.Operations[0].Payment.SeenAt
	require.Equal(t, before.Operations, after.Operations)

	// It inserts payments without naming the new column.
	execute(t, db, "INSERT INTO payments (order_id, amount_minor, currency, state, gateway_key, fence, claim_token, replica, due_at, "+
		"attempt_number, attempt_fence, attempt_replica, attempt_gateway_key, attempt_class, attempt_code, attempt_message, "+
		"doubt_answered, lookups, strikes, events, async, later_retries, transaction_id, code, reason, created_at, updated_at) "+
		"VALUES ('order-2', 100, 'USD', 'scheduled', 'key-2', 0, 1, '', NOW(6), 1, 0, '', '', '', '', '', FALSE, 0, 0, 0, FALSE, 0, "+
		"'', '', '', NOW(6), NOW(6))")
	p, err := s.Find(t.Context(), "order-2")
	require.NoError(t, err)
	require.Zero(t, p.RefundReserved)
}

// The previous version cannot read a payment in a state that only holds have, and does not change it. A hold whose
// state it did write is as this version left it.
func TestPreviousVersion_KeepsHolds(t *testing.T) {
	t.Parallel()
	databaseURL, db := withRaw(t)
	s := open(t, databaseURL, mysqlstore.Options{})
	a := request(t, "order-1")
	a.Capture = payment.CaptureManual
	p, _, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	authorized := approved(*p)
	authorized.End.Class = payment.ClassAuthorized
	authorized.Outcome = payment.Outcome{State: payment.StateAuthorized, TransactionID: "txn-1", HoldExpires: expires}
	require.NoError(t, s.Settle(t.Context(), authorized))
	execute(t, db, older+", events = events + 1") // the previous version refuses another amount
	held, err := s.Find(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, payment.CaptureManual, held.Capture)
	require.Equal(t, expires, held.HoldExpires)

	capture := request(t, "order-1")
	capture.Operation, capture.Money, capture.NewKey = payment.OperationID{Kind: payment.KindCapture}, payment.Money{}, "key-2"
	capture.Rules.Operations |= payment.OperationCapture
	_, verdict, err := s.Claim(t.Context(), capture)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
}

// The previous version does not count a payment's operations. One that it has begun is the same operation.
func TestPreviousVersion_RefundsAreFound(t *testing.T) {
	t.Parallel()
	databaseURL, db := withRaw(t)
	s := open(t, databaseURL, mysqlstore.Options{})
	charged(t, s)
	require.NoError(t, claimRefund(t.Context(), t, s, 1))
	refund, err := s.FindOperation(t.Context(), payment.Ref{OrderID: "order-1", Operation: refundRequest(t).Operation})
	require.NoError(t, err)
	failed := approved(refund)
	failed.End.Result = payment.Result{Class: payment.ClassNotCharged}
	failed.Outcome = payment.Outcome{State: payment.StateFailed, Code: payment.CodeRetriesExhausted}
	require.NoError(t, s.Settle(t.Context(), failed))
	execute(t, db, "UPDATE payments SET operation_count = 0")

	again, verdict, err := s.Claim(t.Context(), refundRequest(t))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
	require.Equal(t, refund.Fence+1, again.Fence)
	h, err := s.History(t.Context(), "order-1")
	require.NoError(t, err)
	require.Len(t, h.Operations, 1)
	require.Len(t, h.Operations[0].Attempts, 2)
	require.Equal(t, int64(2_500), h.Payment.RefundReserved)
	require.NoError(t, s.Settle(t.Context(), approved(*again)))
	execute(t, db, "UPDATE payments SET operation_count = 0, refund_reserved_minor = 0, state = 'declined', transaction_id = ''")
	replayed, verdict, err := s.Claim(t.Context(), refundRequest(t))
	require.NoError(t, err, "a payment that refuses a new refund may have this one")
	require.Equal(t, payment.VerdictReplay, verdict)
	require.Equal(t, again.Ref(), replayed.Ref())
}
