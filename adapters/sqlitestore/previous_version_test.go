package sqlitestore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sqlitestore"
	"paymentd/core/payment"
)

// older changes a row to what the previous version writes: without the evidence about its key.
const older = "UPDATE payments SET gateway = '', key_sent_at = NULL, key_sent_clock = NULL, key_lifetime_micros = 0, " +
	"doubt_named = FALSE, doubt_unanswered_clock = NULL, doubt_latest_at = NULL, doubt_latest_clock = NULL, retries = 0"

// A key that the previous version sent is as old as its payment, also after this version has written the
// row. Its gateway is the one that it is sent to next.
func TestPreviousVersion_RowsAreReadable(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	db := raw(t, databaseURL)
	s := open(t, databaseURL, sqlitestore.Options{})
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

	execute(t, db, "UPDATE payments SET created_at = (CAST(strftime('%s') AS INTEGER) - 90000) * 1000000, key_sent_at = (CAST(strftime('%s') AS INTEGER) - 90000) * 1000000")
	_, verdict, err = s.Claim(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictLookUp, verdict, "the gateway may have forgotten it")
}

// The previous version sends keys that this version created, fails payments after one lookup, and does
// not know the table gateway_keys.
func TestPreviousVersion_WritesToRowsOfThisVersion(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	db := raw(t, databaseURL)
	s := open(t, databaseURL, sqlitestore.Options{})
	a := request(t, "order-1")
	a.Deferred = true
	claimed, _, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
	require.True(t, claimed.KeySent.IsZero())
	execute(t, db, "UPDATE payments SET state = 'processing', fence = 1, attempt_started_at = CAST(strftime('%s') AS INTEGER) * 1000000, "+
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

// The previous version knows neither refunds nor what they reserve, and keeps both.
func TestPreviousVersion_KeepsRefunds(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	db := raw(t, databaseURL)
	s := open(t, databaseURL, sqlitestore.Options{})
	charged(t, s, "order-1")
	refund, verdict, err := s.Claim(t.Context(), refundRequest(t, "order-1", "r-1", 2500))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)

	execute(t, db, older+" WHERE order_id = 'order-1'")
	execute(t, db, "INSERT INTO payments (order_id, amount_minor, currency, state, gateway_key, fence, replica, due_at, attempt_number, "+
		"attempt_fence, attempt_replica, attempt_gateway_key, attempt_class, attempt_code, attempt_message, doubt_answered, lookups, "+
		"strikes, events, async, later_retries, transaction_id, code, reason, created_at, updated_at) "+
		"SELECT 'order-2', amount_minor, currency, state, gateway_key, fence, replica, due_at, attempt_number, attempt_fence, "+
		"attempt_replica, attempt_gateway_key, attempt_class, attempt_code, attempt_message, doubt_answered, lookups, strikes, events, "+
		"async, later_retries, transaction_id, code, reason, created_at, updated_at FROM payments WHERE order_id = 'order-1'")
	p, err := s.Find(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, int64(2500), p.RefundReserved)
	p, err = s.Find(t.Context(), "order-2")
	require.NoError(t, err)
	require.Zero(t, p.RefundReserved)
	stored, err := s.FindOperation(t.Context(), refund.Ref())
	require.NoError(t, err)
	require.Equal(t, refund.GatewayKey, stored.GatewayKey)
	whole := refundRequest(t, "order-2", "r-1", 10_000)
	whole.Worker = time.Now()
	_, verdict, err = s.Claim(t.Context(), whole)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict, "a payment of the previous version can be refunded")
}
