package sandbox

import (
	"context"
	"net/http"
	"slices"
	"time"

	"paymentd/core/payment"
)

// Codes of a void that comes too late.
const (
	codeSucceededAlready = "already_succeeded"
	codeDeclinedAlready  = "already_declined"
)

// schedule decides a pending charge or refund later, if its amount says so. The caller holds g.mu.
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

// resume schedules what is still to happen to the charges and refunds that were read from the ledger.
func (g *Gateway) resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range slices.Concat(g.listed, g.refunds) {
		switch e.status {
		case statusPending:
			g.schedule(e, amountOf(e.charge.Money))
		case statusSucceeded:
			g.scheduleReturn(e)
		}
	}
}

// complete decides a pending charge or refund, and reports whether it was pending. The caller holds g.mu.
func (g *Gateway) complete(e *entry, approve bool, code string) bool {
	if e.status != statusPending {
		return false
	}
	if approve {
		g.approve(e)
	} else {
		e.release()
		e.status, e.code = statusDeclined, code
	}
	g.storeDecision(e)
	return true
}

// storeDecision appends the next state of a charge or a refund. The caller holds g.mu.
func (g *Gateway) storeDecision(e *entry) {
	e.decidedAt = time.Now()
	e.stored = g.ledger.append(e.line())
	g.notify(e)
}

// Complete decides a pending charge as a customer does at its page: it is approved, or declined with the
// code authentication_failed. It reports whether the charge was pending, and returns when the decision is
// synced.
func (g *Gateway) Complete(ctx context.Context, key payment.GatewayKey, approve bool) bool {
	g.mu.Lock()
	e := g.remembered(slot{payment.KindCharge, key})
	_, out := g.outOfOrder()
	done := !out && e != nil && g.complete(e, approve, payment.DeclineAuthentication)
	g.mu.Unlock()
	return done && g.lookUp(ctx, key).status == http.StatusOK
}

// void cancels a pending charge, once for each void key, and returns the answer when it may be given.
func (g *Gateway) void(ctx context.Context, charge, key payment.GatewayKey) reply {
	return g.answer(ctx, func() reply { return g.receiveVoid(charge, key) })
}

// receiveVoid is receive for a void.
func (g *Gateway) receiveVoid(charge, key payment.GatewayKey) reply {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r, out := g.outOfOrder(); out {
		return r
	}
	at, other := slot{payment.KindCharge, charge}, slot{payment.KindCharge, key}
	e := g.remembered(at)
	if e == nil {
		if d, seen := g.inFlight[at]; seen && d.amount.effect == effectChargeSlowly {
			return reply{status: http.StatusConflict, message: "the charge is being processed; it cannot be voided yet"}
		}
		return notFound
	}
	if voided, used := g.voids[key]; used && voided != e || g.entries[other] != nil || g.inFlight[other] != nil {
		return mismatch
	}
	if e.status == statusPending {
		e.status, e.voidKey = statusVoided, key
		g.voids[key] = e
		g.storeDecision(e)
	}
	return e.voided()
}

// voided answers a void of the charge.
func (e *entry) voided() reply {
	r := e.found()
	if r.wait != nil || r.status != http.StatusOK {
		return r
	}
	switch e.status {
	case statusSucceeded:
		return reply{
			status: http.StatusPaymentRequired, state: statusDeclined, code: codeSucceededAlready,
			message: "the charge has succeeded, and cannot be voided any more",
		}
	case statusDeclined:
		return reply{
			status: http.StatusPaymentRequired, state: statusDeclined, code: codeDeclinedAlready,
			message: "the charge was declined, and there is nothing to void",
		}
	}
	return reply{status: http.StatusOK, state: statusVoided}
}

// lookUpVoid returns the state of a void.
func (g *Gateway) lookUpVoid(ctx context.Context, charge, key payment.GatewayKey) reply {
	return g.answer(ctx, func() reply {
		g.mu.Lock()
		defer g.mu.Unlock()
		if r, out := g.outOfOrder(); out {
			return r
		}
		if e, seen := g.voids[key]; seen && e.charge.Key == charge {
			return e.voided()
		}
		return notFound
	})
}
