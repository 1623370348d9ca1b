package fake

import (
	"slices"
	"time"

	"paymentd/core/payment"
)

// Taken returns the money that was taken, in order.
func (g *Gateway) Taken() []Taken {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.decideDue(time.Now())
	return slices.Clone(g.taken)
}

// Charges returns how often money was taken for an order. More than once is a double charge.
func (g *Gateway) Charges(id payment.OrderID) (n int) {
	for _, t := range g.Taken() {
		if t.OrderID == id {
			n++
		}
	}
	return n
}

// ChargesWith returns how often money was taken with a gateway key.
func (g *Gateway) ChargesWith(key payment.GatewayKey) (n int) {
	for _, t := range g.Taken() {
		if t.Key == key {
			n++
		}
	}
	return n
}

// Decided returns the ledger's result of a charge's gateway key: approved, authorized, declined, pending, or no
// class.
func (g *Gateway) Decided(key payment.GatewayKey) payment.Result {
	return g.decided(slot{payment.KindCharge, key}).result
}

func (g *Gateway) decided(at slot) entry {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.decideDue(time.Now())
	return g.ledger[at]
}

// Attempts returns the calls to Charge, of all orders, for operations of all kinds, in order.
func (g *Gateway) Attempts() []Attempt {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.attempts)
}

// Keys returns the gateway keys that were used for charges of an order, in the order of first use.
func (g *Gateway) Keys(id payment.OrderID) []payment.GatewayKey {
	return g.keys(payment.Ref{OrderID: id})
}

// keys returns the gateway keys that were used for an operation, in the order of first use.
func (g *Gateway) keys(of payment.Ref) (keys []payment.GatewayKey) {
	for _, a := range g.Attempts() {
		if (payment.Ref{OrderID: a.OrderID, Operation: a.Operation}) == of && !slices.Contains(keys, a.Key) {
			keys = append(keys, a.Key)
		}
	}
	return keys
}

// LookUps returns how many lookups were made.
func (g *Gateway) LookUps() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lookUps
}

// Settled reports whether every request is decided: none is in flight or being processed.
func (g *Gateway) Settled() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.decideDue(time.Now())
	return len(g.inFlight) == 0
}
