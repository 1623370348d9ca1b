package payment

import (
	"fmt"
	"time"
)

// MaxLostWorkers is how many workers in a row may be lost over a payment. After one more, the queue
// stops charging it and only looks it up.
const MaxLostWorkers = 5

// MaxPostponement bounds [PickUpPolicy.Postponement].
const MaxPostponement = time.Hour

// Work is a kind of due work. Each kind has workers of its own, so that none waits for another.
type Work string

const (
	// WorkCharges: payments that were accepted for later, or wait for a retry.
	WorkCharges Work = "charges"
	// WorkTakeovers: payments whose worker's lease has expired.
	WorkTakeovers Work = "takeovers"
	// WorkLookups: unresolved payments, and keys whose next lookup is due.
	WorkLookups Work = "lookups"
	// WorkPending: payments that the gateway decides later.
	WorkPending Work = "pending"
	// WorkHolds: authorized payments, whose hold may have expired.
	WorkHolds Work = "holds"
)

// State returns the state of the payments that the work is about.
func (w Work) State() State {
	switch w {
	case WorkTakeovers:
		return StateProcessing
	case WorkLookups:
		return StateUnresolved
	case WorkPending:
		return StatePending
	case WorkHolds:
		return StateAuthorized
	case WorkCharges:
	}
	return StateScheduled
}

// PickUpPolicy is how a replica's queue claims due payments.
type PickUpPolicy struct {
	Work    Work
	Replica string
	Lease   time.Duration
	Rules   KeyRules
	// Worker is the time by the worker's clock.
	Worker time.Time
	// Ahead makes the search for the next due time include due times beyond DueWithin.
	Ahead bool
	// Within bounds how far ahead the search for the next due time looks; zero for no limit. Due times that are far
	// ahead, such as those of holds, may be many.
	Within time.Duration
	// NewKey returns a gateway key that was never used.
	NewKey func() GatewayKey
}

// DueWithin returns how far in the future a due time of this work may lie. Work that is due later is
// due now, because its due time was set by a clock that has stepped back. Zero for no limit.
func (t PickUpPolicy) DueWithin() time.Duration { return t.Rules.maxAhead(t.Work.State()) }

// Postponement is how long due work is postponed if its row cannot be read: at most [MaxPostponement],
// and at most half of DueWithin, because later due times count as due.
func (t PickUpPolicy) Postponement() time.Duration {
	if within := t.DueWithin(); within > 0 {
		return min(MaxPostponement, within/2)
	}
	return MaxPostponement
}

// PickUp decides what a worker of the queue does with p, under the row's lock at now.
//
// A pending or unresolved payment stays so while its key is looked up, so that a lost worker cannot lead
// to a charge. The claim of a lookup has no lease of its own: the claim postpones the next lookup.
func (t PickUpPolicy) PickUp(p Payment, now time.Time) Decision {
	if !t.Rules.due(p, now) || p.Foreign(t.Rules) {
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
	case StatePending, StateAuthorized, StateUnresolved:
		p.clampFutureTimes(t.Rules, at)
		own, _ := t.Rules.At(p.Gateway)
		d := p.claimForLookup(c, at)
		if own.abandoned(p, at) || p.State == StatePending && p.CancelRequested() && own.Cancels {
			d.Verdict = VerdictCancel
		}
		return d
	case StateSucceeded, StateDeclined, StateFailed, StateVoided:
	}
	return unchanged(VerdictNotDue, p)
}

// ReasonQuarantined begins the reason of a payment over which too many workers in a row were lost.
const ReasonQuarantined = "quarantined"

// quarantine stops the charging of a payment over which too many workers in a row were lost.
func (t PickUpPolicy) quarantine(p Payment, now Instant) Decision {
	p.clampFutureTimes(t.Rules, now)
	p.recordLostAttempt(t.Lease, t.Rules.MaxLease, now)
	refused := p.refusedKey()
	prior := p.archiveAttempt(now.DB)
	p.State = StateUnresolved
	p.Fence++
	p.Replica = t.Replica
	p.LostWorkers, p.Lookups = 0, 0
	p.DueAt = now.DB.Add(t.Rules.LookupFirst)
	p.UpdatedAt = now.DB
	p.Reason = fmt.Sprintf("%s: %d workers in a row did not finish it", ReasonQuarantined, MaxLostWorkers+1)
	d := Decision{Verdict: VerdictQuarantined, Payment: p, Write: true, PriorAttempt: prior}
	if refused != nil {
		d.storeKey(*refused)
	}
	d.addEvent(EventQuarantined, t.Replica, p.Reason)
	return d
}

// PickUpKey decides what a worker does with the record of a key that is due: the second lookup of a key
// that is not closed, or a lookup after an operator resolved the payment. The verdict is
// VerdictLookUp, or VerdictWritten if no lookup is needed now.
func (t PickUpPolicy) PickUpKey(p Payment, key GatewayKey, now time.Time) Decision {
	k, stored := p.findKey(key)
	if !stored || k.DueAt.IsZero() || now.Before(k.DueAt) && !k.DueAt.After(now.Add(t.maxKeyAhead())) {
		return unchanged(VerdictNotDue, p)
	}
	at := Instant{now, t.Worker}
	clamped := p
	clamped.clampFutureTimes(t.Rules, at)
	d := Decision{Verdict: VerdictWritten, Payment: clamped}
	d.Write = clamped.KeySent != p.KeySent || clamped.Doubt != p.Doubt
	k.clampFutureTimes(t.Rules, at)
	current := p.GatewayKey == key
	switch {
	case current && p.State.Approved() && k.WatchUntil.IsZero(),
		k.Closed != "" && !now.Before(k.WatchUntil),
		current && p.State.looksUp() && !k.watched(p.Operation, at): // looked up at the payment's own due time
		k.DueAt = time.Time{}
	case current && p.State.claimable(): // looked up by its worker, after the takeover, or at its own due time
		k.DueAt = now.Add(max(t.Rules.LookupFirst, time.Second))
	default:
		k.Lookups++
		k.DueAt = now.Add(max(t.Rules.lookupInterval(k.Lookups), time.Second))
		d.Verdict, d.LookUp = VerdictLookUp, key
	}
	d.storeKey(k)
	return d
}

// maxKeyAhead is how far in the future the next lookup of a key may lie.
func (t PickUpPolicy) maxKeyAhead() time.Duration {
	return max(t.Rules.MaxLookup, t.Rules.LookupMax, t.Rules.Late) + time.Minute
}
