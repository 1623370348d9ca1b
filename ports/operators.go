package ports

import (
	"context"
	"time"

	"paymentd/core/payment"
)

// Operators is what people who watch payments read and do beyond [Payments]. A repository of Payments implements it.
// Its reads lock nothing, and read no more rows than their limits say, however many payments there are; its errors
// and its concurrent use are those of Payments.
type Operators interface {
	// Expedite stores what e.Apply decides. ErrNotFound, or a *payment.NotExpeditedError. It is safe to repeat after
	// an error.
	Expedite(ctx context.Context, e payment.Expedite) error

	// ListWaiting returns a page of the payments in a state that is not final, by their due times, and those with the
	// same one by creation time and order id. Rows that are not valid are left out, and count towards the limit.
	ListWaiting(ctx context.Context, q WaitingQuery) (WaitingPage, error)

	// SearchOrders returns at most limit orders that have a payment and whose ids begin with the text, by order id.
	SearchOrders(ctx context.Context, beginning string, limit int) ([]payment.OrderID, error)

	// SearchOperations returns at most limit operations other than charges with the name, such as a refund id, by
	// order id.
	SearchOperations(ctx context.Context, name string, limit int) ([]payment.Ref, error)

	// SearchKeys returns at most limit orders that have a record of the gateway key, or whose current key it is and
	// that were created from the given time on. Of the latter, at most examined orders are read. Times are those of
	// the database's clock.
	SearchKeys(ctx context.Context, q KeyQuery) ([]payment.OrderID, error)
}

// WaitingQuery selects a page of payments that wait.
type WaitingQuery struct {
	State payment.State // not a final one
	After WaitingCursor // of the last payment of the page before; zero for the first page
	Limit int
}

// WaitingCursor is the place of a payment among those that wait.
type WaitingCursor struct {
	DueAt     time.Time
	CreatedAt time.Time
	OrderID   payment.OrderID
}

// WaitingPage is a page of payments that wait.
type WaitingPage struct {
	Payments   []payment.Payment
	Unreadable []*payment.StoredRowError // of the rows that are left out
	Next       WaitingCursor             // After of the next page; zero on the last page
}

// KeyQuery selects the orders of a gateway key.
type KeyQuery struct {
	Key payment.GatewayKey
	// CreatedFrom and CreatedBefore bound the creation times of the payments that are read.
	CreatedFrom   time.Time
	CreatedBefore time.Time
	Examined      int // payments that are read at most
	Limit         int
}
