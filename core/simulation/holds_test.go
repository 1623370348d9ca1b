package simulation

import (
	"slices"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/core/simulation/history"
	"paymentd/ports"
)

// operationIDs are the operations that clients ask for, of each order, beside its charge.
func operationIDs() []payment.OperationID {
	ids := []payment.OperationID{{Kind: payment.KindCapture}, {Kind: payment.KindVoid}}
	for _, name := range refundNames {
		ids = append(ids, refundID(name))
	}
	return ids
}

// manual reports whether the money of an order is only held at first: that of every second order.
func (w *world) manual(id payment.OrderID) bool {
	return w.holds && id[len(id)-1]%2 == 0
}

func (w *world) captureOf(id payment.OrderID) payment.CaptureMode {
	if w.manual(id) {
		return payment.CaptureManual
	}
	return payment.CaptureAutomatic
}

// endHold asks to capture or void an order, a bounded number of times, until the answer is final.
func (c *client) endHold(i int) {
	request := core.Request{OrderID: orderID(i), Operation: payment.OperationID{Kind: payment.KindVoid}, Async: c.chance(0.2)}
	if c.chance(0.6) {
		request.Operation.Kind = payment.KindCapture
		if i%4 != 1 { // the clients' history needs to know the amount of all captures of an order, or of none
			request.Money = one(c.stream, amountOf(i), usd("0.75"), usd("999.99"))
		}
	}
	if c.chance(0.2) {
		request.Wait = new(time.Duration)
	}
	for range 6 {
		switch c.post(request) {
		case history.Success, history.Mismatch:
			return
		case history.Declined, history.Failed:
			if c.chance(0.3) {
				return
			}
		}
		if !c.world.sleep(c.between(100*time.Millisecond, time.Minute)) {
			return
		}
	}
}

// expireHolds is banks that end some holds, which the gateways find out. Sometimes they report it.
func (w *world) expireHolds() {
	if !w.holds {
		return
	}
	s := w.stream("expiries")
	for n := 1; w.faultsActive() && w.sleep(s.about(2*time.Minute)); n++ {
		for _, b := range w.audit.banks {
			for _, h := range b.Held() {
				if !h.EndedAt.IsZero() || !w.stream("expired", h.Key, n).chance(0.1) || !b.ExpireHold(h.Key) {
					continue
				}
				w.count("holds: ended by the bank")
				if s.chance(0.7) {
					w.sendEvent(s, core.GatewayEvent{
						ID: "expiry", Kind: "charge.expired", Gateway: b.id, OrderID: h.OrderID, Key: h.Key, Says: payment.FoundVoided,
					})
				}
			}
		}
	}
}

// endedHolds returns what a capture took, or a void released.
func (b gatewayLedger) endedHolds(of payment.OrderID) (all []taken) {
	add := func(c payment.Charge, transactionID string, at time.Time) {
		if subjectOf(c.OrderID, c.Operation) == of {
			t := fake.Taken{Charge: c, TransactionID: b.transaction(transactionID), At: at}
			all = append(all, taken{Taken: t, gateway: b.id})
		}
	}
	for _, c := range b.Captured() {
		add(c.Charge, c.TransactionID, c.At)
	}
	for _, v := range b.Voided() {
		add(v.Charge, v.TransactionID, v.At)
	}
	return all
}

// holdEnded reports whether the hold of a payment has ended, with or without a capture.
func (a *audit) holdEnded(is payment.Payment, captured bool) bool {
	for _, b := range a.banks {
		for _, h := range b.Held() {
			if h.Key == is.GatewayKey && !h.EndedAt.IsZero() && captured == (h.Captured > 0) {
				return true
			}
		}
	}
	return false
}

// atOnce returns how many of the charges took or held money at the latest moment. A hold that the gateway released before
// the service knew of it leaves the order free for another.
func atOnce(all []taken) (n int) {
	for _, t := range all {
		if t.released.IsZero() || slices.ContainsFunc(all, func(later taken) bool {
			return later.Key != t.Key && later.At.After(t.At) && !later.At.After(t.released)
		}) {
			n++
		}
	}
	return n
}

// approvedOnce reports whether the gateway has approved the payment: it succeeded, or its money is or was held.
func approvedOnce(p payment.Payment) bool {
	return p.State.Approved() || p.State == payment.StateVoided
}

// checkHold checks that at most one operation may have ended the hold of an order, that the payment says which, and
// that no more was captured than was held.
func (a *audit) checkHold(h ports.History) {
	is := h.Payment
	if is.Capture != payment.CaptureManual {
		return
	}
	var claims []payment.Kind
	for _, o := range h.Operations {
		if o.Payment.Operation.Kind != payment.KindRefund && reserves(o.Payment) {
			claims = append(claims, o.Payment.Operation.Kind)
		}
	}
	misled := a.misledOperations(is.OrderID)
	if len(claims) > 1 && !misled {
		a.world.report(is.OrderID, "%v may each end the hold", claims)
	}
	if is.State == payment.StateAuthorized {
		claimed := payment.KindCharge
		if len(claims) > 0 {
			claimed = claims[0]
		}
		if is.HoldClaimedBy != claimed && !misled {
			a.world.report(is.OrderID, "the hold is claimed by %q, and the operations are %v", is.HoldClaimedBy, claims)
		}
	}
	a.checkCaptured(is, claims, misled)
}

// checkCaptured checks what the gateways have captured of a hold.
func (a *audit) checkCaptured(is payment.Payment, claims []payment.Kind, misled bool) {
	for _, b := range a.banks {
		if took := b.CapturedOf(is.GatewayKey); took > 0 && !slices.Contains(claims, payment.KindCapture) && !misled {
			a.world.report(is.OrderID, "%d was captured, and no capture is recorded that may have", took)
		}
		if took := b.CapturedOf(is.GatewayKey); took > is.Money.Minor() {
			a.world.report(is.OrderID, "%d was captured of %v", took, is.Money)
		}
	}
}
