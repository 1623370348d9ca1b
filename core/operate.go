package core

import (
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Operator has the use cases of a person who watches the payments of a running service and acts on them.
type Operator struct {
	*Service
}

// NewOperator returns the use cases of operators of a service.
func NewOperator(s *Service) *Operator { return &Operator{Service: s} }

// Explain answers, for a payment or other operation that was just read, why its money cannot be moved twice now, and
// what decides about it next.
func (o *Operator) Explain(h ports.History) payment.Explanation {
	return h.Explain(o.rules(), payment.Instant{DB: h.Payment.SeenAt, Worker: time.Now()})
}
