package payment

import "time"

// Summary is what an audit compares of a payment with the list of its gateway. Its times are of the
// database's clock.
type Summary struct {
	OrderID    OrderID
	Money      Money
	State      State
	GatewayKey GatewayKey // the current one
	// Gateway is empty if the key was not sent yet, and in rows that the previous version wrote.
	Gateway       GatewayID
	TransactionID string
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Summary returns the summary of the payment.
func (p Payment) Summary() Summary {
	return Summary{
		OrderID: p.OrderID, Money: p.Money, State: p.State, GatewayKey: p.GatewayKey, Gateway: p.Gateway,
		TransactionID: p.TransactionID, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}

// Validate checks of a row what [Payment.Validate] checks of the same columns. The error is a
// *[StoredRowError].
func (s Summary) Validate() error {
	at := row{s.OrderID, tablePayments}
	switch {
	case s.Money.IsZero():
		return at.column("amount_minor", "is not above zero")
	case !s.State.valid():
		return at.column("state", "has the unknown state %+.20q", s.State)
	case (s.State.Approved() || s.State == StateVoided) && s.TransactionID == "":
		return at.column("transaction_id", "is empty, and the payment is %s", s.State)
	case !validHeaderValue(s.GatewayKey):
		return at.column("gateway_key", "is %+.20q, which cannot be sent", s.GatewayKey)
	case !validTime(s.CreatedAt):
		return at.column("created_at", "is %s", formatTime(s.CreatedAt))
	case !validTime(s.UpdatedAt):
		return at.column("updated_at", "is %s", formatTime(s.UpdatedAt))
	}
	return nil
}
