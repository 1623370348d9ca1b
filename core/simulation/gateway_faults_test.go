package simulation

import (
	"slices"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
)

// gatewayFault returns what the gateway does with the n-th attempt that arrives for an order.
func (w *world) gatewayFault(id payment.GatewayID, c payment.Charge, n int) (step fake.Step, takes bool, lands time.Duration) {
	s := w.stream("mood", subjectOf(c.OrderID, c.Operation), n)
	if outage, away := w.gatewayAway(id); away {
		return w.outage(w.stream("outage", outage), s), false, 0
	}
	set := w.at(id)
	if n > 1 && w.audit.charging(c.Key) && s.chance(set.gatewayFaults.duplicate) {
		return fake.DeclineAttempt("duplicate_transaction"), false, 0
	}
	return set.gatewayFault(s)
}

// gatewayFault draws what the gateway does with an attempt: whether it takes the money, and after how
// long.
func (set settings) gatewayFault(s stream) (step fake.Step, takes bool, lands time.Duration) {
	m := set.gatewayFaults
	soon := s.between(time.Millisecond, 300*time.Millisecond)
	roll := s.Float64() * (m.approve + m.decline + m.refuse + m.unavailable + m.stumble +
		m.lose + m.late + m.slow + m.reject + m.between + m.running + m.uncharged + m.pending)
	among := func(weight float64) bool { roll -= weight; return roll < 0 }
	switch {
	case among(m.decline):
		step = fake.Slow(soon, fake.Decline("card_declined"))
		if s.chance(0.3) {
			step = fake.WithoutAnswer(step)
		}
		return step, false, 0
	case among(m.refuse):
		if s.chance(0.3) {
			return fake.RefuseFor(s.between(time.Second, 40*time.Second)), false, 0
		}
		return fake.Slow(soon, fake.Refuse()), false, 0
	case among(m.unavailable):
		return set.unavailable(s, soon), false, 0
	case among(m.stumble):
		return fake.Slow(soon, fake.ChargeThenServerError()), true, soon
	case among(m.lose):
		return fake.Slow(soon, fake.LoseAnswer()), true, soon
	case among(m.late):
		late := lateness(s, set.arrival*3/4-soon)
		return fake.Slow(soon, fake.ChargeLate(late)), true, late + soon
	case among(m.slow):
		// An attempt that has arrived may take long: a lookup reports "processing".
		slow := s.between(time.Second, set.slowest())
		return fake.Slow(slow, fake.Approve()), true, slow
	case among(m.reject):
		return fake.Slow(soon, fake.Reject()), false, 0
	case among(m.between):
		return set.intermediary(s, soon)
	case among(m.running):
		return fake.Slow(soon, fake.Running()), false, 0
	case among(m.uncharged):
		return fake.Slow(soon, fake.NotChargedAnswer()), false, 0
	case among(m.pending):
		return pendingStep(s, soon), true, pends
	}
	return fake.Slow(soon, fake.Approve()), true, soon
}

// pendingStep draws a charge that is pending, and whether the customer must act.
func pendingStep(s stream, soon time.Duration) fake.Step {
	if s.chance(0.6) {
		return fake.Slow(soon, fake.Redirect("https://gateway.example/act"))
	}
	return fake.Slow(soon, fake.Pending())
}

// unavailable draws a server error, or a request that the gateway never answers.
func (set settings) unavailable(s stream, soon time.Duration) fake.Step {
	if s.chance(0.3) {
		return fake.Slow(set.gatewayTimeout+time.Second, fake.Timeout())
	}
	return fake.Slow(soon, fake.Unavailable())
}

// lateness draws how late a charge arrives: often only just before the latest moment.
func lateness(s stream, latest time.Duration) time.Duration {
	late := s.between(time.Second, latest)
	if s.chance(0.5) {
		late = latest - s.between(time.Millisecond, latest/4)
	}
	return late
}

// outage draws the kind of an outage: in most outages all requests meet the same fault.
func (set settings) outage(outage, s stream) fake.Step {
	how := outage.IntN(5)
	if how == 4 {
		how = s.IntN(3)
	}
	switch how {
	case 0:
		return fake.Slow(s.between(time.Millisecond, time.Second), fake.Unavailable())
	case 1:
		return fake.Slow(set.gatewayTimeout+time.Second, fake.Timeout())
	default:
		return fake.Refuse()
	}
}

// slowest is how long the gateway may process a charge. A lookup reports "processing" meanwhile; but a
// lagging lookup does not see the end of it at once.
func (set settings) slowest() time.Duration {
	if set.gateway.lag > 0 {
		return set.arrival * 3 / 4
	}
	return 2 * set.service.Late
}

// intermediary draws the result of an attempt that an intermediary answers.
func (set settings) intermediary(s stream, soon time.Duration) (step fake.Step, takes bool, lands time.Duration) {
	status := one(s, 200, 301, 400, 401, 402, 403, 404, 409, 422, 429, 499, 500, 502, 503, 520, 524)
	switch s.IntN(4) {
	case 0:
		return fake.Slow(soon, fake.Intermediary(status, fake.Timeout())), false, 0
	case 1:
		return fake.Slow(soon, fake.Intermediary(status, fake.Decline("card_declined"))), false, 0
	case 2:
		late := s.between(time.Second, set.arrival*3/4-soon)
		return fake.Slow(soon, fake.Intermediary(status, fake.ChargeLate(late))), true, late + soon
	}
	return fake.Slow(soon, fake.Intermediary(status, fake.Approve())), true, soon
}

// pends, in place of a time, says that the gateway decides later: [world.decidePending].
const pends = -1

// decidePending makes the gateways decide pending charges.
func (w *world) decidePending() {
	if !slices.ContainsFunc(w.audit.banks, func(b gatewayLedger) bool { return w.at(b.id).gatewayFaults.pending > 0 }) {
		return
	}
	s := w.stream("pending")
	for w.sleep(s.about(2 * time.Minute)) {
		for _, order := range w.audit.ordersInOrder() {
			for _, key := range w.audit.keysOf(order) {
				for _, b := range w.audit.banks {
					step := fake.Approve()
					if s.chance(0.4) {
						step = fake.Decline("card_declined")
					}
					if w.actsInTime(order, b, key) && b.Complete(key, step) {
						w.trace.add("gateway", order, "decides the pending charge of %s", key)
					}
				}
			}
		}
		select {
		case <-w.over:
			return
		default:
		}
	}
}
