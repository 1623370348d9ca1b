package fake

import (
	"slices"
	"time"

	"paymentd/core/payment"
)

// CodeExceedsCharge is the code of a refund or a capture that was declined because it exceeds what is left of its
// charge, or because the gateway does not have the charge.
const CodeExceedsCharge = payment.DeclineExceeds

// Refunded is money that was given back.
type Refunded struct {
	payment.Charge

	TransactionID string // the refund's
	At            time.Time
	// Returned: the money came back.
	Returned bool
}

// Return makes the succeeded refund of a key a returned one: a bank sent the money back. A lookup finds that, and
// the amount can be refunded again. It reports whether there was a succeeded refund.
func (g *Gateway) Return(key payment.GatewayKey) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.decideDue(time.Now())
	at := slot{payment.KindRefund, key}
	e := g.ledger[at]
	if e.returned || e.result.Class != payment.ClassApproved {
		return false
	}
	e.returned = true
	g.ledger[at] = e
	for i, r := range g.refunded {
		if r.TransactionID == e.result.TransactionID {
			g.refunded[i].Returned = true
		}
	}
	return true
}

// Refunded returns the money that was given back, including what was returned later, in order.
func (g *Gateway) Refunded() []Refunded {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.decideDue(time.Now())
	return slices.Clone(g.refunded)
}

// RefundsWith returns how often money was given back with a refund's key. More than once is a double refund.
func (g *Gateway) RefundsWith(key payment.GatewayKey) (n int) {
	for _, r := range g.Refunded() {
		if r.Key == key {
			n++
		}
	}
	return n
}

// RefundedOf returns how much was given back of the charge with this key, in minor units, without what was
// returned.
func (g *Gateway) RefundedOf(charge payment.GatewayKey) (minor int64) {
	for _, r := range g.Refunded() {
		if r.Of.Key == charge && !r.Returned {
			minor += r.Money.Minor()
		}
	}
	return minor
}

// DecidedRefund returns the ledger's result of a refund's key, which is approved, declined, pending, or has no
// class, and whether the money came back.
func (g *Gateway) DecidedRefund(key payment.GatewayKey) (r payment.Result, returned bool) {
	e := g.decided(slot{payment.KindRefund, key})
	return e.result, e.returned
}

// RefundKeys returns the gateway keys that were used for a refund, or another operation, of an order, in the order
// of first use.
func (g *Gateway) RefundKeys(id payment.OrderID, refund payment.OperationID) []payment.GatewayKey {
	return g.keys(payment.Ref{OrderID: id, Operation: refund})
}

// limitRefund returns the decision about a refund, or a decline if the refund exceeds what is left of its charge.
func (g *Gateway) limitRefund(c payment.Charge, decision payment.Result) payment.Result {
	moves := decision.Class == payment.ClassApproved || decision.Class == payment.ClassPending
	if moves && c.Money.Minor() > g.left(c) {
		decision = Decline(CodeExceedsCharge).decision
		decision.Message = "the refund exceeds what is left of the charge"
	}
	return decision
}

// left returns how much of the refund's charge is neither given back nor reserved by a pending refund, in minor
// units: zero if the gateway does not have the charge, or has it in another currency. A charge stays known when its
// key is forgotten.
func (g *Gateway) left(c payment.Charge) int64 {
	left := g.takenOf(c)
	for _, r := range g.refunded {
		if sameCharge(r.Of, c.Of) && !r.Returned {
			left -= r.Money.Minor()
		}
	}
	for at, e := range g.ledger {
		if at.kind == payment.KindRefund && sameCharge(e.charge.Of, c.Of) && e.pending() {
			left -= e.charge.Money.Minor()
		}
	}
	return left
}

// takenOf returns how much the refund's charge has taken, at once or by a capture, in minor units.
func (g *Gateway) takenOf(c payment.Charge) int64 {
	i := slices.IndexFunc(g.taken, func(t Taken) bool {
		of := payment.ChargeID{Key: t.Key, TransactionID: t.TransactionID}
		return sameCharge(of, c.Of) && t.Money.Currency() == c.Money.Currency()
	})
	if i >= 0 {
		return g.taken[i].Money.Minor()
	}
	if h := g.holdOf(c); h != nil && h.Money.Currency() == c.Money.Currency() {
		return h.Captured
	}
	return 0
}

// sameCharge reports whether both have the key and, if both name one, the transaction of the same charge.
func sameCharge(a, b payment.ChargeID) bool {
	return a.Key == b.Key && (a.TransactionID == "" || b.TransactionID == "" || a.TransactionID == b.TransactionID)
}
