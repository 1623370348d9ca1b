package core

import (
	"context"
	"fmt"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// maxTransactionsExamined bounds the payments that one search for a transaction reads.
const maxTransactionsExamined = 10 * ports.MaxSummaries

// TransactionSearch looks for a transaction among the payments of a period.
type TransactionSearch struct {
	Transaction string
	// CreatedFrom (inclusive) and CreatedBefore (exclusive) bound the creation time of the payments.
	CreatedFrom, CreatedBefore time.Time
	// AfterCreatedAt and AfterOrderID are the Next… of the search before; zero for the first.
	AfterCreatedAt time.Time
	AfterOrderID   payment.OrderID
}

// TransactionsFound is what a search for a transaction has found.
type TransactionsFound struct {
	Payments []payment.Summary // that have the transaction
	Examined int
	// NextCreatedAt and NextOrderID are those of the last payment that was examined if the period has more; zero otherwise.
	NextCreatedAt time.Time
	NextOrderID   payment.OrderID
}

// SearchTransaction finds the payments of a period that have the transaction, the oldest first. It reads the payments in
// the order of their creation, which has an index; transactions have none, because it would cost every payment a write at
// a random place. It reads at most 10,000, and returns where to continue.
func (o *Operator) SearchTransaction(ctx context.Context, s TransactionSearch) (f TransactionsFound, err error) {
	q := ports.SummaryQuery{
		CreatedFrom: s.CreatedFrom, CreatedBefore: s.CreatedBefore, AfterCreatedAt: s.AfterCreatedAt, AfterOrderID: s.AfterOrderID,
		Limit: ports.MaxSummaries,
	}
	for f.Examined < maxTransactionsExamined {
		page, err := o.store.ListSummaries(ctx, q)
		if err != nil {
			return f, fmt.Errorf("search a transaction: %w", err)
		}
		for _, unreadable := range page.Unreadable {
			o.logUnreadable(ctx, unreadable)
		}
		f.Examined += len(page.Summaries) + len(page.Unreadable)
		for _, p := range page.Summaries {
			if p.TransactionID == s.Transaction && len(f.Payments) < maxFound {
				f.Payments = append(f.Payments, p)
			}
		}
		f.NextCreatedAt, f.NextOrderID = page.NextCreatedAt, page.NextOrderID
		if page.NextOrderID == "" {
			break
		}
		q.AfterCreatedAt, q.AfterOrderID = page.NextCreatedAt, page.NextOrderID
	}
	return f, nil
}
