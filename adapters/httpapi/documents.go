package httpapi

import (
	"paymentd/adapters/httpapi/internal/wire"
	"paymentd/core/payment"
	"paymentd/ports"
)

// The documents of the API, for commands that print the same ones.
type (
	// Payment is a payment as GET /payments lists it.
	Payment = wire.Payment
	// PaymentHistory is a payment as GET /payments/{order_id} returns it.
	PaymentHistory = wire.PaymentHistory
	// Moment is an entry of the timeline.
	Moment = wire.Moment
)

// ViewPayment returns the document of a payment.
func ViewPayment(p payment.Payment) Payment { return viewPayment(p) }

// ViewHistory returns the document of a payment with its attempts, timeline, keys and operations.
func ViewHistory(h ports.History) PaymentHistory { return viewHistory(h) }
