package ports

import (
	"context"
	"errors"

	"paymentd/core/payment"
)

// ErrNoLedger: the gateway has no list of its charges.
var ErrNoLedger = errors.New("the gateway has no list of its charges")

// Ledger lists a gateway's charges. An adapter of [Gateway] may implement it.
type Ledger interface {
	// Charges returns one page of the charges created within the query's bounds: every one that was
	// answered before the first page was requested, unless the gateway's list lags by
	// payment.Capabilities.LookupLag. It is safe to repeat.
	//
	// [ErrNoLedger] if the gateway has no list. Any other error, or the context's, means that the page
	// could not be read: a repeat with the same cursor may succeed.
	Charges(ctx context.Context, q payment.LedgerQuery) (payment.LedgerPage, error)
}
