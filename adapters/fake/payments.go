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

// Payments is ports.Payments in memory. Each method holds one mutex, as a transaction on a database holds its
// locks. Services that share one Payments are replicas on one database.
type Payments struct {
	// Rules may be replaced before the first call.
	Rules Rules

	mu          sync.Mutex
	clockOffset time.Duration
	orders      map[payment.OrderID]*record
	replicas    map[string]time.Time // the latest heartbeats, by name
}

// record is everything that is stored of one order.
type record struct {
	payment       payment.Payment
	priorAttempts []payment.Attempt // before the payment's own latest attempt
	events        []payment.Event
}

// NewPayments returns an empty repository.
func NewPayments() *Payments {
	return &Payments{
		Rules:    rules(),
		orders:   make(map[payment.OrderID]*record),
		replicas: make(map[string]time.Time),
	}
}

// MoveClock steps the database's clock by d. The clocks of the services are unchanged.
func (s *Payments) MoveClock(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clockOffset += d
}

// transact runs f as one transaction. now is that of the database's clock, cut to microseconds.
func (s *Payments) transact(ctx context.Context, f func(now time.Time) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return f(time.Now().Add(s.clockOffset).UTC().Truncate(time.Microsecond))
}

// change runs decide on a stored payment in one transaction, and stores the decision.
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

// read returns the payment as read at now.
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
		r.priorAttempts = append(r.priorAttempts, *d.PriorAttempt)
	}
	if d.Event != nil {
		r.events = append(r.events, *d.Event)
	}
}

// Claim implements ports.Payments.
func (s *Payments) Claim(
	ctx context.Context, request payment.ClaimRequest,
) (*payment.Payment, payment.Verdict, error) {
	var d payment.Decision
	err := s.transact(ctx, func(now time.Time) error {
		r, known := s.orders[request.OrderID]
		if !known {
			d = request.OpenDecision(now)
			s.orders[request.OrderID] = &record{payment: d.Payment}
			return nil
		}
		d = s.Rules.Decide(request, r.read(now), now)
		r.store(d)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return &d.Payment, d.Verdict, nil
}

// Renew implements ports.Payments.
func (s *Payments) Renew(ctx context.Context, r payment.Renewal) error {
	return s.change(ctx, r.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.Renew(r, p, now)
	})
}

// Settle implements ports.Payments.
func (s *Payments) Settle(ctx context.Context, st payment.Settlement) error {
	return s.change(ctx, st.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.Settle(st, p, now)
	})
}

// RecordLookup implements ports.Payments.
func (s *Payments) RecordLookup(
	ctx context.Context, r payment.LookupRecord,
) (payment.Payment, payment.Verdict, error) {
	return s.changeAndReturn(ctx, r.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.RecordLookup(r, p, now)
	})
}

// Notify implements ports.Payments.
func (s *Payments) Notify(ctx context.Context, n payment.Notice) (verdict payment.Verdict, err error) {
	err = s.change(ctx, n.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		d, err := s.Rules.Notify(n, p, now)
		verdict = d.Verdict
		return d, err
	})
	return verdict, err
}

// RecordApproval implements ports.Payments.
func (s *Payments) RecordApproval(
	ctx context.Context, a payment.Approval,
) (payment.Payment, payment.Verdict, error) {
	return s.changeAndReturn(ctx, a.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.RecordApproval(a, p, now)
	})
}

// changeAndReturn is change for a method that returns the decision.
func (s *Payments) changeAndReturn(
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

// Resolve implements ports.Payments.
func (s *Payments) Resolve(ctx context.Context, r payment.Resolution) error {
	return s.change(ctx, r.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.Resolve(r, p, now)
	})
}

// Import implements ports.Payments.
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

// Find implements ports.Payments.
func (s *Payments) Find(ctx context.Context, id payment.OrderID) (p payment.Payment, err error) {
	h, err := s.History(ctx, id)
	return h.Payment, err
}

// History implements ports.Payments.
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
		Payment: r.read(now), Attempts: slices.Clone(r.priorAttempts), Events: slices.Clone(r.events), Keys: r.payment.Keys,
	}
	if latest := r.payment.Attempt; !latest.StartedAt.IsZero() {
		h.Attempts = append(h.Attempts, latest)
	}
	return h
}

// Ready implements ports.Payments. There is no schema that could be wrong.
func (s *Payments) Ready(ctx context.Context) error {
	return s.transact(ctx, func(time.Time) error { return nil })
}

// TryWrite implements ports.Payments. Memory accepts every write.
func (s *Payments) TryWrite(ctx context.Context) error { return s.Ready(ctx) }
