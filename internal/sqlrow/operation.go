package sqlrow

import (
	"errors"

	"paymentd/core/payment"
)

// operationTables are the tables of operations other than charges, by that of payments with the same columns.
var operationTables = map[string]string{
	"payments": "operations", "attempts": "operation_attempts", "events": "operation_events", "gateway_keys": "operation_keys",
}

// operationColumns are the columns of operations that have another name than in payments.
var operationColumns = map[string]string{"strikes": "lost_workers", "later_retries": "deferred_retries"}

// OfOperation corrects the table and the column in a *[payment.StoredRowError] about a row of an operation, which
// is mapped and validated as one of a payment. It returns other errors as they are.
func OfOperation(err error) error {
	damaged, ok := errors.AsType[*payment.StoredRowError](err)
	if !ok {
		return err
	}
	found := *damaged
	if table, differs := operationTables[found.Table]; differs {
		found.Table = table
	}
	if column, differs := operationColumns[found.Column]; differs {
		found.Column = column
	}
	return &found
}
