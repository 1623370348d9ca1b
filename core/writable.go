package core

import (
	"context"
	"errors"
	"sync"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// checkPause is how long the result of a write check is reused, so that the probes of any number of
// callers cost at most two checks a second.
const checkPause = 500 * time.Millisecond

// writable records whether the database accepts this replica's writes.
type writable struct {
	mu sync.Mutex
	// heartbeatAt is when the latest heartbeat was stored; zero if it failed.
	heartbeatAt time.Time
	// verified: every kind of write has succeeded since the start, and since the latest refusal.
	verified bool
	// refusal is why the database refuses writes although it answers; nil if it accepts them, or if
	// that is unknown. It wraps ports.ErrNotWritable.
	refusal error
	// suspect requests a check at once; a send does not block.
	suspect chan struct{}

	checking  sync.Mutex // held during a check; guards the fields below
	checkedAt time.Time
	checked   error // the result of the latest check
}

// recordHeartbeat records the result of a heartbeat. After the first heartbeat, and after a refusal, it
// tries the other writes that a payment needs.
func (s *Service) recordHeartbeat(ctx context.Context, err error, at time.Time) {
	if ctx.Err() != nil {
		return
	}
	if err == nil && s.writes.heartbeatStored(at) {
		err = s.payments.TryWrite(ctx)
	}
	s.writes.record(err)
	s.recordOutage(ctx, partHeartbeat, err)
}

// heartbeatStored records that a heartbeat was stored, and reports whether to try the other writes.
func (w *writable) heartbeatStored(at time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heartbeatAt = at
	return !w.verified
}

// record records the result of a heartbeat and of the writes that were tried with it.
func (w *writable) record(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.verified = err == nil
	if err != nil {
		w.heartbeatAt = time.Time{}
	}
	w.refusal = nil
	if errors.Is(err, ports.ErrNotWritable) {
		w.refusal = err
	}
}

// recordRefusal records the error of a payment's write. If the database refuses writes, nothing more is
// claimed; an error of an unknown kind has all writes tried at once.
func (w *writable) recordRefusal(err error) {
	_, refused := errors.AsType[*payment.OperationRefusedError](err)
	switch {
	case err == nil:
	case refused, errors.Is(err, payment.ErrChargeOpen), errors.Is(err, ports.ErrNotFound): // answers to a request
	case errors.Is(err, ports.ErrNotWritable):
		w.record(err)
	case errors.Is(err, ports.ErrUnavailable), errors.Is(err, ports.ErrInDoubt), errors.Is(err, payment.ErrFenced):
	default:
		select {
		case w.suspect <- struct{}{}:
		default: // a check is requested already
		}
	}
}

// runWriteChecks tries every kind of write once in a heartbeat timeout, and soon after a payment's write
// failed for an unknown reason, because a table or a right may be lost that heartbeats do not need. It is
// separate from the heartbeats, because a try may wait for locks.
func (s *Service) runWriteChecks(ctx context.Context) {
	for s.sleepUnlessStopped(ctx, checkPause) {
		select {
		case <-s.writes.suspect:
		case <-time.After(s.HeartbeatTimeout - checkPause):
		case <-s.work.ctx.Done():
			return
		case <-ctx.Done():
			return
		}
		s.checkWrites(ctx)
	}
}

// checkWrites tries every kind of write. Only a refusal counts: the heartbeats detect that the database is
// unavailable, and that it accepts writes again.
func (s *Service) checkWrites(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, s.HeartbeatTimeout)
	defer cancel()
	if err := s.payments.TryWrite(limited); errors.Is(err, ports.ErrNotWritable) {
		s.writes.record(err)
	}
}

// err returns why no payment may be charged, because its outcome could not be stored. One write that
// succeeds does not clear it, because a database user may have the rights on some tables only; the
// heartbeat or a probe tries all of them.
func (w *writable) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refusal
}

// recent reports whether every kind of write succeeds and a heartbeat was stored after since.
func (w *writable) recent(since time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.verified && w.heartbeatAt.After(since)
}

// acceptsWrites returns nil if the database accepts writes. A recently stored heartbeat proves it;
// otherwise a heartbeat is stored now, and the other writes are tried.
func (s *Service) acceptsWrites(ctx context.Context) error {
	w := &s.writes
	if w.recent(time.Now().Add(-s.HeartbeatTimeout / 2)) {
		return nil
	}
	w.checking.Lock()
	defer w.checking.Unlock()
	if !w.checkedAt.IsZero() && time.Since(w.checkedAt) < checkPause &&
		(w.checked != nil || w.recent(w.checkedAt.Add(-checkPause))) { // no payment was refused a write since
		return w.checked
	}
	err := s.payments.Heartbeat(ctx, s.Replica)
	if at := time.Now(); err == nil && w.heartbeatStored(at) {
		err = s.payments.TryWrite(ctx)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return err // the caller left, which says nothing about the database
	}
	w.record(err)
	w.checkedAt, w.checked = time.Now(), err
	return err
}

// gatedPayments is the repository of a service. While the database is known to refuse writes, it claims
// no payment, because the outcome of a charge could not be stored.
type gatedPayments struct {
	ports.Payments

	writes *writable
}

// Claim implements ports.Payments.
func (p *gatedPayments) Claim(ctx context.Context, r payment.ClaimRequest) (*payment.Payment, payment.Verdict, error) {
	if err := p.writes.err(); err != nil {
		return nil, "", err
	}
	claimed, verdict, err := p.Payments.Claim(ctx, r)
	p.writes.recordRefusal(err)
	return claimed, verdict, err
}

// ClaimDue implements ports.Payments.
func (p *gatedPayments) ClaimDue(ctx context.Context, policy payment.PickUpPolicy, limit int) ([]payment.Decision, error) {
	if err := p.writes.err(); err != nil {
		return nil, err
	}
	due, err := p.Payments.ClaimDue(ctx, policy, limit)
	p.writes.recordRefusal(err)
	return due, err
}

// Renew implements ports.Payments.
func (p *gatedPayments) Renew(ctx context.Context, r payment.Renewal) error {
	err := p.Payments.Renew(ctx, r)
	p.writes.recordRefusal(err)
	return err
}

// Settle implements ports.Payments.
func (p *gatedPayments) Settle(ctx context.Context, s payment.Settlement) error {
	err := p.Payments.Settle(ctx, s)
	p.writes.recordRefusal(err)
	return err
}

// RecordLookup implements ports.Payments.
func (p *gatedPayments) RecordLookup(
	ctx context.Context, r payment.LookupRecord,
) (payment.Payment, payment.Verdict, error) {
	looked, verdict, err := p.Payments.RecordLookup(ctx, r)
	p.writes.recordRefusal(err)
	return looked, verdict, err
}

// Notify implements ports.Payments.
func (p gatedPayments) Notify(ctx context.Context, n payment.Notice) (payment.Verdict, error) {
	verdict, err := p.Payments.Notify(ctx, n)
	p.writes.recordRefusal(err)
	return verdict, err
}

// RecordApproval implements ports.Payments.
func (p *gatedPayments) RecordApproval(
	ctx context.Context, a payment.Approval,
) (payment.Payment, payment.Verdict, error) {
	approved, verdict, err := p.Payments.RecordApproval(ctx, a)
	p.writes.recordRefusal(err)
	return approved, verdict, err
}
