package payment

import (
	"fmt"
	"time"
)

// MaxStrikes is how many workers in a row may fall silent over a payment before the
// queue stops charging it and leaves it to the reconciler.
const MaxStrikes = 5

// Terms are those on which a replica's queue picks up what is due.
type Terms struct {
	Replica string
	Lease   time.Duration
	// LookupFirst and LookupMax bound the reconciler's interval, which doubles from
	// the one to the other.
	LookupFirst time.Duration
	LookupMax   time.Duration
}

// PickUp decides what a worker of the queue does with p, under the row's lock at now.
//
// An unresolved payment stays unresolved while the gateway is asked: if the worker
// dies, nothing charges. That the next lookup is put off with the claim is the claim's
// lease.
func (t Terms) PickUp(p Payment, now time.Time) Decision {
	if p.DueAt.IsZero() || now.Before(p.DueAt) {
		return unchanged(VerdictNotDue, p)
	}
	switch p.State {
	case StateProcessing, StateScheduled:
		d := p.claim(claimant{t.Replica, t.Lease, p.GatewayKey, true}, now)
		if d.Payment.Strikes > MaxStrikes {
			return t.setAside(p, now)
		}
		return d
	case StateUnresolved:
		past := p.setPastAside(now)
		p.Fence++
		p.Replica = t.Replica
		p.Lookups++
		p.DueAt = now.Add(t.interval(p.Lookups))
		p.UpdatedAt = now
		return Decision{Verdict: VerdictLookUp, Payment: p, Write: true, Past: past}
	case StateSucceeded, StateDeclined, StateFailed:
	}
	return unchanged(VerdictNotDue, p)
}

// interval is how long to wait after the n-th lookup, n from 1.
func (t Terms) interval(n int) time.Duration {
	d := t.LookupFirst
	for ; n > 0 && d < t.LookupMax; n-- {
		d *= 2
	}
	return min(d, t.LookupMax)
}

// setAside ends the charging of a payment over which workers fall silent.
func (t Terms) setAside(p Payment, now time.Time) Decision {
	p.interrupt(t.Lease, now)
	past := p.setPastAside(now)
	p.State = StateUnresolved
	p.Fence++
	p.Replica = t.Replica
	p.Strikes, p.Lookups = 0, 0
	p.DueAt = now.Add(t.LookupFirst)
	p.UpdatedAt = now
	p.Reason = fmt.Sprintf("set aside: %d workers in a row did not finish it", MaxStrikes+1)
	d := Decision{Verdict: VerdictSetAside, Payment: p, Write: true, Past: past}
	d.tell(EventSetAside, t.Replica, p.Reason)
	return d
}
