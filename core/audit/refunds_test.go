package audit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/audit"
	"paymentd/core/payment"
	"paymentd/ports"
)

// countedRefunds counts the queries for refunds, of which the rows of one order cannot be read.
type countedRefunds struct {
	*fake.Payments

	damaged payment.OrderID
	queries *int
}

func (c countedRefunds) FindRefunds(ctx context.Context, orders []payment.OrderID) (ports.RefundPage, error) {
	*c.queries++
	page, err := c.Payments.FindRefunds(ctx, orders)
	for _, r := range page.Refunds {
		if r.OrderID == c.damaged {
			page.Unreadable = append(page.Unreadable, &payment.StoredRowError{
				OrderID: r.OrderID, Table: "operations", Column: "state", Problem: `has the unknown state "lost"`,
			})
		}
	}
	return page, err
}

// TestRun_Refunds_AreReadInPages reads the refunds of a page of charges in one query, and of none without refunds.
func TestRun_Refunds_AreReadInPages(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.gateway.ListPages(50)
		for i := range 200 {
			order, key, txn := payment.OrderID(fmt.Sprintf("order-%d", i)), payment.GatewayKey(fmt.Sprintf("key-%d", i)), fmt.Sprintf("txn-%d", i)
			refunded := int64(0)
			if i < 75 {
				refunded = 100
			}
			w.listed(order, key, payment.FoundApproved, txn, sums(1000, refunded))
			w.succeeded(order, key, txn)
			if refunded > 0 {
				w.refunded(order, "r-1", "1.00")
			}
		}
		time.Sleep(2 * late)
		queries := 0
		r, err := audit.Run(w.t.Context(), w.gateway.WithList(), countedRefunds{w.payments, "", &queries}, w.settings())
		require.NoError(t, err)
		require.True(t, r.Agrees())
		require.Equal(t, 2, queries, "of four pages, two have refunds")
	})
}

func TestRun_DamagedRefund_Reported(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.chargedSums(1000, 300)
		w.succeeded("o", "k", "t")
		w.refunded("o", "r-1", "3.00")
		time.Sleep(2 * late)
		r, err := audit.Run(w.t.Context(), w.gateway.WithList(), countedRefunds{w.payments, "o", new(int)}, w.settings())
		require.NoError(t, err)
		require.Equal(t, []found{{kind: audit.KindUnreadable, order: "o"}}, summarize(r.Differences))
		require.Contains(t, r.Differences[0].Problem, `operations`)
	})
}
