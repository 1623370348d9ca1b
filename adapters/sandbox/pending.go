package sandbox

import (
	"context"
	"net/http"
	"slices"
	"time"

	"paymentd/core/payment"
)

// schedule decides a pending operation later, if its amount says so. The caller holds g.mu.
func (g *Gateway) schedule(e *entry, a Amount) {
	if a.effect != effectApproveLater && a.effect != effectDeclineLater {
		return
	}
	time.AfterFunc(time.Until(e.at.Add(pendingFor)), func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if _, out := g.outOfOrder(); !out {
			g.complete(e, a.effect == effectApproveLater, a.code)
		}
	})
}

// resume schedules what is still to happen to the operations that were read from the ledger.
func (g *Gateway) resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range slices.Concat(g.listed, g.operations) {
		switch e.status {
		case statusPending:
			g.schedule(e, amountFor(e.charge))
		case statusAuthorized:
			g.scheduleExpiry(e)
		case statusSucceeded:
			g.scheduleReturn(e)
		}
	}
}

// complete decides a pending operation, and reports whether it was pending. The caller holds g.mu.
func (g *Gateway) complete(e *entry, approve bool, code string) bool {
	if e.status != statusPending {
		return false
	}
	e.release()
	if approve {
		g.approve(e)
	} else {
		e.status, e.code = statusDeclined, code
	}
	e.reserve()
	g.storeDecision(e)
	g.scheduleExpiry(e)
	if e.of != nil {
		g.expire(e.of) // it waited for the decision
	}
	return true
}

// storeDecision appends the next state of an operation. The caller holds g.mu.
func (g *Gateway) storeDecision(e *entry) {
	e.decidedAt = time.Now()
	g.store(e)
}

// Complete decides a pending charge as a customer does at its page: it is approved, or declined with the
// code authentication_failed. It reports whether the charge was pending, and returns when the decision is
// synced.
func (g *Gateway) Complete(ctx context.Context, key payment.GatewayKey, approve bool) bool {
	return g.change(ctx, slot{payment.KindCharge, key}, func(e *entry) bool {
		return g.complete(e, approve, payment.DeclineAuthentication)
	})
}

// CompleteOperation decides a pending capture, void or refund: it succeeds, or is declined with the code card_declined.
// It reports whether the operation was pending, and returns when the decision is synced.
func (g *Gateway) CompleteOperation(ctx context.Context, kind payment.Kind, key payment.GatewayKey, approve bool) bool {
	return g.change(ctx, slot{kind, key}, func(e *entry) bool { return g.complete(e, approve, payment.DeclineCard) })
}

// change changes an operation, and reports whether it could.
func (g *Gateway) change(ctx context.Context, at slot, how func(*entry) bool) bool {
	g.mu.Lock()
	e := g.remembered(at)
	_, out := g.outOfOrder()
	done := !out && e != nil && how(e)
	g.mu.Unlock()
	return done && g.lookUp(ctx, at, e.charge.Of.Key).status == http.StatusOK
}
