package ports

import (
	"context"
	"time"

	"paymentd/core/payment"
)

// MaxSummaries bounds a page of [Summaries].
const MaxSummaries = 1000

// Summaries reads many payments for an audit. A repository of [Payments] implements it. Its methods lock
// nothing and write nothing; their errors and their concurrent use are those of [Payments].
type Summaries interface {
	// ListSummaries returns a page of the payments that were created within the bounds, oldest first,
	// and those of the same time by order id.
	ListSummaries(ctx context.Context, q SummaryQuery) (SummaryPage, error)

	// FindSummaries returns the payments of the orders, which are at most [MaxSummaries], in no order.
	// Orders that were never requested are left out.
	FindSummaries(ctx context.Context, orders []payment.OrderID) (SummaryPage, error)

	// FindRefunds returns all refunds of the orders, which are at most [MaxSummaries], in no order. Refunds of
	// second charges are among them.
	FindRefunds(ctx context.Context, orders []payment.OrderID) (RefundPage, error)
}

// SummaryQuery selects a page of payments.
type SummaryQuery struct {
	// CreatedFrom (inclusive) and CreatedBefore (exclusive) bound the creation time. Both are required.
	CreatedFrom   time.Time
	CreatedBefore time.Time
	// AfterCreatedAt and AfterOrderID are the Next… of the page before; zero for the first page.
	AfterCreatedAt time.Time
	AfterOrderID   payment.OrderID
	Limit          int // at most [MaxSummaries]
}

// SummaryPage is a page of payments. Rows that are not valid are left out, and count towards the limit.
type SummaryPage struct {
	Summaries  []payment.Summary
	Unreadable []*payment.StoredRowError // of the rows that are left out
	// NextCreatedAt and NextOrderID are After… of the next page; zero on the last page, and if the
	// orders were named.
	NextCreatedAt time.Time
	NextOrderID   payment.OrderID
}

// RefundPage are the refunds of some orders. Rows that are not valid are left out.
type RefundPage struct {
	Refunds    []payment.RefundSummary
	Unreadable []*payment.StoredRowError // of the rows that are left out
}
