package core

import (
	"context"
	"errors"
	"sync"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// checkPause is how long the result of a check that the database takes writes is used again: the
// probes of any number of callers cost no more than two checks a second.
const checkPause = 500 * time.Millisecond

// writable is what a replica knows about whether the database takes its writes.
type writable struct {
	mu sync.Mutex
	// beatAt is when the latest heartbeat was stored; zero if the latest one was not.
	beatAt time.Time
	// verified: every kind of write has worked since the start, and since the latest refusal.
	verified bool
	// refusal is why the database takes no writes, although it answers; nil if it takes them, or if
	// that is not known. It wraps ports.ErrNotWritable.
	refusal error

	checking  sync.Mutex // held for one check
	checkedAt time.Time  // of checking
	checked   error      // of checking: the latest result
}

// noteBeat notes what became of a heartbeat. After the first one, and after a refusal, it tries the
// other writes that a payment needs.
func (s *Service) noteBeat(ctx context.Context, err error, at time.Time) {
	if ctx.Err() != nil {
		return
	}
	if err == nil && s.writes.beaten(at) {
		err = s.payments.TryWrite(ctx)
	}
	s.writes.note(err)
	s.logOutage(ctx, partHeartbeat, err)
}

// beaten notes that a heartbeat was stored, and reports whether other writes are to be tried.
func (w *writable) beaten(at time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beatAt = at
	return !w.verified
}

// note notes the result of a heartbeat and of the writes tried with it.
func (w *writable) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.verified = err == nil
	if err != nil {
		w.beatAt = time.Time{}
	}
	w.refusal = nil
	if errors.Is(err, ports.ErrNotWritable) {
		w.refusal = err
	}
}

// refused notes the error of a write of a payment, if it says that the database takes no writes.
func (w *writable) refused(err error) {
	if errors.Is(err, ports.ErrNotWritable) {
		w.note(err)
	}
}

// err returns why no payment may be charged: its outcome could not be stored. A write that works
// says nothing about the next one, as users have rights on some tables and not on others; so it is
// the heartbeat, or a probe, that finds out that all of them work again.
func (w *writable) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refusal
}

// recent reports whether every kind of write works and a heartbeat was stored since then.
func (w *writable) recent(since time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.verified && w.beatAt.After(since)
}

// takesWrites returns nil if the database takes writes. A heartbeat that was stored recently shows
// it; otherwise one is stored now, and the other writes are tried.
func (s *Service) takesWrites(ctx context.Context) error {
	w := &s.writes
	if w.recent(time.Now().Add(-s.HeartbeatTimeout / 2)) {
		return nil
	}
	w.checking.Lock()
	defer w.checking.Unlock()
	if !w.checkedAt.IsZero() && time.Since(w.checkedAt) < checkPause && (w.checked != nil || w.recent(w.checkedAt.Add(-checkPause))) {
		return w.checked // unless a payment has found out otherwise since
	}
	err := s.payments.Heartbeat(ctx, s.Replica)
	if at := time.Now(); err == nil && w.beaten(at) {
		err = s.payments.TryWrite(ctx)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return err // the caller has left: that says nothing about the database
	}
	w.note(err)
	w.checkedAt, w.checked = time.Now(), err
	return err
}

// gatedPayments is the repository of a service: while the database is known to take no writes, no
// payment is claimed, for what is charged then could not be settled.
type gatedPayments struct {
	ports.Payments

	writes *writable
}

// Claim implements ports.Payments.
func (p gatedPayments) Claim(ctx context.Context, ask payment.ClaimRequest) (payment.Payment, payment.Verdict, error) {
	if err := p.writes.err(); err != nil {
		return payment.Payment{}, "", err
	}
	claimed, verdict, err := p.Payments.Claim(ctx, ask)
	p.writes.refused(err)
	return claimed, verdict, err
}

// ClaimDue implements ports.Payments.
func (p gatedPayments) ClaimDue(ctx context.Context, terms payment.PickUpPolicy, limit int) ([]payment.Decision, error) {
	if err := p.writes.err(); err != nil {
		return nil, err
	}
	due, err := p.Payments.ClaimDue(ctx, terms, limit)
	p.writes.refused(err)
	return due, err
}

// Renew implements ports.Payments.
func (p gatedPayments) Renew(ctx context.Context, r payment.Renewal) error {
	err := p.Payments.Renew(ctx, r)
	p.writes.refused(err)
	return err
}

// Settle implements ports.Payments.
func (p gatedPayments) Settle(ctx context.Context, s payment.Settlement) error {
	err := p.Payments.Settle(ctx, s)
	p.writes.refused(err)
	return err
}
