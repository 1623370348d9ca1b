package simulation

import (
	"context"
	"maps"
	"slices"
	"time"

	"paymentd/core"
	"paymentd/core/payment"
)

// waitUntilFinal lets time pass without faults until every payment is final and no request is on its
// way to a gateway.
func (w *world) waitUntilFinal() {
	set := w.service
	// At worst: a lease for each lost worker, then the longest pause between two lookups, before and
	// after the last late charge may have arrived; and the deferred rounds.
	limit := time.Duration(payment.MaxLostWorkers+2)*(set.Lease+2*time.Minute) + 4*set.LookupMax + 6*set.Late + w.blackout + 20*time.Minute
	if w.jump > 0 {
		limit += payment.MaxPostponement // what is due later than that is due, and what is due sooner is not
	}
	limit += set.PendingTimeout
	if len(w.routed) > 0 || w.events > 0 {
		limit += 4 * (set.LookupMax + set.Late) // a key is looked up once more for each event, and at each gateway
	}
	for _, d := range set.DeferredRetries {
		limit += d + 2*time.Minute
	}
	began := time.Now()
	for w.sleep(10 * time.Second) {
		id, stuck := w.audit.stuck()
		if !stuck && w.audit.settled() && w.calls.Load() == 0 {
			return
		}
		if time.Since(began) > limit {
			var p payment.Payment
			if d := w.audit.orders[id]; d != nil {
				p = d.payment
			}
			w.report(id, "stuck: not final %v after the last fault: %s, due %v, in doubt %+v, keys %+v", time.Since(began), p.State, p.DueAt, p.Doubt, p.Keys)
			return
		}
	}
}

// stuck returns a payment that is not final.
func (a *audit) stuck() (payment.OrderID, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(a.orders)) {
		d := a.orders[id]
		a.inspect(id)
		if p := d.payment; p.OrderID != "" && !p.State.Final() && p.State != payment.StateAuthorized && !a.needsOperator(d) {
			return id, true
		}
		for _, t := range a.taken(id) {
			if !a.recorded(d, t) && a.findable(d, t) {
				return id, true
			}
		}
		for _, k := range d.payment.Keys {
			watched := !d.payment.Operation.IsCharge() && d.payment.State == payment.StateSucceeded
			if k.Closed == "" && !k.DueAt.IsZero() && !watched && !a.forgotten(d, k.Key) {
				return id, true
			}
		}
	}
	return "", false
}

// settled reports whether every request has reached a gateway's ledger.
func (a *audit) settled() bool {
	for _, b := range a.banks {
		if !b.Settled() {
			return false
		}
	}
	return true
}

// forgotten reports whether a lookup of the key can no longer prove anything.
func (a *audit) forgotten(d *orderRecord, key payment.GatewayKey) bool {
	k := d.log(key)
	set := a.world.can(k.gateway)
	return !set.LooksUp || set.LookupForgets && set.KeyLifetime > 0 && time.Since(k.first) >= set.KeyLifetime
}

// findable reports whether a lookup finds the transaction.
func (a *audit) findable(d *orderRecord, t taken) bool {
	for _, b := range a.banks {
		if b.id == t.gateway {
			found := b.Decided(t.Key)
			if !t.Operation.IsCharge() {
				found = b.DecidedOperation(t.Operation.Kind, t.Key)
			}
			return b.transaction(found.TransactionID) == t.TransactionID && !a.forgotten(d, t.Key)
		}
	}
	return false
}

// needsOperator reports whether only an operator can resolve the payment.
func (a *audit) needsOperator(d *orderRecord) bool {
	p := d.payment
	waits := p.State == payment.StateUnresolved || p.State == payment.StatePending && !a.world.can(p.Gateway).LooksUp
	return waits && p.Doubt.Any() && a.forgotten(d, p.GatewayKey)
}

// finalCheck reads all payments once more, and posts those that have succeeded again.
func (w *world) finalCheck() {
	c := &client{world: w, id: w.clients, stream: w.stream("last look")}
	for i := range w.orders {
		if c.get(orderID(i)) == "success" {
			c.post(core.Request{OrderID: orderID(i), Money: amountOf(i), Capture: w.captureOf(orderID(i))})
		}
		for _, name := range refundNames {
			c.getRefund(orderID(i), name)
		}
	}
}

// close compares the database with the gateways' ledgers, order by order.
func (a *audit) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(a.orders)) {
		d := a.orders[id]
		a.inspect(id)
		a.checkLedger(id)
		all := a.taken(id)
		if d.payment.Code == payment.CodeRefundReturned {
			continue
		}
		released := len(all) > 0 && atOnce(all) == 0
		if approved := approvedOnce(d.payment); approved != (len(all) > 0) && !released && !d.misled && !a.needsOperator(d) {
			a.world.report(id, "at the end it is %s, and the money was taken %d times", d.payment.State, len(all))
		}
		for _, t := range all {
			if !a.recorded(d, t) && a.findable(d, t) {
				a.world.report(id, "at the end transaction %s of %s is not on record: %+v", t.TransactionID, t.Key, d.payment.Keys)
			}
		}
		for _, transactionID := range slices.Sorted(maps.Keys(d.approved)) {
			by := d.approved[transactionID]
			if !onRecord(d.payment, transactionID) && !a.world.diedBefore(by.replica, by.at, 10*time.Minute) {
				a.world.report(id, "%s got transaction %s with %s, and it is not on record", by.replica, transactionID, by.key)
			}
		}
	}
	a.checkDropped()
	if err := a.store.Ready(context.Background()); err != nil {
		a.world.report("", "the database: %v", err)
	}
}

// checkDropped checks that every living worker that was fenced out with an approval has recorded it.
func (a *audit) checkDropped() {
	for _, id := range slices.Sorted(maps.Keys(a.orders)) {
		d := a.orders[id]
		for _, transactionID := range slices.Sorted(maps.Keys(d.dropped)) {
			if by := d.dropped[transactionID]; !a.world.diedBefore(by.replica, by.at, 2*time.Minute) {
				a.world.report(id, "%s was fenced out with transaction %s, and has not recorded it", by.replica, transactionID)
			}
		}
	}
}

// livedSince reports whether a replica runs that was started before a moment.
func (w *world) livedSince(then time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for replica, born := range w.births {
		if _, dead := w.deaths[replica]; !dead && born.Before(then) {
			return true
		}
	}
	return false
}

// diedBefore reports whether the replica died within d of a moment, or of the end of its last pause if
// that was later. It may then have had no time to store what it knew.
func (w *world) diedBefore(replica string, then time.Time, d time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	died, dead := w.deaths[replica]
	if until := w.pauses[replica]; until.After(then) {
		then = until
	}
	return dead && died.Before(then.Add(d))
}
