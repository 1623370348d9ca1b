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
	// CapturedMinor and RefundReserved are those of the [Payment].
	CapturedMinor  int64
	RefundReserved int64
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Summary returns the summary of the payment.
func (p Payment) Summary() Summary {
	return Summary{
		OrderID: p.OrderID, Money: p.Money, State: p.State, GatewayKey: p.GatewayKey, Gateway: p.Gateway,
		TransactionID: p.TransactionID, CapturedMinor: p.CapturedMinor, RefundReserved: p.RefundReserved,
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}

// Captured returns how much money a succeeded payment has taken; see [Payment.Captured].
func (s Summary) Captured() Money {
	return Payment{Money: s.Money, CapturedMinor: s.CapturedMinor}.Captured()
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
	case s.CapturedMinor < 0:
		return at.column("captured_minor", "is %d", s.CapturedMinor)
	case s.RefundReserved < 0:
		return at.column("refund_reserved_minor", "is %d", s.RefundReserved)
	case !validTime(s.CreatedAt):
		return at.column("created_at", "is %s", formatTime(s.CreatedAt))
	case !validTime(s.UpdatedAt):
		return at.column("updated_at", "is %s", formatTime(s.UpdatedAt))
	}
	return nil
}

// RefundSummary is what an audit compares of a refund.
type RefundSummary struct {
	OrderID OrderID
	Name    string
	// ChargeKey is the gateway key of the charge that the refund is of: that of the payment, or of a second charge.
	ChargeKey GatewayKey
	Money     Money
	State     State
	// InDoubt: an attempt may have moved the money, in any state.
	InDoubt   bool
	UpdatedAt time.Time
}

// RefundSummary returns the summary of a refund.
func (p Payment) RefundSummary() RefundSummary {
	return RefundSummary{
		OrderID: p.OrderID, Name: p.Operation.Name, ChargeKey: p.Of.Key, Money: p.Money, State: p.State,
		InDoubt: p.Doubt.Any(), UpdatedAt: p.UpdatedAt,
	}
}

// Open reports whether the refund may still move its money, or may have moved it.
func (r RefundSummary) Open() bool {
	return r.State != StateSucceeded && reserves(r.State, r.InDoubt)
}

// Validate is [Summary.Validate] for a refund.
func (r RefundSummary) Validate() error {
	at := row{r.OrderID, tableOperations}
	switch {
	case r.Money.IsZero():
		return at.column("amount_minor", "is not above zero")
	case !r.State.valid() || r.State == StateAuthorized || r.State == StateVoided:
		return at.column("state", "is %+.20q, which a refund cannot be", r.State)
	case !validHeaderValue(r.ChargeKey):
		return at.column("charge_key", "is %+.20q, which cannot be sent", r.ChargeKey)
	case !validTime(r.UpdatedAt):
		return at.column("updated_at", "is %s", formatTime(r.UpdatedAt))
	}
	return nil
}
