package core_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// manyPayments is a store with a payment a second.
type manyPayments struct {
	core.OperatorStore

	began time.Time
	count int
	pages int
}

func (s *manyPayments) ListSummaries(_ context.Context, q ports.SummaryQuery) (page ports.SummaryPage, _ error) {
	s.pages++
	for i := range s.count {
		at := s.began.Add(time.Duration(i) * time.Second)
		if at.Before(q.CreatedFrom) || !at.Before(q.CreatedBefore) || !at.After(q.AfterCreatedAt) {
			continue
		}
		if len(page.Summaries) == q.Limit {
			last := page.Summaries[q.Limit-1]
			page.NextCreatedAt, page.NextOrderID = last.CreatedAt, last.OrderID
			return page, nil
		}
		page.Summaries = append(page.Summaries, payment.Summary{
			OrderID: payment.OrderID(fmt.Sprint("order-", i)), TransactionID: fmt.Sprint("txn-", i), CreatedAt: at,
		})
	}
	return page, nil
}

// A search reads 10,000 payments at most, and the next one continues after them.
func TestOperator_SearchTransaction_IsBoundedAndContinues(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := &manyPayments{OperatorStore: w.payments, began: time.Now(), count: 10_500}
		o := core.NewOperator(w.replica("replica-o").Service, store)
		search := core.TransactionSearch{Transaction: "txn-10400", CreatedFrom: store.began, CreatedBefore: store.began.Add(24 * time.Hour)}
		found, err := o.SearchTransaction(t.Context(), search)
		require.NoError(t, err)
		require.Empty(t, found.Payments)
		require.Equal(t, 10_000, found.Examined)
		require.Equal(t, 10, store.pages)
		require.Equal(t, payment.OrderID("order-9999"), found.NextOrderID)

		search.AfterCreatedAt, search.AfterOrderID = found.NextCreatedAt, found.NextOrderID
		found, err = o.SearchTransaction(t.Context(), search)
		require.NoError(t, err)
		require.Equal(t, payment.OrderID("order-10400"), found.Payments[0].OrderID)
		require.Equal(t, 500, found.Examined)
		require.Empty(t, found.NextOrderID)
	})
}
