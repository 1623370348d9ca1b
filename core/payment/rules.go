package payment

import "time"

// KeyRules decide to which gateway a payment goes, whether a gateway key may be sent again and what a
// lookup proves. They are the capabilities of the configured gateways and the service's own limits.
type KeyRules struct {
	// Capabilities are those of the gateway that a key belongs to.
	Capabilities

	// Gateways are the configured gateways, and Routes the order in which a payment tries them. Without
	// them, there is one gateway, which has the capabilities above.
	Gateways []Capabilities
	Routes   Routes
	// Unavailable are the gateways to which no attempt can be sent now. A new key is not sent there
	// unless all gateways of the route are unavailable.
	Unavailable []GatewayID

	// Late is how long after it was sent an unanswered attempt may still charge.
	Late time.Duration
	// Timeout bounds one attempt.
	Timeout time.Duration
	// LookupFirst and LookupMax bound the interval of lookups, which doubles from the first to the
	// second.
	LookupFirst time.Duration
	LookupMax   time.Duration
	// PendingTimeout is how long a customer who must act has for it, from the attempt that became pending.
	// Later the charge is cancelled. Zero for no limit.
	PendingTimeout time.Duration
	// MaxLease bounds how far in the future a lease ends, MaxLookup the same of the next lookup, and
	// MaxDelay of any other due time. A later due time was set by a clock that has since stepped
	// back. Zero for no limit.
	MaxLease  time.Duration
	MaxDelay  time.Duration
	MaxLookup time.Duration
}

// Claimed reports whether a worker holds a live claim on p at now, by the database's clock.
func (r KeyRules) Claimed(p Payment, now time.Time) bool {
	return p.Claimed(now) && (r.MaxLease == 0 || !p.DueAt.After(now.Add(r.MaxLease)))
}

// maxAhead is how far in the future the due time of a payment in this state may lie; zero for no limit.
func (r KeyRules) maxAhead(s State) time.Duration {
	switch s {
	case StateProcessing:
		return r.MaxLease
	case StatePending, StateUnresolved:
		return r.MaxLookup
	case StateAuthorized:
		return maxHoldLookup + time.Minute
	case StateScheduled, StateSucceeded, StateDeclined, StateFailed, StateVoided: // final payments are never due
	}
	return r.MaxDelay
}

// due reports whether p is due at now.
func (r KeyRules) due(p Payment, now time.Time) bool {
	limit := r.maxAhead(p.State)
	return !p.DueAt.IsZero() && (!now.Before(p.DueAt) || limit > 0 && p.DueAt.After(now.Add(limit)))
}

// Expired reports whether the gateway may forget a key that was first sent at sent before an attempt
// that begins now has ended. An expired key is not sent again.
func (r KeyRules) Expired(sent Instant, lifetime time.Duration, now Instant) bool {
	lifetime = r.lifetimeOf(sent, lifetime)
	return lifetime > 0 && !sent.IsZero() && sent.Age(now) > lifetime-r.Timeout-r.Late
}

// lifetimeOf returns the lifetime that is stored with the key, or today's if the previous version sent
// it, which stored neither that nor the worker's time.
func (r KeyRules) lifetimeOf(sent Instant, stored time.Duration) time.Duration {
	if sent.Worker.IsZero() {
		return r.KeyLifetime
	}
	return stored
}

// forgotten reports whether a lookup that was sent at the moment at may have found nothing because the
// gateway has forgotten the key.
func (r KeyRules) forgotten(k Key, at Instant) bool {
	lifetime := r.lifetimeOf(k.Sent, k.Lifetime)
	return r.LookupForgets && lifetime > 0 && !k.Sent.IsZero() && k.Sent.Age(at) >= lifetime
}

// absenceCounts reports whether "no charge has this key", the answer to a lookup that was sent at the
// moment at, proves that none of the key's attempts charges. The three conditions are those of
// docs/double-charge.md, "When a lookup's nothing counts".
func (r KeyRules) absenceCounts(k Key, at Instant) bool {
	switch {
	case !r.LooksUp || k.Doubt.MayStillCharge(at, r.Late):
		return false
	case r.LookupLag > 0 && !k.Doubt.Latest.IsZero() && k.Doubt.Latest.Elapsed(at) < r.LookupLag:
		return false
	}
	return !r.forgotten(k, at)
}

// lookupInterval is how long to wait after the n-th lookup, n from 1.
func (r KeyRules) lookupInterval(n int) time.Duration {
	d := r.LookupFirst
	for ; n > 0 && d < r.LookupMax; n-- {
		d *= 2
	}
	return min(d, r.LookupMax)
}

// abandoned reports whether a pending charge is to be cancelled at now, because the customer has not acted
// in time. The time begins with the latest attempt, because an earlier round may have used the same key.
func (r KeyRules) abandoned(p Payment, now Instant) bool {
	return p.Operation.IsCharge() && r.Cancels && r.PendingTimeout > 0 && p.RedirectURL() != "" && !p.KeySent.IsZero() &&
		p.KeySent.Later(p.Doubt.Latest).Elapsed(now) >= r.PendingTimeout
}

// maxSkew is how far in the future a stored moment may lie although no clock has stepped back, because
// an attempt of a lost worker counts as sent at the end of its lease.
func (r KeyRules) maxSkew() time.Duration { return r.MaxLease }
