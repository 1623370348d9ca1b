package sandbox

import (
	"context"
	"time"

	"paymentd/core/payment"
)

// operation returns a capture, a void or a refund with what the gateway protocol has of it. Its order is that of its
// charge, and so is the amount of a void.
func operation(kind payment.Kind, of, key payment.GatewayKey, m payment.Money) payment.Charge {
	return payment.Charge{Key: key, Operation: payment.OperationID{Kind: kind}, Of: payment.ChargeID{Key: of}, Money: m}
}

// chargeOf returns the charge of another operation, also if its key is forgotten; nil if there is none. The caller
// holds g.mu.
func (g *Gateway) chargeOf(c payment.Charge) *entry {
	if c.Operation.IsCharge() {
		return nil
	}
	return g.entries[slot{payment.KindCharge, c.Of.Key}]
}

// exceedsCharge reports whether a refund that is to be decided exceeds what is left of its charge.
func (e *entry) exceedsCharge() bool {
	return e.of.status != statusSucceeded || e.of.charge.Money.Currency() != e.charge.Money.Currency() ||
		e.charge.Money.Minor() > e.of.taken()-e.of.refunded
}

// reserve takes the amount of a refund from what is left of its charge, if the refund has given money back or may
// do so, and claims the hold for a capture or a void that is pending. The caller holds g.mu.
func (e *entry) reserve() { e.count(1) }

// release undoes reserve, before a decision changes that. The caller holds g.mu.
func (e *entry) release() { e.count(-1) }

func (e *entry) count(sign int) {
	switch kind := e.charge.Operation.Kind; {
	case kind == payment.KindCharge:
	case kind == payment.KindRefund && (e.status == statusSucceeded || e.status == statusPending):
		e.of.refunded += int64(sign) * e.charge.Money.Minor()
	case kind != payment.KindRefund && e.status == statusPending:
		e.of.claims += sign
	}
}

// CompleteRefund is [Gateway.CompleteOperation] of a refund.
func (g *Gateway) CompleteRefund(ctx context.Context, key payment.GatewayKey, approve bool) bool {
	return g.CompleteOperation(ctx, payment.KindRefund, key, approve)
}

// Return makes a refund that has succeeded one whose money came back. It reports whether the refund had succeeded,
// and returns when that is synced.
func (g *Gateway) Return(ctx context.Context, key payment.GatewayKey) bool {
	return g.change(ctx, slot{payment.KindRefund, key}, g.giveBack)
}

// giveBack makes a refund that has succeeded one whose money came back. The caller holds g.mu.
func (g *Gateway) giveBack(e *entry) bool {
	if e.status != statusSucceeded {
		return false
	}
	e.release()
	e.status = statusReturned
	g.storeDecision(e)
	return true
}

// scheduleReturn lets the money of a refund that has succeeded come back, if its amount says so. The caller holds
// g.mu.
func (g *Gateway) scheduleReturn(e *entry) {
	if e.charge.Operation.Kind != payment.KindRefund || amountOf(e.charge.Money).effect != effectReturnLater {
		return
	}
	time.AfterFunc(time.Until(e.at.Add(returnedAfter)), func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if _, out := g.outOfOrder(); !out {
			g.giveBack(e)
		}
	})
}
