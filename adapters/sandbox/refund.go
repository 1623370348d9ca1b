package sandbox

import (
	"context"
	"net/http"
	"time"

	"paymentd/core/payment"
)

// refund returns a refund with what the gateway protocol has of it. Its order is that of its charge.
func refund(of, key payment.GatewayKey, m payment.Money) payment.Charge {
	return payment.Charge{
		Key: key, Operation: payment.OperationID{Kind: payment.KindRefund}, Of: payment.ChargeID{Key: of}, Money: m,
	}
}

// chargeOf returns the charge of a refund, also if its key is forgotten; nil if there is none. The caller holds
// g.mu.
func (g *Gateway) chargeOf(c payment.Charge) *entry {
	if c.Operation.Kind != payment.KindRefund {
		return nil
	}
	return g.entries[slot{payment.KindCharge, c.Of.Key}]
}

// exceedsCharge reports whether a refund that is to be decided exceeds what is left of its charge.
func (e *entry) exceedsCharge() bool {
	if e.of == nil {
		return false
	}
	of := e.of.charge.Money
	return e.of.status != statusSucceeded || of.Currency() != e.charge.Money.Currency() ||
		e.charge.Money.Minor() > of.Minor()-e.of.refunded
}

// reserve takes the amount of a refund from what is left of its charge, if the refund has given money back or may
// do so. The caller holds g.mu.
func (e *entry) reserve() {
	if e.reserves() {
		e.of.refunded += e.charge.Money.Minor()
	}
}

// release undoes reserve, before a decision changes that. The caller holds g.mu.
func (e *entry) release() {
	if e.reserves() {
		e.of.refunded -= e.charge.Money.Minor()
	}
}

func (e *entry) reserves() bool {
	return e.of != nil && (e.status == statusSucceeded || e.status == statusPending)
}

// lookUpRefund returns the state of the refund of a charge.
func (g *Gateway) lookUpRefund(ctx context.Context, of, key payment.GatewayKey) reply {
	return g.answer(ctx, func() reply { return g.find(slot{payment.KindRefund, key}, of) })
}

// CompleteRefund decides a pending refund: it succeeds, or is declined with the code card_declined. It reports
// whether the refund was pending, and returns when the decision is synced.
func (g *Gateway) CompleteRefund(ctx context.Context, key payment.GatewayKey, approve bool) bool {
	return g.change(ctx, key, func(e *entry) bool { return g.complete(e, approve, payment.DeclineCard) })
}

// Return makes a refund that has succeeded one whose money came back. It reports whether the refund had succeeded,
// and returns when that is synced.
func (g *Gateway) Return(ctx context.Context, key payment.GatewayKey) bool {
	return g.change(ctx, key, g.giveBack)
}

// change changes a refund, and reports whether it could.
func (g *Gateway) change(ctx context.Context, key payment.GatewayKey, how func(*entry) bool) bool {
	g.mu.Lock()
	e := g.remembered(slot{payment.KindRefund, key})
	_, out := g.outOfOrder()
	done := !out && e != nil && how(e)
	g.mu.Unlock()
	return done && g.lookUpRefund(ctx, e.charge.Of.Key, key).status == http.StatusOK
}

// giveBack makes a refund that has succeeded one whose money came back. The caller holds g.mu.
func (g *Gateway) giveBack(e *entry) bool {
	if e.of == nil || e.status != statusSucceeded {
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
	if e.of == nil || amountOf(e.charge.Money).effect != effectReturnLater {
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
