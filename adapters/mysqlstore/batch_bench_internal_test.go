package mysqlstore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
)

// BenchmarkSettleBatch settles 32 payments with the UPDATE of many rows, and 32 more with an UPDATE each in one
// transaction, in turns. The metric x-alone is how many times as long the second takes. The server does not wait for the
// disk, so that the commits cost both the same.
func BenchmarkSettleBatch(b *testing.B) {
	const rows = 32
	s := onOneConnection(b)
	var together, alone time.Duration
	for i := 0; b.Loop(); i++ {
		first, second := claimedRows(b, s, fmt.Sprint("a-", i), rows), claimedRows(b, s, fmt.Sprint("b-", i), rows)
		began := time.Now()
		matched, err := settlePayments(b.Context(), s.db, first)
		together += time.Since(began)
		require.NoError(b, err)
		require.EqualValues(b, rows, matched)

		began = time.Now()
		err = settleEach(b.Context(), s, second)
		alone += time.Since(began)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(together.Nanoseconds())/float64(b.N), "ns/batch")
	b.ReportMetric(alone.Seconds()/together.Seconds(), "x-alone")
}

func claimedRows(b *testing.B, s *Payments, prefix string, n int) (rows []queries.SettlePaymentParams) {
	b.Helper()
	for i := range n {
		p, _, err := s.Claim(b.Context(), request(b, payment.OrderID(fmt.Sprint(prefix, "-", i))))
		require.NoError(b, err)
		row, ok := toFastSettle(approved(*p))
		require.True(b, ok)
		row.TransactionID = []byte("txn-" + string(p.OrderID))
		rows = append(rows, row)
	}
	return rows
}

func settleEach(ctx context.Context, s *Payments, rows []queries.SettlePaymentParams) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	q := queries.New(tx)
	for _, row := range rows {
		if _, err := q.SettlePayment(ctx, row); err != nil {
			return err
		}
	}
	return tx.Commit()
}
