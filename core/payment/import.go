package payment

import (
	"fmt"
	"time"
)

// Import is a charge or another operation in the gateway's own records that the table may lack, after a restore from a
// backup that is older. It has moved the money, unless it is a Hold. Of a charge that another operation is about, only
// the key is read; empty if the records do not name it.
type Import struct {
	Charge

	Gateway       GatewayID
	TransactionID string // the gateway's
	// Hold: the charge holds the money, and has not taken it. HoldExpires is that of a [Result].
	Hold        bool
	HoldExpires time.Time
	// Returned: the money of the refund came back after it had succeeded.
	Returned bool
	By       string // the operator
	Rules    KeyRules
	Worker   time.Time
	// Overwrite lets the charge replace another key of the order that is in flight or in doubt.
	Overwrite bool
}

// ImportRefusedError says that the gateway's records contradict what is stored. Nothing was written; an
// operator must look.
type ImportRefusedError struct{ Why string }

// Error returns the sentence in Why.
func (e *ImportRefusedError) Error() string { return e.Why }

// Check refuses what cannot be stored. The error is a *[FieldError].
func (i Import) Check() error {
	if err := CheckOperator(i.By); err != nil {
		return err
	}
	switch {
	case !i.Key.Valid():
		return &FieldError{Field: "key", Message: "the gateway key must have 1 to 64 printable ASCII characters without spaces"}
	case !validTransactionID(i.TransactionID):
		return &FieldError{Field: "transaction_id", Message: "the transaction id must have 1 to 255 printable ASCII characters"}
	case i.OrderID == "" || i.Money.IsZero():
		return &FieldError{Field: "order_id", Message: "a charge needs an order and an amount"}
	}
	return i.checkOperation()
}

// maxKeyBytes is the longest gateway key that is stored.
const maxKeyBytes = 64

// Valid reports whether the key can be stored.
func (k GatewayKey) Valid() bool {
	return k != "" && len(k) <= maxKeyBytes && sanitizeCode(string(k)) == string(k)
}

// Open returns the payment of an order that the table lacks, at now. It has no outcome yet:
// [Import.Apply] follows, in the same transaction.
func (i Import) Open(now time.Time) Payment {
	return ClaimRequest{
		OrderID: i.OrderID, Money: i.Money, Capture: i.Capture, NewKey: i.Key, Replica: sanitizeMessage(i.By), Deferred: true,
	}.Open(now)
}

// Apply returns the payment as succeeded with the charge, or as authorized if that is a hold, whether or not the row is final, because the
// row may be older than the charge. A payment that has succeeded with this transaction is unchanged
// (VerdictReplay). The error is a *[ImportRefusedError].
//
// The fencing token grows, so that a worker that still holds a claim cannot settle the payment.
func (i Import) Apply(p Payment, now time.Time) (Decision, error) {
	switch {
	case p.Money != i.Money:
		return Decision{}, &ImportRefusedError{fmt.Sprintf(
			"the gateway charged %s, but the order is for %s", i.Money, p.Money)}
	case p.State.Approved() && p.TransactionID != i.TransactionID:
		return Decision{}, &ImportRefusedError{fmt.Sprintf(
			"the order was approved with transaction %s, but the gateway also has %s: the order may have been charged twice",
			p.TransactionID, i.TransactionID)}
	case p.State.Approved(), i.Hold && p.State == StateVoided && p.TransactionID == i.TransactionID:
		return unchanged(VerdictReplay, p), nil
	case i.Hold && p.Capture != CaptureManual:
		return Decision{}, &ImportRefusedError{"the gateway holds the money, but the order is one that takes it at once"}
	}
	if key, open := p.OtherOpenKey(i.Key); open && !i.Overwrite {
		return Decision{}, &ImportRefusedError{fmt.Sprintf(
			"the order is %s with another gateway key, %s, which may also have taken the money; wait until that is known, "+
				"or name the order with --overwrite", p.State, key)}
	}
	was := p.State
	d := p.succeed(Approval{
		OrderID: i.OrderID, Key: i.Key, Gateway: i.Gateway, TransactionID: i.TransactionID, By: i.By, Rules: i.Rules,
		Hold: i.Hold, HoldExpires: i.HoldExpires,
	}, Instant{now, i.Worker})
	d.addEvent(EventImported, i.By, fmt.Sprintf("was %s; imported transaction %s with gateway key %s from the gateway's records",
		was, i.TransactionID, i.Key))
	return d, nil
}
