package payment

import "time"

// LedgerQuery asks for one page of a gateway's list of its charges.
type LedgerQuery struct {
	// From and To bound the creation of the charges by the gateway's clock: From is included, To is not.
	// Both are required.
	From, To time.Time
	// Cursor is [LedgerPage.Next] of the page before; empty for the first page.
	Cursor string
}

// LedgerPage is one page of a gateway's list, in an order that is the gateway's own. A charge that is made
// while pages are read may be missing, or be on two pages.
type LedgerPage struct {
	Charges []LedgerCharge
	// Unreadable describes the entries of the page that could not be read, as text for an operator. They
	// are not in Charges.
	Unreadable []string
	// Next is the cursor of the next page; empty if this is the last one. A page with a cursor may have
	// no charges.
	Next string
}

// LedgerCharge is a charge as its gateway lists it.
type LedgerCharge struct {
	// Key and OrderID are what the service sent. They are empty if the gateway has none of the charge,
	// because another program made it.
	Key     GatewayKey
	OrderID OrderID
	// Money is the amount that was requested. A gateway that reduces it to what was captured says so by the same
	// amount in Captured.
	Money Money
	// State is what a lookup of the charge would find: [FoundApproved], [FoundDeclined], [FoundPending],
	// [FoundProcessing] or [FoundVoided].
	State LookupResult
	// TransactionID is the gateway's, with [FoundApproved].
	TransactionID string
	// Reference is the gateway's own id of the charge, if it has one that is not the transaction id.
	Reference string
	// Created is when the charge was made, by the gateway's clock.
	Created time.Time
	// Captured is how much the charge took, and Refunded how much of that was given back, with [FoundApproved]. Refunds
	// that are not decided may be in it; those whose money came back are not.
	Captured, Refunded LedgerSum
}

// LedgerSum is a sum in the currency of its charge. Its zero value is one that the list does not have.
type LedgerSum struct {
	Minor  int64 // in minor units; may be zero
	Listed bool
}

// ListedSum returns a sum that a list has.
func ListedSum(minor int64) LedgerSum { return LedgerSum{minor, true} }

// MaxLedgerCursorBytes is the longest [LedgerQuery.Cursor]: printable ASCII.
const MaxLedgerCursorBytes = 1024
