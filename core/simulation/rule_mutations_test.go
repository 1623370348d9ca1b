package simulation

import (
	"context"
	"slices"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
	"paymentd/ports"
)

// bugsOfRules each leave out one rule of "What an answer proves", "Clocks" or "Evidence is kept and used".
func bugsOfRules() []bug {
	return []bug{
		looksUp("an unmarked answer to a lookup is taken for nothing", func(l payment.Lookup) payment.Lookup {
			if l.Result == payment.FoundNoAnswer {
				l.Result = payment.FoundNothing
			}
			return l
		}),
		records("a charge that was named fails by one look", func(r *payment.LookupRecord, p *payment.Payment) {
			if p.Doubt.Named {
				p.Doubt.Named, p.Doubt.Answered = false, true
			}
			if r.End != nil && r.End.Class == payment.ClassPending {
				end := *r.End
				end.Class = payment.ClassUnknownAnswered
				r.End = &end
			}
		}),
		{name: "a payment in flight is resolved without being named", rules: func(rules *fake.Rules) {
			rules.Resolve = func(r payment.Resolution, p payment.Payment, now time.Time) (payment.Decision, error) {
				r.InFlight = true
				return r.Apply(p, now)
			}
		}},
		keepsFutures("a stored start in the future is not replaced"),
		{name: "a heartbeat that lies far ahead is believed", payments: func(p ports.Payments) ports.Payments {
			return believedHeartbeats{p}
		}},
		keepsDoubts("a deferred retry keeps a doubt that has ended"),
	}
}

// keepsFutures leaves what is stored of a payment's key as it is, though it lies in the future of a clock.
func keepsFutures(name string) bug {
	ahead := func(i payment.Instant, now time.Time) bool { return i.DB.After(now) }
	restore := func(was payment.Payment, d *payment.Decision, now time.Time) {
		if ahead(was.Doubt.Unanswered, now) && d.Payment.GatewayKey == was.GatewayKey && d.Payment.Doubt.Any() {
			d.Payment.Doubt = was.Doubt
		}
		d.Payment.Keys = slices.Clone(d.Payment.Keys)
		for i := range d.Payment.Keys {
			k := &d.Payment.Keys[i]
			if old := keyOf(&was, k.Key); old != nil && ahead(old.Doubt.Unanswered, now) && k.Doubt.Any() {
				k.Doubt = old.Doubt
			}
		}
	}
	b := claims(name, restore)
	claimed := b.rules
	b.rules = func(r *fake.Rules) {
		claimed(r)
		r.PickUpKey = func(t payment.PickUpPolicy, p payment.Payment, key payment.GatewayKey, now time.Time) payment.Decision {
			d := t.PickUpKey(p, key, now)
			restore(p, &d, now)
			return d
		}
	}
	return b
}

// believedHeartbeats takes a heartbeat that lies ahead of the database's clock for a fresh one.
type believedHeartbeats struct{ ports.Payments }

func (p believedHeartbeats) Heartbeats(ctx context.Context, asking string) ([]ports.Heartbeat, error) {
	beats, err := p.Payments.Heartbeats(ctx, asking)
	for i := range beats {
		beats[i].Age = max(0, beats[i].Age)
	}
	return beats, err
}

// keepsDoubts leaves the doubt with a payment whose key a lookup has closed and that gets another round.
func keepsDoubts(name string) bug {
	return bug{name: name, rules: func(rules *fake.Rules) {
		rules.RecordLookup = func(r payment.LookupRecord, p payment.Payment, now time.Time) (payment.Decision, error) {
			d, err := r.Apply(p, now)
			if err == nil && d.Payment.State == payment.StateScheduled && !d.Payment.Doubt.Any() {
				d.Payment.Doubt = p.Doubt
			}
			return d, err
		}
	}}
}

// checkLostReplicas checks that no replica that died long ago is left with a heartbeat that lies ahead of the
// database's clock, because the living ones release it. It needs a replica that has run for long enough without faults.
func (a *audit) checkLostReplicas() {
	limit := 5*time.Minute + 5*a.world.heartbeatTimeout
	if time.Since(a.world.began) < a.world.faultPeriod+limit || !a.world.livedSince(time.Now().Add(-limit)) {
		return
	}
	heartbeats, err := a.store.Heartbeats(context.Background(), "")
	if err != nil {
		a.world.report("", "read the heartbeats: %v", err)
		return
	}
	for _, h := range heartbeats {
		if h.Age < -a.world.heartbeatTimeout && a.world.diedBefore(h.Replica, time.Now().Add(-limit), 0) {
			a.world.report("", "%s died long ago, and its heartbeat, which lies %v ahead, is believed", h.Replica, -h.Age)
		}
	}
}
