package simulation

import (
	"time"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
)

// mood is what the gateway does with an attempt that arrives, the n-th for its order.
func (w *world) mood(c payment.Charge, n int) (step fake.Step, takes bool, lands time.Duration) {
	s := w.stream("mood", c.OrderID, n)
	if outage, away := w.gatewayOutages.now(); away {
		return w.outage(w.stream("outage", outage), s), false, 0
	}
	return w.settings.mood(s)
}

// mood draws what the gateway does with an attempt: whether it takes the money, and after how
// long.
func (set settings) mood(s stream) (step fake.Step, takes bool, lands time.Duration) {
	m := set.moods
	soon := s.between(time.Millisecond, 300*time.Millisecond)
	roll := s.Float64() * (m.approve + m.decline + m.refuse + m.unavailable + m.stumble +
		m.lose + m.late + m.slow + m.reject)
	among := func(weight float64) bool { roll -= weight; return roll < 0 }
	switch {
	case among(m.decline):
		if s.chance(0.3) {
			return fake.Unheard(fake.Slow(soon, fake.Decline("card_declined"))), false, 0
		}
		return fake.Slow(soon, fake.Decline("card_declined")), false, 0
	case among(m.refuse):
		if s.chance(0.3) {
			return fake.RefuseFor(s.between(time.Second, 40*time.Second)), false, 0
		}
		return fake.Slow(soon, fake.Refuse()), false, 0
	case among(m.unavailable):
		if s.chance(0.3) {
			return fake.Slow(set.gatewayTimeout+time.Second, fake.Timeout()), false, 0
		}
		return fake.Slow(soon, fake.Unavailable()), false, 0
	case among(m.stumble):
		return fake.Slow(soon, fake.Stumble()), true, soon
	case among(m.lose):
		return fake.Slow(soon, fake.LoseAnswer()), true, soon
	case among(m.late):
		latest := set.arrival*3/4 - soon
		late := s.between(time.Second, latest)
		if s.chance(0.5) {
			late = latest - s.between(time.Millisecond, latest/4)
		}
		return fake.Slow(soon, fake.ChargeLate(late)), true, late + soon
	case among(m.slow):
		// Once it has arrived it may take its time: a lookup says that the gateway is at it.
		slow := s.between(time.Second, 2*set.service.Late)
		return fake.Slow(slow, fake.Approve()), true, slow
	case among(m.reject):
		return fake.Slow(soon, fake.Reject()), false, 0
	}
	return fake.Slow(soon, fake.Approve()), true, soon
}

// outage draws how a gateway is away: most are away in one way for all.
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
