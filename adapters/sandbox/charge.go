package sandbox

import (
	"context"
	"net/http"
	"time"

	"paymentd/core/payment"
)

// charge decides on an operation, and returns the answer when it may be given. It returns noAnswer if ctx
// ends, or the sandbox stops, before.
func (g *Gateway) charge(ctx context.Context, c payment.Charge) reply {
	lost := false
	var instead *reply
	for {
		r := g.receive(c)
		lost = lost || r.lost
		if r.instead != nil {
			instead = r.instead
		}
		if r.wait == nil {
			if lost || !g.hold(ctx) {
				return noAnswer
			}
			if instead != nil {
				return *instead
			}
			return r
		}
		if !g.await(ctx, r.wait) {
			return noAnswer
		}
	}
}

// lookUp returns the state of the key of an operation; of is the key of its charge, unless it is a charge itself. A
// decision is returned once it is synced.
func (g *Gateway) lookUp(ctx context.Context, at slot, of payment.GatewayKey) reply {
	return g.answer(ctx, func() reply { return g.find(at, of) })
}

// answer computes a reply until there is nothing to wait for. It returns noAnswer if ctx ends, or the
// sandbox stops, before.
func (g *Gateway) answer(ctx context.Context, compute func() reply) reply {
	for {
		r := compute()
		if r.wait == nil {
			return r
		}
		if !g.await(ctx, r.wait) {
			return noAnswer
		}
	}
}

// await waits for done, and reports whether it came before ctx ended and the sandbox stopped.
func (g *Gateway) await(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
	case <-g.closing:
	}
	return false
}

// hold waits for the latency, and reports whether the answer can still be given.
func (g *Gateway) hold(ctx context.Context) bool {
	if g.latency == 0 {
		return true
	}
	over := make(chan struct{})
	defer time.AfterFunc(g.latency, func() { close(over) }).Stop()
	return g.await(ctx, over)
}

// receive decides on an operation, by its key and then by its amount. After the wait of a reply that has
// one, the caller must call it again.
func (g *Gateway) receive(c payment.Charge) reply {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r, out := g.outOfOrder(); out {
		return r
	}
	if !c.Operation.IsCharge() {
		of := g.chargeOf(c)
		if of == nil {
			return g.noCharge(c)
		}
		c.OrderID = of.charge.OrderID
		if c.Operation.Kind == payment.KindVoid {
			c.Money = of.charge.Money // a void has no amount of its own
		}
		g.expire(of)
	}
	if e := g.remembered(slotOf(c)); e != nil {
		return e.reply(namedAs(e.charge, c))
	}
	if d, seen := g.inFlight[slotOf(c)]; seen {
		return d.reply(namedAs(d.charge, c))
	}
	if g.usedByOther(c) {
		return mismatch
	}
	return g.take(c, amountFor(c))
}

// namedAs returns a repeat with the refund id of the first request, if one of the two has none.
func namedAs(first, repeat payment.Charge) payment.Charge {
	if first.Operation.Name == "" || repeat.Operation.Name == "" {
		repeat.Operation.Name = first.Operation.Name
	}
	return repeat
}

// usedByOther reports whether a charge has the key of a void, or a void that of a charge. The caller holds g.mu.
func (g *Gateway) usedByOther(c payment.Charge) bool {
	other := slot{payment.KindVoid, c.Key}
	switch c.Operation.Kind {
	case payment.KindCharge:
	case payment.KindVoid:
		other.kind = payment.KindCharge
	case payment.KindCapture, payment.KindRefund:
		return false
	}
	return g.entries[other] != nil || g.inFlight[other] != nil
}

// noCharge answers an operation whose charge does not exist. The caller holds g.mu.
func (g *Gateway) noCharge(c payment.Charge) reply {
	d, seen := g.inFlight[slot{payment.KindCharge, c.Of.Key}]
	if c.Operation.Kind == payment.KindVoid && seen && d.amount.effect == effectChargeSlowly {
		return reply{status: http.StatusConflict, message: "the charge is being processed; it cannot be voided yet"}
	}
	return notFound
}

// take decides on an operation with a new key, by its amount. The caller holds g.mu.
func (g *Gateway) take(c payment.Charge, a Amount) reply {
	switch a.effect {
	case effectReject:
		return reply{status: http.StatusBadRequest, message: "the amount is one that the sandbox rejects", notCharged: true}
	case effectFail:
		return reply{status: http.StatusInternalServerError, message: "the amount is one that always fails"}
	case effectNotCharged:
		return reply{status: http.StatusBadGateway, message: "the amount is one that always fails", notCharged: true}
	case effectNoRoute:
		return noRoute
	case effectHang:
		return reply{wait: make(chan struct{})} // never closed
	case effectLimitOnce, effectFailOnce:
		if !g.failedOnce[slotOf(c)] {
			g.failedOnce[slotOf(c)] = true
			return a.failure()
		}
		delete(g.failedOnce, slotOf(c))
	case effectChargeLate, effectOverload:
		return g.delay(c, a, lateBy).reply(c)
	case effectChargeSlowly:
		return g.delay(c, a, slowBy).reply(c)
	case effectApprove, effectDecline, effectLoseAnswer, effectStumble, effectPaywall, effectRedirect,
		effectApproveLater, effectDeclineLater, effectReturnLater, effectTakeAtOnce, effectExpireAtOnce:
	}
	return a.instead(g.decide(c, a).reply(c))
}

// instead returns the first answer to an operation that is decided: the decision, or what replaces it once
// it is synced.
func (a Amount) instead(decided reply) reply {
	switch a.effect {
	case effectLoseAnswer:
		decided.lost = true
	case effectStumble:
		decided.instead = &reply{status: http.StatusInternalServerError, message: "the sandbox failed; look the key up to see whether it charged"}
	case effectPaywall:
		decided.instead = &paywall
	default:
	}
	return decided
}

// remembered returns the entry of a key; nil if the key was never used or is forgotten. The caller
// holds g.mu.
func (g *Gateway) remembered(at slot) *entry {
	e := g.entries[at]
	if e != nil && g.forgetAfter > 0 && time.Since(e.at) > g.forgetAfter {
		return nil
	}
	return e
}

// find is receive for a lookup. of is the key of the operation's charge.
func (g *Gateway) find(at slot, of payment.GatewayKey) reply {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r, out := g.outOfOrder(); out {
		return r
	}
	if e := g.remembered(at); e != nil && e.charge.Of.Key == of {
		return e.found()
	}
	if d, seen := g.inFlight[at]; seen && d.charge.Of.Key == of && d.amount.effect == effectChargeSlowly {
		return reply{status: http.StatusOK, state: statusProcessing}
	}
	r := notFound
	if at.kind != payment.KindCharge {
		r.message = "no " + string(at.kind) + " of this charge has this key"
	}
	return r
}

// outOfOrder returns the reply of a sandbox that is closed or cannot write its ledger, and whether it
// is.
func (g *Gateway) outOfOrder() (reply, bool) {
	if g.closed {
		return noAnswer, true
	}
	if err := g.ledger.failure(); err != nil {
		return broken(err), true
	}
	return reply{}, false
}

// decide decides on an operation and appends the decision to the ledger. The caller holds g.mu, so that the
// lines are in the order of the transactions.
func (g *Gateway) decide(c payment.Charge, a Amount) *entry {
	e := &entry{charge: c, at: time.Now(), of: g.chargeOf(c)}
	code := e.refusal()
	switch {
	case code != "":
		e.status, e.code = statusDeclined, code
	case a.pends():
		e.status = statusPending
		g.schedule(e, a)
	case a.effect == effectDecline:
		e.status, e.code = statusDeclined, a.code
	default:
		g.approve(e)
	}
	e.reserve()
	g.entries[slotOf(c)] = e
	if e.of == nil {
		g.listed = append(g.listed, e)
	} else {
		g.operations = append(g.operations, e)
	}
	g.store(e)
	g.scheduleExpiry(e)
	return e
}

// approve gives the operation its transaction, and does to its charge what it does. The caller holds g.mu.
func (g *Gateway) approve(e *entry) {
	kind, now := e.charge.Operation.Kind, time.Now()
	e.status = statusSucceeded
	if kind == payment.KindVoid {
		e.voids()
		return
	}
	g.transactions[kind]++
	e.transaction = g.transactions[kind]
	switch effect := amountOf(e.charge.Money).effect; {
	case kind == payment.KindCapture:
		e.captures()
	case kind == payment.KindRefund:
		g.scheduleReturn(e)
	case e.charge.Capture == payment.CaptureManual && effect == effectExpireAtOnce:
		e.status, e.expires = statusAuthorized, now
	case e.charge.Capture == payment.CaptureManual && effect != effectTakeAtOnce:
		e.status, e.expires = statusAuthorized, now.Add(g.holdFor)
	}
}

// store appends the present state of an operation to the ledger. A void that has ended a charge is stored with the
// charge. The caller holds g.mu.
func (g *Gateway) store(e *entry) {
	if e.endsCharge {
		held := !e.of.expires.IsZero()
		g.storeDecision(e.of)
		e.stored = e.of.stored
		if held {
			g.notify(e)
		}
		return
	}
	e.stored = g.ledger.append(e.line())
	g.notify(e)
}

// delay decides on an operation after d. The caller holds g.mu.
func (g *Gateway) delay(c payment.Charge, a Amount, d time.Duration) *delayed {
	later := &delayed{charge: c, amount: a, decided: make(chan struct{})}
	time.AfterFunc(d, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.inFlight, slotOf(c))
		close(later.decided)
		if _, out := g.outOfOrder(); !out {
			g.decide(c, a)
		}
	})
	g.inFlight[slotOf(c)] = later
	return later
}
