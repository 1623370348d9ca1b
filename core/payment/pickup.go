package payment

import (
	"fmt"
	"time"
)

// MaxLostWorkers is how many workers in a row may fall silent over a payment before the
// queue stops charging it and leaves it to the reconciler.
const MaxLostWorkers = 5

// MaxPostponement is the longest that due work is put off whose payment cannot be read.
const MaxPostponement = time.Hour

// Work is a kind of due work. Each kind has workers of its own, so that none waits behind another.
type Work string

const (
	// WorkCharges: payments that were accepted for later, or wait for a retry.
	WorkCharges Work = "charges"
	// WorkTakeovers: payments whose worker is gone.
	WorkTakeovers Work = "takeovers"
	// WorkLookups: unresolved payments.
	WorkLookups Work = "lookups"
)

// State returns the state of the payments that this work is about.
func (w Work) State() State {
	switch w {
	case WorkTakeovers:
		return StateProcessing
	case WorkLookups:
		return StateUnresolved
	case WorkCharges:
	}
	return StateScheduled
}

// Terms are those on which a replica's queue picks up what is due.
type PickUpPolicy struct {
	Work    Work
	Replica string
	Lease   time.Duration
	Rules   KeyRules
	// Worker is the time by the worker's clock.
	Worker time.Time
	// Ahead asks for the next due time to heed what lies further ahead than DueWithin, too.
	Ahead bool
	// NewKey mints a gateway key that was never used.
	NewKey func() GatewayKey
}

// DueWithin returns how far ahead a due time of this work may lie; further ahead it is due, for it
// was set by a clock that has stepped back. Zero for no limit.
func (t PickUpPolicy) DueWithin() time.Duration { return t.Rules.ahead(t.Work.State()) }

// MaxPostponement is for how long work of this kind is put off whose payment cannot be read: well within what a
// due time may lie ahead, or it would be due again at once.
func (t PickUpPolicy) Postponement() time.Duration {
	if within := t.DueWithin(); within > 0 {
		return min(MaxPostponement, within/2)
	}
	return MaxPostponement
}

// PickUp decides what a worker of the queue does with p, under the row's lock at now.
//
// An unresolved payment stays unresolved while the gateway is asked: if the worker
// dies, nothing charges. That the next lookup is put off with the claim is the claim's
// lease.
func (t PickUpPolicy) PickUp(p Payment, now time.Time) Decision {
	if !t.Rules.due(p, now) || p.Foreign(t.Rules.Gateway) {
		return unchanged(VerdictNotDue, p)
	}
	c := claimant{replica: t.Replica, lease: t.Lease, rules: t.Rules, queue: true}
	at := Instant{now, t.Worker}
	switch p.State {
	case StateProcessing, StateScheduled:
		if t.NewKey != nil {
			c.newKey = t.NewKey()
		}
		d := p.claim(c, at)
		if d.Verdict == VerdictClaimed && d.Payment.LostWorkers > MaxLostWorkers {
			return t.quarantine(p, at)
		}
		return d
	case StateUnresolved:
		p.repairClocks(t.Rules, at)
		return p.lookOnly(c, at)
	case StateSucceeded, StateDeclined, StateFailed:
	}
	return unchanged(VerdictNotDue, p)
}

// setAside ends the charging of a payment over which workers fall silent.
func (t PickUpPolicy) quarantine(p Payment, now Instant) Decision {
	p.repairClocks(t.Rules, now)
	p.interrupt(t.Lease, t.Rules.MaxLease, now)
	refused := p.refusedKey()
	past := p.archiveAttempt(now.DB)
	p.State = StateUnresolved
	p.Fence++
	p.Replica = t.Replica
	p.LostWorkers, p.Lookups = 0, 0
	p.DueAt = now.DB.Add(t.Rules.LookupFirst)
	p.UpdatedAt = now.DB
	p.Reason = fmt.Sprintf("set aside: %d workers in a row did not finish it", MaxLostWorkers+1)
	d := Decision{Verdict: VerdictQuarantined, Payment: p, Write: true, PriorAttempt: past}
	if refused != nil {
		d.keepKey(*refused)
	}
	d.addEvent(EventQuarantined, t.Replica, p.Reason)
	return d
}

// PickUpKey decides what a worker does with the record of a key that is due: a second look at a key
// that is not closed, or the lookups after a person's word. The verdict is VerdictLookUp, or
// VerdictWritten if there is nothing to ask.
func (t PickUpPolicy) PickUpKey(p Payment, key GatewayKey, now time.Time) Decision {
	k, stored := p.findKey(key)
	if !stored || k.DueAt.IsZero() || now.Before(k.DueAt) && !k.DueAt.After(now.Add(t.watchLimit())) {
		return unchanged(VerdictNotDue, p)
	}
	at := Instant{now, t.Worker}
	repaired := p
	repaired.repairClocks(t.Rules, at)
	d := Decision{Verdict: VerdictWritten, Payment: repaired}
	d.Write = repaired.KeySent != p.KeySent || repaired.Doubt != p.Doubt
	k.repairClocks(t.Rules, at)
	current := p.GatewayKey == key
	switch {
	case current && p.State == StateSucceeded && k.WatchUntil.IsZero(),
		k.Closed != "" && !now.Before(k.WatchUntil),
		current && p.State == StateUnresolved: // its own due time leads to the lookups
		k.DueAt = time.Time{}
	case current && p.State == StateProcessing: // its worker, or the takeover, looks it up
		k.DueAt = now.Add(max(t.Rules.LookupFirst, time.Second))
	default:
		k.Lookups++
		k.DueAt = now.Add(max(t.Rules.interval(k.Lookups), time.Second))
		d.Verdict, d.LookUp = VerdictLookUp, key
	}
	d.keepKey(k)
	return d
}

// watchLimit is how far ahead the next lookup of a key may lie.
func (t PickUpPolicy) watchLimit() time.Duration {
	return max(t.Rules.MaxLookup, t.Rules.LookupMax, t.Rules.Late) + time.Minute
}
