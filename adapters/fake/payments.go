package fake

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/ports"
)

// Payments is ports.Payments in memory. Each method holds one mutex, as a transaction on a database holds its
// locks. Services that share one Payments are replicas on one database.
type Payments struct {
	// Rules may be replaced before the first call.
	Rules Rules
	// Acts records who changes the endpoints. It may be replaced before the first call.
	Acts *AdminHistory

	mu          sync.Mutex
	clockOffset time.Duration
	orders      map[payment.OrderID]*record
	operations  map[payment.Ref]*record // those that are not charges
	replicas    map[string]time.Time    // the latest heartbeats, by name
	endpoints   []endpoint.Endpoint     // also those that are deleted
	outbox      []*event
	attempts    []endpoint.Attempt
	addresses   map[payment.GatewayID]string
}

// record is everything that is stored of one payment or other operation.
type record struct {
	payment       payment.Payment
	priorAttempts []payment.Attempt // before the payment's own latest attempt
	events        []payment.Event
}

// NewPayments returns an empty repository.
func NewPayments() *Payments {
	return &Payments{
		Rules: rules(), Acts: new(AdminHistory),
		orders: make(map[payment.OrderID]*record), operations: make(map[payment.Ref]*record),
		replicas: make(map[string]time.Time), addresses: make(map[payment.GatewayID]string),
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

// change runs decide on a stored payment or other operation in one transaction, and stores the decision.
func (s *Payments) change(
	ctx context.Context, ref payment.Ref,
	decide func(payment.Payment, time.Time) (payment.Decision, error),
) error {
	return s.transact(ctx, func(now time.Time) error {
		r, known := s.record(ref)
		if !known {
			return ports.ErrNotFound
		}
		before := r.read(now)
		d, err := decide(before, now)
		if err == nil {
			s.store(r, before, d, now)
		}
		return err
	})
}

// record returns the record of a payment or of another operation.
func (s *Payments) record(ref payment.Ref) (*record, bool) {
	if ref.Operation.IsCharge() {
		r, known := s.orders[ref.OrderID]
		return r, known
	}
	r, known := s.operations[ref]
	return r, known
}

// store stores a decision about a record as it was before, and what the decision changes of its charge.
func (s *Payments) store(r *record, before payment.Payment, d payment.Decision, now time.Time) {
	if !before.Operation.IsCharge() {
		charge := s.orders[before.OrderID].read(now)
		d = s.Rules.Account(d, charge, before)
		s.announce(d, before, charge, now)
		s.storeCharge(d)
	} else {
		s.announce(d, before, payment.Payment{}, now)
	}
	r.store(d)
}

// storeCharge stores what a decision about an operation changes of its charge.
func (s *Payments) storeCharge(d payment.Decision) {
	if d.Charge != nil {
		charge := s.orders[d.Charge.OrderID]
		charge.payment = *d.Charge
		charge.payment.SeenAt, charge.payment.TakenOver = time.Time{}, false
	}
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
		if !request.Operation.IsCharge() {
			return s.claimOperation(request, now, &d)
		}
		if !known {
			d = request.OpenDecision(now)
			s.orders[request.OrderID] = &record{payment: d.Payment}
			s.announce(d, payment.Payment{}, payment.Payment{}, now)
			return nil
		}
		d = s.Rules.Decide(request, r.read(now), now)
		s.announce(d, r.read(now), payment.Payment{}, now)
		r.store(d)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return &d.Payment, d.Verdict, nil
}

// claimOperation is Claim for an operation that is not a charge.
func (s *Payments) claimOperation(request payment.ClaimRequest, now time.Time, d *payment.Decision) (err error) {
	charge, known := s.orders[request.OrderID]
	if !known {
		return ports.ErrNotFound
	}
	ref := payment.Ref{OrderID: request.OrderID, Operation: request.Operation}
	r, known := s.operations[ref]
	var stored *payment.Payment
	if known {
		p := r.read(now)
		stored = &p
	}
	if *d, err = s.Rules.DecideOperation(request, charge.read(now), stored, now); err != nil {
		return err
	}
	s.storeOperation(ref, stored, *d, now)
	return nil
}

// storeOperation stores a decision about an operation that is not a charge, as it was before; nil if it is new.
func (s *Payments) storeOperation(ref payment.Ref, stored *payment.Payment, d payment.Decision, now time.Time) {
	var before payment.Payment
	if stored != nil {
		before = *stored
	}
	s.announce(d, before, s.orders[ref.OrderID].read(now), now)
	s.storeCharge(d)
	switch {
	case stored != nil:
		s.operations[ref].store(d)
	case d.Write:
		s.operations[ref] = &record{}
		s.operations[ref].store(d)
	}
}

// Renew implements ports.Payments.
func (s *Payments) Renew(ctx context.Context, r payment.Renewal) error {
	return s.change(ctx, r.Ref(), func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.Renew(r, p, now)
	})
}

// Settle implements ports.Payments.
func (s *Payments) Settle(ctx context.Context, st payment.Settlement) error {
	return s.change(ctx, st.Ref(), func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.Settle(st, p, now)
	})
}

// RecordLookup implements ports.Payments.
func (s *Payments) RecordLookup(
	ctx context.Context, r payment.LookupRecord,
) (payment.Payment, payment.Verdict, error) {
	return s.changeAndReturn(ctx, r.Ref(), func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.RecordLookup(r, p, now)
	})
}

// Notify implements ports.Payments.
func (s *Payments) Notify(ctx context.Context, n payment.Notice) (verdict payment.Verdict, err error) {
	ref := payment.Ref{OrderID: n.OrderID}
	if n.Kind != payment.KindCharge {
		var known bool
		if ref, known, err = s.operationOf(ctx, n); err != nil || !known {
			return payment.VerdictUnknownKey, err
		}
		n.Sent = true
	}
	err = s.change(ctx, ref, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		d, err := s.Rules.Notify(n, p, now)
		verdict = d.Verdict
		return d, err
	})
	return verdict, err
}

// operationOf returns the operation that the notice's key belongs to.
func (s *Payments) operationOf(ctx context.Context, n payment.Notice) (ref payment.Ref, known bool, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		if _, known := s.orders[n.OrderID]; !known {
			return ports.ErrNotFound
		}
		for of, r := range s.operations {
			h := r.history(now)
			if of.OrderID == n.OrderID && of.Operation.Kind == n.Kind && h.HasKey(n.Key) {
				ref, known = of, true
			}
		}
		return nil
	})
	return ref, known, err
}

// RecordApproval implements ports.Payments.
func (s *Payments) RecordApproval(
	ctx context.Context, a payment.Approval,
) (payment.Payment, payment.Verdict, error) {
	return s.changeAndReturn(ctx, payment.Ref{OrderID: a.OrderID, Operation: a.Operation}, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.RecordApproval(a, p, now)
	})
}

// changeAndReturn is change for a method that returns the decision.
func (s *Payments) changeAndReturn(
	ctx context.Context, ref payment.Ref,
	decide func(payment.Payment, time.Time) (payment.Decision, error),
) (p payment.Payment, v payment.Verdict, err error) {
	err = s.change(ctx, ref, func(stored payment.Payment, now time.Time) (payment.Decision, error) {
		d, err := decide(stored, now)
		p, v = d.Payment, d.Verdict
		return d, err
	})
	return p, v, err
}

// Resolve implements ports.Payments.
func (s *Payments) Resolve(ctx context.Context, r payment.Resolution) error {
	return s.change(ctx, payment.Ref{OrderID: r.OrderID, Operation: r.Operation}, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return s.Rules.Resolve(r, p, now)
	})
}

// Import implements ports.Payments.
func (s *Payments) Import(ctx context.Context, i payment.Import) (v payment.Verdict, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		r, known := s.orders[i.OrderID]
		switch {
		case !i.Operation.IsCharge():
			v, err = s.importOperation(i, now)
			return err
		case !known:
			r = &record{payment: i.Open(now)}
		}
		d, err := s.Rules.Import(i, r.read(now), now)
		if err != nil {
			return err
		}
		s.announce(d, r.read(now), payment.Payment{}, now)
		r.store(d)
		s.orders[i.OrderID], v = r, d.Verdict
		return nil
	})
	return v, err
}

// importOperation is Import for an operation that is not a charge.
func (s *Payments) importOperation(i payment.Import, now time.Time) (payment.Verdict, error) {
	charge, known := s.orders[i.OrderID]
	if !known {
		return "", ports.ErrNotFound
	}
	ref := payment.Ref{OrderID: i.OrderID, Operation: i.Operation}
	var stored *payment.Payment
	if r, known := s.operations[ref]; known {
		p := r.read(now)
		stored = &p
	}
	d, err := s.Rules.ImportOperation(i, charge.read(now), stored, now)
	if err != nil {
		return "", err
	}
	s.storeOperation(ref, stored, d, now)
	return d.Verdict, nil
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
		for _, r := range sortedOf(s.operations, oldestOperationFirst) {
			if r.payment.OrderID == id {
				h.Operations = append(h.Operations, r.history(now))
			}
		}
		return nil
	})
	return h, err
}

// FindOperation implements ports.Payments.
func (s *Payments) FindOperation(ctx context.Context, ref payment.Ref) (p payment.Payment, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		r, known := s.operations[ref]
		if !known {
			return ports.ErrNotFound
		}
		p = r.read(now)
		return nil
	})
	return p, err
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
