package httpapi

import (
	"time"

	"paymentd/adapters/httpapi/internal/wire"
	"paymentd/core/payment"
	"paymentd/ports"
)

// viewPayment returns the JSON form of a payment. Fields that do not apply are empty.
func viewPayment(p payment.Payment) wire.Payment {
	captured := ""
	if taken, held := p.CapturedHold(); held {
		captured = taken.Decimal()
	}
	return wire.Payment{
		OrderID: p.OrderID.String(), State: wire.State(p.State),
		Amount: p.Money.Decimal(), Currency: p.Money.Currency().Code(), Capture: wire.CaptureMode(p.Capture.String()),
		TransactionID: p.TransactionID, Code: p.Code, Reason: p.Reason,
		CreatedAt: stamp(p.CreatedAt), UpdatedAt: stamp(p.UpdatedAt),
		NextAttemptAt: stamp(nextAttemptAt(p)), Gateway: string(p.Gateway),
		RedirectURL: p.RedirectURL(), HoldExpiresAt: stamp(holdExpires(p)), Captured: captured,
	}
}

// holdExpires returns when the gateway releases the money of an authorized payment; zero if that is not known.
func holdExpires(p payment.Payment) time.Time {
	if p.State != payment.StateAuthorized {
		return time.Time{}
	}
	return p.HoldExpires
}

// nextAttemptAt returns the time of the next charge, or zero if none is planned.
func nextAttemptAt(p payment.Payment) time.Time {
	switch {
	case p.State == payment.StateScheduled:
		return p.DueAt
	case p.InBackoff(p.SeenAt):
		return p.Attempt.StartedAt
	}
	return time.Time{}
}

// viewHistory returns the JSON form of a payment with its attempts, events, keys and operations.
func viewHistory(h ports.History) wire.PaymentHistory {
	p := viewPayment(h.Payment)
	view := wire.PaymentHistory{
		OrderID: p.OrderID, State: p.State, Amount: p.Amount, Currency: p.Currency,
		Capture: p.Capture, TransactionID: p.TransactionID, Code: p.Code, Reason: p.Reason,
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, NextAttemptAt: p.NextAttemptAt,
		Gateway: p.Gateway, RedirectURL: p.RedirectURL, HoldExpiresAt: p.HoldExpiresAt, Attempts: viewAttempts(h), Timeline: timeline(h), Keys: viewKeys(h.Keys),
	}
	switch h.Payment.State {
	case payment.StateSucceeded:
		view.Captured = h.Payment.Captured().Decimal()
		left, _ := h.Payment.Refundable()
		currency := h.Payment.Money.Currency()
		view.Refunded, view.Refundable = currency.Decimal(refunded(h)), currency.Decimal(left.Minor())
	case payment.StateAuthorized, payment.StateVoided:
		view.Captured = h.Payment.Money.Currency().Decimal(0)
	case payment.StateProcessing, payment.StateScheduled, payment.StatePending, payment.StateDeclined,
		payment.StateFailed, payment.StateUnresolved:
	}
	for _, o := range h.Operations {
		view.Operations = append(view.Operations, viewOperation(o))
	}
	return view
}

// refunded returns the sum of the succeeded refunds of the payment's own charge, in minor units.
func refunded(h ports.History) (sum int64) {
	for _, o := range h.Operations {
		of := o.Payment.Operation
		if of.Kind == payment.KindRefund && o.Payment.State == payment.StateSucceeded && !of.RefundsSecondCharge() {
			sum += o.Payment.Money.Minor()
		}
	}
	return sum
}

func viewRefunds(h ports.History) []wire.Refund {
	views := []wire.Refund{} // [] in JSON, not null
	for _, o := range h.Operations {
		if o.Payment.Operation.Kind == payment.KindRefund {
			views = append(views, wire.Refund(viewOperation(o)))
		}
	}
	return views
}

// viewOperation returns the JSON form of an operation other than a charge, with its attempts and keys. Fields that do
// not apply are empty.
func viewOperation(h ports.History) wire.Operation {
	p := viewPayment(h.Payment)
	second := ""
	if h.Payment.Operation.RefundsSecondCharge() {
		second = h.Payment.Of.TransactionID
	}
	return wire.Operation{
		Kind: wire.OperationKind(h.Payment.Operation.Kind), RefundID: h.Payment.Operation.Name, SecondCharge: second, State: p.State, Amount: p.Amount, Currency: p.Currency,
		Reason: h.Payment.Note, TransactionID: p.TransactionID, Code: p.Code, StateReason: p.Reason,
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, NextAttemptAt: p.NextAttemptAt, Gateway: p.Gateway,
		Attempts: viewAttempts(h), Keys: viewKeys(h.Keys),
	}
}

func viewKeys(keys []payment.Key) []wire.GatewayKey {
	var views []wire.GatewayKey
	for _, k := range keys {
		views = append(views, wire.GatewayKey{
			GatewayKey: string(k.Key), Gateway: string(k.Gateway), Closed: wire.GatewayKeyClosed(k.Closed),
			ClosedAt: stamp(k.ClosedAt), TransactionID: k.TransactionID, NextLookupAt: stamp(k.DueAt),
		})
	}
	return views
}

func viewAttempts(h ports.History) []wire.Attempt {
	views := []wire.Attempt{} // [] in JSON, not null
	for _, a := range begun(h) {
		views = append(views, wire.Attempt{
			Number: a.Number, StartedAt: stamp(a.StartedAt), EndedAt: stamp(a.EndedAt),
			Class: wire.Class(a.Class), Code: a.Code, Message: a.Message,
			GatewayKey: string(a.GatewayKey), Replica: a.Replica, Fence: a.Fence,
		})
	}
	return views
}

// begun returns the attempts, without a planned one.
func begun(h ports.History) []payment.Attempt {
	var attempts []payment.Attempt
	for _, a := range h.Attempts {
		if a.Begun(h.Payment.SeenAt) {
			attempts = append(attempts, a)
		}
	}
	return attempts
}

// stamp formats a time as RFC 3339 in UTC with microseconds, and zero as an empty string.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
}
