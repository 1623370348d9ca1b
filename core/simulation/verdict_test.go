package simulation

import (
	"context"
	"maps"
	"slices"
	"time"

	"paymentd/core"
	"paymentd/core/payment"
)

// reachEnds lets time pass without faults until every payment has an end, and the gateway has
// nothing left on its way.
func (w *world) reachEnds() {
	set := w.service
	// At worst: a lease for each strike, then the longest pause between two lookups, before and
	// after the last late charge may have come; and the later rounds.
	limit := time.Duration(payment.MaxStrikes+2)*(set.Lease+2*time.Minute) + 2*set.LookupMax + 2*set.Late + 2*w.jump + 10*time.Minute
	for _, d := range set.LaterRetries {
		limit += d + 2*time.Minute
	}
	began := time.Now()
	for w.sleep(10 * time.Second) {
		id, stuck := w.audit.stuck()
		if !stuck && w.audit.bank.Settled() {
			return
		}
		if time.Since(began) > limit {
			w.find(id, "stuck: it has no end %v after the last fault", time.Since(began))
			return
		}
	}
}

// stuck returns a payment that has no end.
func (a *audit) stuck() (payment.OrderID, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(a.orders)) {
		if p := a.orders[id].payment; p.OrderID != "" && !p.State.Known() {
			return id, true
		}
	}
	return "", false
}

// lastLook lets a client see all payments once more, and ask for those that have succeeded.
func (w *world) lastLook() {
	c := &client{world: w, id: w.clients, stream: w.stream("last look")}
	for i := range w.orders {
		if c.get(orderID(i)) == "success" {
			c.post(core.Request{OrderID: orderID(i), Money: amountOf(i)})
		}
	}
}

// close balances the books: the database and the gateway's ledger, order by order.
func (a *audit) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(a.orders)) {
		d := a.orders[id]
		a.look(id)
		a.checkLedger(id)
		taken := len(a.taken(id))
		if succeeded := d.payment.State == payment.StateSucceeded; succeeded != (taken > 0) {
			a.world.find(id, "at the end it is %s, and the money was taken %d times", d.payment.State, taken)
		}
	}
	if err := a.store.Ready(context.Background()); err != nil {
		a.world.find("", "the database: %v", err)
	}
}
