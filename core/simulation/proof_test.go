package simulation

import (
	"slices"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// keyLog is what was really done with a gateway key, and what the service could know about it, by the
// simulation's own time. The audit judges proofs a second time, from the rules in docs/double-charge.md
// and independently of the code that implements them.
type keyLog struct {
	gateway  payment.GatewayID
	charge   payment.Charge // of the first attempt: all others must be the same
	first    time.Time      // claim that may have sent it
	attempts []*attempt
	looks    []look
	busy     []time.Time // when the gateway said that it was still at work, and that was stored
	claimed  time.Time   // the last claim that may have sent it
	closedAt time.Time   // zero while it is open
	saved    bool        // the gateway has saved a decline, or has cancelled the charge: a repeat gets that
	wordAt   time.Time   // a person's last word on it
}

// look is a lookup that was answered.
type look struct {
	payment.Lookup

	sent time.Time
}

const epsilon = time.Millisecond // databases store microseconds

func (d *orderRecord) log(key payment.GatewayKey) *keyLog {
	k := d.proofs[key]
	if k == nil {
		k = &keyLog{}
		d.proofs[key] = k
	}
	return k
}

// claim notes a claim that may send the key to a gateway, and opens it again.
func (k *keyLog) claim(gateway payment.GatewayID, now time.Time) {
	if k.gateway == "" {
		k.gateway = gateway
	}
	if k.first.IsZero() {
		k.first = now
	}
	k.closedAt, k.claimed = time.Time{}, now
}

// checkReuse checks that the key of a claim was not sent before the latest decline. The service compares the
// times of the database, whose clock steps in some runs.
func (a *audit) checkReuse(d *orderRecord, p payment.Payment) {
	k := d.log(p.GatewayKey)
	if used := !k.claimed.IsZero() && !d.declinedAt.IsZero() && !k.claimed.After(d.declinedAt); used && a.world.jump == 0 && !d.misled {
		a.world.report(p.OrderID, "%s is claimed again, and the payment was declined since", p.GatewayKey)
	}
}

// close notes that the key is closed, and that the proof covers what was sent before.
func (k *keyLog) close(now time.Time) {
	k.closedAt = now
	for _, at := range k.attempts {
		at.covered = true
	}
}

// unknown returns the attempts that may have taken the money, or may still take it.
func (k *keyLog) unknown() []*attempt {
	return slices.DeleteFunc(slices.Clone(k.attempts), func(at *attempt) bool {
		return at.covered || at.class != "" && !at.class.Unknown()
	})
}

// named reports whether the gateway has named a charge that is not decided.
func (k *keyLog) named() bool {
	return slices.ContainsFunc(k.unknown(), func(at *attempt) bool { return at.class == payment.ClassPending })
}

// running reports whether the gateway answered that this attempt or an earlier one was still running.
func (at *attempt) running() bool {
	return at.answered && at.class == payment.ClassUnknownUnanswered
}

// counts reports whether a lookup proves that none of the attempts charges.
func (w *world) counts(k *keyLog, l look, unknown []*attempt) bool {
	can := w.can(k.gateway)
	saved := l.Result == payment.FoundDeclined && can.SavesDeclines
	if l.Result != payment.FoundNothing && l.Result != payment.FoundDeclined || saved {
		return false
	}
	if life := can.KeyLifetime; can.LookupForgets && life > 0 && l.sent.Sub(k.first) >= life+epsilon {
		return false
	}
	if slices.ContainsFunc(unknown, func(at *attempt) bool { return w.tooEarly(at, l, can.LookupLag) }) {
		return false
	}
	return !slices.ContainsFunc(k.busy, func(at time.Time) bool {
		return !at.After(l.sent) && l.sent.Sub(at)+epsilon < w.late
	})
}

// tooEarly reports whether the attempt may still charge after the lookup, or the lookup may not see it.
func (w *world) tooEarly(at *attempt, l look, lag time.Duration) bool {
	sent := at.began
	if at.running() {
		sent = at.ended
	}
	over := at.answered && !at.running()
	passed := l.sent.Sub(sent) + epsilon
	return passed < 0 || passed < lag || !over && passed < w.late
}

// absent reports whether one lookup that found nothing counts.
func (w *world) absent(k *keyLog) bool {
	unknown := k.unknown()
	return slices.ContainsFunc(k.looks, func(l look) bool { return w.counts(k, l, unknown) })
}

// proven reports whether the rules close the key.
func (w *world) proven(k *keyLog) bool {
	unknown := k.unknown()
	var first time.Time
	for _, l := range k.looks {
		switch {
		case l.Result == payment.FoundVoided, l.Result == payment.FoundReturned, l.Result == payment.FoundDeclined && w.can(k.gateway).SavesDeclines:
			return true
		case !w.counts(k, l, unknown):
		case first.IsZero():
			first = l.sent
		case l.sent.Sub(first)+epsilon >= w.late:
			return true
		}
	}
	return len(unknown) == 0
}

// refusal is the class of the last recorded attempt with the key.
func refusal(h ports.History, key payment.GatewayKey) (c payment.Class) {
	for _, at := range h.Attempts {
		if at.GatewayKey == key && at.Class != "" {
			c = at.Class
		}
	}
	return c
}

// checkProofs checks that nothing is stored as not charged, and no key is given up, without proof.
func (a *audit) checkProofs(d *orderRecord, was payment.Payment, h ports.History) {
	is := h.Payment
	if is.Code == payment.CodeRefundReturned && was.Code != is.Code {
		a.checkReturned(d.log(is.GatewayKey), is)
	}
	a.checkClosures(d, was, is)
	a.checkDoubt(d, was, is)
	if is.State == was.State && is.GatewayKey == was.GatewayKey {
		return
	}
	switch is.State {
	case payment.StateDeclined:
		if is.Code == payment.CodeRefundReturned {
			return
		}
		a.checkDeclined(d.log(is.GatewayKey), is)
	case payment.StateFailed:
		a.checkFailed(d.log(is.GatewayKey), h)
	}
}

// checkDoubt checks that a payment is in doubt exactly if an attempt with its key may have charged, and that no
// key that may have charged is given up.
func (a *audit) checkDoubt(d *orderRecord, was, is payment.Payment) {
	find := func(format string, args ...any) { a.world.report(is.OrderID, format, args...) }
	if closed := keyOf(&is, is.GatewayKey); closed != nil && closed.Closed != "" && !approvedOnce(is) && is.Doubt.Any() {
		find("%s, and in doubt although %s is closed as %s", is.State, is.GatewayKey, closed.Closed)
	}
	k := d.log(is.GatewayKey)
	if open := is.State != payment.StateProcessing && !approvedOnce(is); open && !is.Doubt.Any() {
		if n := len(k.unknown()); n > 0 {
			find("%s, and not in doubt although %d attempts with %s may have charged", is.State, n, is.GatewayKey)
		}
	}
	if left := d.log(was.GatewayKey); was.GatewayKey != "" && was.GatewayKey != is.GatewayKey &&
		!approvedOnce(is) && len(left.unknown()) > 0 {
		find("%s was given up for %s, and was not closed", was.GatewayKey, is.GatewayKey)
	}
}

// checkDeclined checks a payment that was just stored as declined, and closes its key.
func (a *audit) checkDeclined(k *keyLog, is payment.Payment) {
	if len(k.unknown()) > 0 {
		a.world.report(is.OrderID, "declined, and %s is not closed", is.GatewayKey)
	}
	if !k.declined() {
		a.world.report(is.OrderID, "declined, and the gateway did not decline %s", is.GatewayKey)
	}
	if k.closedAt.IsZero() {
		k.saved = a.world.can(k.gateway).SavesDeclines && k.final()
		k.close(time.Now())
	}
}

// checkFailed checks a payment that was just stored as failed.
func (a *audit) checkFailed(k *keyLog, h ports.History) {
	is, n := h.Payment, len(k.unknown())
	refused := refusal(h, is.GatewayKey) == payment.ClassDeclined || refusal(h, is.GatewayKey) == payment.ClassRejected
	one := a.world.absent(k) && !k.named() && !refused && a.world.can(k.gateway).HonoursKeys()
	if n > 0 && !one && !k.wordAt.Equal(time.Now()) {
		a.world.report(is.OrderID, "failed with %q, and %d attempts with %s may have charged", is.Code, n, is.GatewayKey)
	}
}

// final reports whether the gateway has determined what every repeat with the key will get.
func (k *keyLog) final() bool {
	return slices.ContainsFunc(k.looks, func(l look) bool {
		return l.Result == payment.FoundVoided || l.Result == payment.FoundDeclined
	})
}

// checkTakeover checks that the attempt of a worker that lost its claim counts as sent no earlier than
// the end of its lease by its own clock, because it may begin until then.
func (a *audit) checkTakeover(d *orderRecord, was, is payment.Payment) {
	if begun := was.Attempt.Class == "" && !was.Attempt.StartedAt.IsZero(); !begun || a.world.skew > 0 {
		return
	}
	u := is.Doubt.Unanswered
	sent := u.DB.Add(-a.ahead)
	if u.Worker.After(sent) {
		sent = u.Worker
	}
	if until := d.believes[was.Replica]; sent.Add(time.Second+epsilon).Before(until) && time.Now().Before(until) {
		a.world.report(is.OrderID, "the attempt of %s counts as sent at %v, and it may begin until %v", was.Replica,
			sent.Sub(a.world.began), until.Sub(a.world.began))
	}
}

// declined reports whether the gateway itself declined.
func (k *keyLog) declined() bool {
	return slices.ContainsFunc(k.attempts, func(at *attempt) bool { return at.class == payment.ClassDeclined }) ||
		slices.ContainsFunc(k.looks, func(l look) bool {
			return l.Result == payment.FoundDeclined || l.Result == payment.FoundVoided
		})
}

// checkClosures checks that a key is closed by a proof or by an operator.
func (a *audit) checkClosures(d *orderRecord, was, is payment.Payment) {
	for _, key := range is.Keys {
		i := slices.IndexFunc(was.Keys, func(k payment.Key) bool { return k.Key == key.Key })
		if key.Closed == "" || key.Closed == payment.ClosedCharged || i >= 0 && was.Keys[i].Closed == key.Closed {
			continue
		}
		k := d.log(key.Key)
		switch {
		case key.Closed == payment.ClosedPerson:
			if !k.wordAt.Equal(time.Now()) {
				a.world.report(is.OrderID, "%s was closed by a person, and no one has spoken", key.Key)
			}
		case !a.world.proven(k):
			a.world.report(is.OrderID, "%s was closed as %s, and that is not proven", key.Key, key.Closed)
		}
		k.saved = k.final()
		k.close(time.Now())
		a.cover("keys closed: " + string(key.Closed))
	}
}

// checkAttempt checks that an attempt may begin with this key, at this gateway.
func (a *audit) checkAttempt(d *orderRecord, replica string, gateway payment.GatewayID, c payment.Charge) {
	find := func(format string, args ...any) { a.world.report(c.OrderID, replica+" "+format, args...) }
	k, set := d.log(c.Key), a.world.can(gateway)
	if k.gateway == "" {
		k.gateway = gateway
	}
	if k.charge == (payment.Charge{}) {
		k.charge = c
	}
	doubt := len(k.unknown()) > 0
	age := time.Since(k.first)
	switch {
	case k.gateway != gateway:
		find("charges at %s with %s, a key of %s", gateway, c.Key, k.gateway)
	case k.charge != c:
		find("sends %+v, and has sent %+v with the same key", c, k.charge)
	case !k.closedAt.IsZero() && !k.saved:
		find("charges with %s, which is closed", c.Key)
	case doubt && set.KeyLifetime > 0 && age > set.KeyLifetime-a.world.gatewayTimeout-a.world.late:
		find("charges with %s, which is %v old and may be forgotten", c.Key, age)
	case doubt && !set.HonoursKeys() && !a.overlapping(d, c.Key):
		find("charges with %s again, and the gateway does not honour keys", c.Key)
	}
}

// overlapping reports whether another worker's attempt with the key is in flight that this worker does
// not know about.
func (a *audit) overlapping(d *orderRecord, key payment.GatewayKey) bool {
	return slices.ContainsFunc(d.log(key).unknown(), func(at *attempt) bool { return at.ended.IsZero() })
}

// lookedUp notes a lookup that was answered.
func (a *audit) lookedUp(replica string, gateway payment.GatewayID, key payment.GatewayKey, sent time.Time, l payment.Lookup) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, d := range a.orders {
		k := d.proofs[key]
		if k == nil {
			continue
		}
		if k.gateway != "" && k.gateway != gateway {
			a.world.report(id, "%s looks up %s at %s, a key of %s", replica, key, gateway, k.gateway)
		}
		k.looks = append(k.looks, look{l, sent})
		if l.Result == payment.FoundApproved || l.Result == payment.FoundAuthorized {
			d.approve(l.TransactionID, approval{key, replica, time.Now()})
		}
		return
	}
}

// approval is the gateway's answer to a worker that it has taken the money.
type approval struct {
	key     payment.GatewayKey
	replica string
	at      time.Time
}

func (d *orderRecord) approve(transactionID string, by approval) {
	if _, known := d.approved[transactionID]; !known {
		d.approved[transactionID] = by
	}
}

// onRecord reports whether a transaction is part of the stored payment.
func onRecord(p payment.Payment, transactionID string) bool {
	return p.TransactionID == transactionID || slices.ContainsFunc(p.Keys, func(k payment.Key) bool {
		return k.TransactionID == transactionID
	})
}

// rules are those of a replica that is configured for the gateway.
func (w *world) rules(gateway payment.GatewayID) payment.KeyRules {
	set := w.service
	longest := max(set.LookupMax, set.MaxBackoff)
	for _, d := range set.DeferredRetries {
		longest = max(longest, d)
	}
	r := payment.KeyRules{
		Capabilities: w.can(gateway).Capabilities, Late: w.late, Timeout: w.gatewayTimeout,
		LookupFirst: set.LookupFirst, LookupMax: set.LookupMax,
		MaxLease: set.Lease + set.MaxBackoff + time.Second, MaxDelay: longest + time.Second,
	}
	if len(w.routed) > 0 {
		for _, g := range w.routed {
			r.Gateways = append(r.Gateways, g.can.Capabilities)
		}
		r.Routes = w.routes()
	}
	return r
}
