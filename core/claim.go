package core

import (
	"sync/atomic"
	"time"

	"paymentd/core/payment"
)

// claim is a payment this worker currently holds, or the payment that a refused claim returned.
type claim struct {
	payment *payment.Payment // as stored; replaced by each write of this worker
	asked   time.Time        // when the claim was requested, by this replica's clock
	read    time.Time        // when the payment was returned, by this replica's clock
	lag     time.Duration    // how long before that it may have been read
	// until is when the lease may expire, by this replica's clock: no attempt begins later.
	until time.Time
	// last is the result of the latest attempt of this round, nil before the first; recorded is
	// whether it is stored.
	last     *payment.AttemptEnd
	recorded bool
	next     time.Time // when the next attempt is planned
	expired  bool      // an attempt was not made, because the key is too old to be sent again
	// replay: the lookup of the round found a charge that another worker had settled already.
	replay atomic.Bool
}

// newClaim returns the claim on a payment that was requested at asked.
func (s *Service) newClaim(p *payment.Payment, asked time.Time) *claim {
	now := time.Now()
	return &claim{payment: p, asked: asked, read: now, lag: now.Sub(asked), until: asked.Add(s.Lease)}
}

// asFound returns the stored payment as the result for all requests of a flight.
func (c *claim) asFound() result {
	return result{payment: c.payment, asOf: c.asked, replayed: true, shared: true}
}

// foreign returns the result of a payment whose gateway is not configured here: a replica with it continues a payment
// that waits.
func (c *claim) foreign() (result, error) {
	switch c.payment.State {
	case payment.StateScheduled, payment.StatePending, payment.StateUnresolved:
		return c.asFound(), nil
	default:
		return result{shared: true}, ErrForeignGateway
	}
}

// now returns the present time by both clocks. The database's is the time at which the payment was
// read, plus the time that has passed since.
func (c *claim) now() payment.Instant {
	now := time.Now()
	seen := c.payment.SeenAt
	if seen.IsZero() {
		seen = c.payment.CreatedAt // the claim created the payment
	}
	return payment.Instant{DB: seen.Add(now.Sub(c.read)), Worker: now.Round(0)}
}

// latest returns the latest time that it can be by both clocks: the answer with the payment may have taken long.
// The age of a key is measured to this.
func (c *claim) latest() payment.Instant {
	now := c.now()
	now.DB = now.DB.Add(c.lag)
	return now
}

// doubt returns what the attempts with the key left open, including the latest.
func (c *claim) doubt() payment.Doubt {
	if end := c.unrecorded(); end != nil {
		return c.payment.Doubt.With(end.Class, c.now())
	}
	return c.payment.Doubt
}

// unrecorded returns the result of the latest attempt if it is not stored, and nil if it is.
func (c *claim) unrecorded() *payment.AttemptEnd {
	if c.recorded {
		return nil
	}
	return c.last
}

// leaseExpired reports whether an attempt was not made because the lease had expired.
func (c *claim) leaseExpired() bool { return c.until.IsZero() }

// rules returns the rules for sending a key, and for what a lookup proves.
func (s *Service) rules() payment.KeyRules {
	const slack = time.Second // between the database's clock and the arrival of its answer
	longest := s.MaxBackoff
	for _, delay := range s.DeferredRetries {
		longest = max(longest, delay)
	}
	unavailable, _ := s.gateways.unavailable()
	return payment.KeyRules{
		Capabilities: s.gateways.first.Capabilities(), Gateways: s.gateways.list, Routes: s.gateways.routes,
		Unavailable: unavailable, Late: s.Late, Timeout: s.GatewayTimeout,
		LookupFirst: s.LookupFirst, LookupMax: s.LookupMax, PendingTimeout: s.PendingTimeout,
		MaxLease: s.Lease + s.MaxBackoff + slack, MaxDelay: longest + slack,
		MaxLookup: max(s.LookupMax, s.Late) + slack,
	}
}
