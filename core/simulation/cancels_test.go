package simulation

import (
	"slices"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/core/simulation/history"
)

// cancelPending is clients that void payments while the gateway has not decided them.
func (w *world) cancelPending() {
	if !w.voids {
		return
	}
	c := &client{world: w, id: w.clients + 1, stream: w.stream("cancels")}
	for w.faultsActive() && w.sleep(c.about(5*time.Second)) {
		for i := range w.orders {
			if w.audit.pending(orderID(i)) && c.chance(0.5) {
				c.cancel(i)
			}
		}
	}
}

// cancel asks to void a pending payment, a bounded number of times, or leaves that to the queue.
func (c *client) cancel(i int) {
	request := core.Request{OrderID: orderID(i), Operation: payment.OperationID{Kind: payment.KindVoid}, Async: c.chance(0.3)}
	if c.chance(0.3) {
		request.Wait = new(time.Duration)
	}
	for range 3 {
		switch c.post(request) {
		case history.Success, history.Mismatch:
			return
		case history.Pending:
			if c.chance(0.7) {
				return
			}
		}
		if !c.world.sleep(c.between(100*time.Millisecond, time.Minute)) || !c.world.faultsActive() {
			return
		}
	}
}

// pending reports whether the gateway of an order has not decided its charge.
func (a *audit) pending(id payment.OrderID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.record(id).payment.State == payment.StatePending
}

// checkCancellation checks that the void of a pending payment lasts until the payment is decided, and that no payment is
// cancelled unless the gateway has said that it is.
func (a *audit) checkCancellation(d *orderRecord, was, is payment.Payment) {
	switch {
	case is.CancelRequested():
		if !d.toCancel {
			a.cover("voids of pending payments: accepted")
		}
		d.toCancel, d.voidAccepted = true, true
	case d.toCancel && (is.State == payment.StatePending || is.State == payment.StateAuthorized):
		a.world.report(is.OrderID, "a void was accepted, and is forgotten; the payment is %s", is.State)
	case d.toCancel && is.State != payment.StateUnresolved:
		d.toCancel = false
		a.cover("voids of pending payments: " + string(is.State))
	}
	abandoned := is.State == payment.StateDeclined && is.Code == payment.DeclineAbandoned
	if abandoned && was.State != is.State && !slices.ContainsFunc(d.log(is.GatewayKey).looks, func(l look) bool {
		return l.Result == payment.FoundVoided
	}) {
		a.world.report(is.OrderID, "cancelled, and the gateway has not said that %s is", is.GatewayKey)
	}
}

// checkCancelled checks that the queue cancels a payment whose void was accepted.
func (a *audit) checkCancelled(d payment.Decision) {
	p := d.Payment
	if p.State != payment.StatePending || !p.CancelRequested() || d.LookUp != "" || !a.world.can(p.Gateway).Cancels {
		return
	}
	switch d.Verdict {
	case payment.VerdictCancel:
		a.cover("voids of pending payments: cancelled by the queue")
	case payment.VerdictLookUp:
		a.world.report(p.OrderID, "a void was accepted, and the queue only looks %s up", p.GatewayKey)
	}
}

// voidStored reports whether the answer "pending" to a void is backed by what is stored: the void, or that the payment
// is to be cancelled.
func (a *audit) voidStored(request core.Request) bool {
	return a.record(subjectOf(request.OrderID, request.Operation)).payment.OrderID != "" || a.record(request.OrderID).voidAccepted
}

// cancelled reports whether the payment was ever stored as cancelled.
func (d *orderRecord) cancelled() bool {
	return slices.ContainsFunc(d.ends, func(e end) bool {
		return e.State == payment.StateDeclined && e.Code == payment.DeclineAbandoned
	})
}

// bugsOfCancellations lose the void of a pending payment, or report it without the gateway.
func bugsOfCancellations() []bug {
	return []bug{
		{name: "the queue forgets that a pending payment is to be voided", rules: func(r *fake.Rules) {
			r.PickUp = func(t payment.PickUpPolicy, p payment.Payment, now time.Time) payment.Decision {
				if p.CancelRequested() {
					p.Code = ""
				}
				return t.PickUp(p, now)
			}
		}},
		{name: "the queue looks a payment up that is to be voided", rules: func(r *fake.Rules) {
			r.PickUp = func(t payment.PickUpPolicy, p payment.Payment, now time.Time) payment.Decision {
				d := t.PickUp(p, now)
				if d.Verdict == payment.VerdictCancel {
					d.Verdict = payment.VerdictLookUp
				}
				return d
			}
		}},
		records("a lookup forgets that a pending payment is to be voided", func(_ *payment.LookupRecord, p *payment.Payment) {
			if p.CancelRequested() {
				p.Code = ""
			}
		}),
		{name: "the void of a pending payment is accepted and not stored", rules: func(r *fake.Rules) {
			decide := r.Decide
			r.Decide = func(a payment.ClaimRequest, p payment.Payment, now time.Time) payment.Decision {
				d := decide(a, p, now)
				if a.Cancel && d.Verdict == payment.VerdictAccepted {
					d.Payment, d.Write = p, false
				}
				return d
			}
		}},
		{name: "a pending payment is voided without the gateway", rules: func(r *fake.Rules) {
			decide := r.Decide
			r.Decide = func(a payment.ClaimRequest, p payment.Payment, now time.Time) payment.Decision {
				d := decide(a, p, now)
				if a.Cancel && d.Write {
					d.Verdict, d.Payment.DueAt, d.Payment.Doubt = payment.VerdictReplay, time.Time{}, payment.Doubt{}
					d.Payment.State, d.Payment.Code = payment.StateDeclined, payment.DeclineAbandoned
				}
				return d
			}
		}},
	}
}
