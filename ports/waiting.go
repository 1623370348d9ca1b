package ports

import (
	"context"

	"paymentd/core/payment"
)

// WaitingOperations lists operations for an operator. A repository of [Payments] implements it. Its method locks
// nothing and writes nothing; its errors and its concurrent use are those of [Payments].
type WaitingOperations interface {
	// ListWaitingOperations returns at most limit operations other than charges that are not final, the longest
	// due first. Rows that are not valid are left out, and count towards limit.
	ListWaitingOperations(ctx context.Context, limit int) (OperationPage, error)
}

// OperationPage is a page of operations other than charges.
type OperationPage struct {
	Operations []payment.Payment
	Unreadable []*payment.StoredRowError // of the rows that are left out
}
