package fake

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Payments is ports.Payments in memory. Each method holds one mutex, as a transaction
// on a database would hold its lock. Several services may share one: they are then
// replicas on one database.
type Payments struct {
	// Rules may be changed before the first call.
	Rules Rules

	mu       sync.Mutex
	ahead    time.Duration
	orders   map[payment.OrderID]*record
	replicas map[string]time.Time // by name, when each was last heard of
}

// record is all that is stored of one order.
type record struct {
	payment payment.Payment
	past    []payment.Attempt // the attempts before the payment's own
	events  []payment.Event
}

// NewPayments returns an empty repository.
func NewPayments() *Payments {
	return &Payments{
		Rules:    rules(),
		orders:   make(map[payment.OrderID]*record),
		replicas: make(map[string]time.Time),
	}
}

// MoveClock moves the database's clock by d, against those of the services.
func (s *Payments) MoveClock(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

// transact runs f as one transaction at the database's now, in microseconds as databases
// have it.
func (s *Payments) transact(ctx context.Context, f func(now time.Time) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return f(time.Now().Add(s.ahead).UTC().Truncate(time.Microsecond))
}

// change runs decide on a stored payment as one transaction, and stores the decision.
func (s *Payments) change(
	ctx context.Context, id payment.OrderID,
	decide func(payment.Payment, time.Time) (payment.Decision, error),
) error {
	return s.transact(ctx, func(now time.Time) error {
		r, known := s.orders[id]
		if !known {
			return ports.ErrNotFound
		}
		d, err := decide(r.read(now), now)
		if err == nil {
			r.store(d)
		}
		return err
	})
}

// read returns the payment as seen at now.
func (r *record) read(now time.Time) payment.Payment {
	p := r.payment
	p.SeenAt = now
	return p
}

func (r *record) store(d payment.Decision) {
	r.payment.Keys = d.Payment.Keys
	if !d.Write {
		return
	}
	r.payment = d.Payment
	r.payment.SeenAt, r.payment.TakenOver = time.Time{}, false
	if d.PriorAttempt != nil {
		r.past = append(r.past, *d.PriorAttempt)
	}
	if d.Event != nil {
		r.events = append(r.events, *d.Event)
	}
}

// Claim opens the payment of a new order, or lets the rules decide about a known one.
func (s *Payments) Claim(
	ctx context.Context, ask payment.ClaimRequest,
) (p payment.Payment, v payment.Verdict, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		r, known := s.orders[ask.OrderID]
		if !known {
			p, v = ask.Open(now), payment.VerdictClaimed
			if ask.Deferred {
				v = payment.VerdictAccepted
			}
			s.orders[ask.OrderID] = &record{payment: p}
			return nil
		}
		d := s.Rules.Decide(ask, r.read(now), now)
		r.store(d)
		p, v = d.Payment, d.Verdict
		return nil
	})
	return p, v, err
}

// Renew records the end of an attempt.
func (s *Payments) Renew(ctx context.Context, r payment.Renewal) error {
	return s.change(ctx, r.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.Renew(r, p, now)
	})
}

// Settle writes an outcome.
func (s *Payments) Settle(ctx context.Context, st payment.Settlement) error {
	return s.change(ctx, st.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.Settle(st, p, now)
	})
}

// RecordLookup stores the answer to a lookup.
func (s *Payments) RecordLookup(
	ctx context.Context, r payment.LookupRecord,
) (payment.Payment, payment.Verdict, error) {
	return s.decided(ctx, r.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.RecordLookup(r, p, now)
	})
}

// RecordApproval stores the gateway's approval.
func (s *Payments) RecordApproval(
	ctx context.Context, a payment.Approval,
) (payment.Payment, payment.Verdict, error) {
	return s.decided(ctx, a.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.RecordApproval(a, p, now)
	})
}

// decided is change for a caller that wants to know what was decided.
func (s *Payments) decided(
	ctx context.Context, id payment.OrderID,
	decide func(payment.Payment, time.Time) (payment.Decision, error),
) (p payment.Payment, v payment.Verdict, err error) {
	err = s.change(ctx, id, func(stored payment.Payment, now time.Time) (payment.Decision, error) {
		d, err := decide(stored, now)
		p, v = d.Payment, d.Verdict
		return d, err
	})
	return p, v, err
}

// Resolve writes a person's word.
func (s *Payments) Resolve(ctx context.Context, r payment.Resolution) error {
	return s.change(ctx, r.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.Resolve(r, p, now)
	})
}

// Import writes a charge that the gateway's books have.
func (s *Payments) Import(ctx context.Context, i payment.Import) (v payment.Verdict, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		r, known := s.orders[i.OrderID]
		if !known {
			r = &record{payment: i.Open(now)}
		}
		d, err := s.Rules.Import(i, r.read(now), now)
		if err != nil {
			return err
		}
		r.store(d)
		s.orders[i.OrderID], v = r, d.Verdict
		return nil
	})
	return v, err
}

// Find returns a payment.
func (s *Payments) Find(ctx context.Context, id payment.OrderID) (p payment.Payment, err error) {
	h, err := s.History(ctx, id)
	return h.Payment, err
}

// History returns all that is stored of a payment.
func (s *Payments) History(ctx context.Context, id payment.OrderID) (h ports.History, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		r, known := s.orders[id]
		if !known {
			return ports.ErrNotFound
		}
		h = r.history(now)
		return nil
	})
	return h, err
}

func (r *record) history(now time.Time) ports.History {
	h := ports.History{
		Payment: r.read(now), Attempts: slices.Clone(r.past), Events: slices.Clone(r.events), Keys: r.payment.Keys,
	}
	if latest := r.payment.Attempt; !latest.StartedAt.IsZero() {
		h.Attempts = append(h.Attempts, latest)
	}
	return h
}

// Ready returns nil: there is no schema that could be wrong.
func (s *Payments) Ready(ctx context.Context) error {
	return s.transact(ctx, func(time.Time) error { return nil })
}

// TryWrite returns nil: memory takes every write.
func (s *Payments) TryWrite(ctx context.Context) error { return s.Ready(ctx) }
