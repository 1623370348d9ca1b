package payment

import "time"

// KeyRules are what decides whether a gateway key may be sent again and what a lookup proves:
// what the configured gateway can prove, and the service's own limits.
type KeyRules struct {
	Capabilities

	// Late is how long an attempt without an answer may still charge.
	Late time.Duration
	// Timeout bounds one attempt.
	Timeout time.Duration
	// LookupFirst and LookupMax bound the interval of lookups, which doubles from the one to
	// the other.
	LookupFirst time.Duration
	LookupMax   time.Duration
	// MaxLease is the longest that a lease can end in the future, and MaxDelay the same of any
	// other due time. What is due later than that was set by a clock that has since stepped back.
	// Zero for no limit.
	MaxLease time.Duration
	MaxDelay time.Duration
	// MaxLookup is the same of the next lookup.
	MaxLookup time.Duration
}

// Claimed reports whether a worker holds a live claim on p at now, of the database's clock.
func (r KeyRules) Claimed(p Payment, now time.Time) bool {
	return p.Claimed(now) && (r.MaxLease == 0 || !p.DueAt.After(now.Add(r.MaxLease)))
}

// ahead is how far ahead the due time of a payment in this state may lie; zero for no limit.
func (r KeyRules) ahead(s State) time.Duration {
	switch s {
	case StateProcessing:
		return r.MaxLease
	case StateUnresolved:
		return r.MaxLookup
	default:
		return r.MaxDelay
	}
}

// due reports whether p is due at now.
func (r KeyRules) due(p Payment, now time.Time) bool {
	limit := r.ahead(p.State)
	return !p.DueAt.IsZero() && (!now.Before(p.DueAt) || limit > 0 && p.DueAt.After(now.Add(limit)))
}

// Expired reports whether a key that was first sent then may be forgotten by the gateway before
// an attempt that begins now has ended. It is not sent again.
func (r KeyRules) Expired(sent Instant, lifetime time.Duration, now Instant) bool {
	lifetime = r.lifetimeOf(sent, lifetime)
	return lifetime > 0 && !sent.IsZero() && sent.Age(now) > lifetime-r.Timeout-r.Late
}

// lifetimeOf is the key's lifetime: the one stored with it, or today's if the version before, which
// stored neither that nor the worker's time, sent it.
func (r KeyRules) lifetimeOf(sent Instant, stored time.Duration) time.Duration {
	if sent.Worker.IsZero() {
		return r.KeyLifetime
	}
	return stored
}

// forgotten reports whether a lookup that was sent at the moment at may find nothing because the
// gateway has forgotten the key.
func (r KeyRules) forgotten(k Key, at Instant) bool {
	lifetime := r.lifetimeOf(k.Sent, k.Lifetime)
	return r.LookupForgets && lifetime > 0 && !k.Sent.IsZero() && k.Sent.Age(at) >= lifetime
}

// absenceCounts reports whether "no charge has this key", the answer to a lookup that was sent at
// the moment at, proves that none of the key's attempts charges. The three conditions are those of
// docs/double-charge.md, "When a lookup's nothing counts".
func (r KeyRules) absenceCounts(k Key, at Instant) bool {
	switch {
	case k.Doubt.MayStillCharge(at, r.Late):
		return false
	case r.LookupLag > 0 && !k.Doubt.Latest.IsZero() && k.Doubt.Latest.Elapsed(at) < r.LookupLag:
		return false
	}
	return !r.forgotten(k, at)
}

// interval is how long to wait after the n-th lookup, n from 1.
func (r KeyRules) interval(n int) time.Duration {
	d := r.LookupFirst
	for ; n > 0 && d < r.LookupMax; n-- {
		d *= 2
	}
	return min(d, r.LookupMax)
}

// skew is how far a moment that is stored may lie in the future without a clock having stepped
// back: an attempt of a lost worker counts as sent at the end of its lease.
func (r KeyRules) skew() time.Duration { return r.MaxLease }
