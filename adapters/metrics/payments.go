package metrics

import (
	"context"
	"errors"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Values of labels.
const (
	byRequest = "request"
	byQueue   = "queue"

	writeRenew    = "renew"
	writeSettle   = "settle"
	writeLookup   = "lookup"
	writeApproval = "approval"

	faultUnavailable = "unavailable" // nothing was written
	faultInDoubt     = "in_doubt"
)

// Payments returns a repository whose calls are counted.
func (m *Metrics) Payments(p ports.Payments) ports.Payments { return &payments{p, m} }

type payments struct {
	ports.Payments

	metrics *Metrics
}

// Claim implements ports.Payments.
func (s *payments) Claim(
	ctx context.Context, ask payment.ClaimRequest,
) (*payment.Payment, payment.Verdict, error) {
	began := time.Now()
	p, verdict, err := s.Payments.Claim(ctx, ask)
	s.metrics.claimed.of(byRequest).Observe(time.Since(began).Seconds())
	if err != nil {
		if !refusesOperation(err) {
			s.failed(ctx, err)
		}
		return p, verdict, err
	}
	s.metrics.claims.of(verdict).Inc()
	if p.TakenOver {
		s.metrics.takeovers.Inc()
	}
	return p, verdict, nil
}

// ClaimDue implements ports.Payments.
func (s *payments) ClaimDue(
	ctx context.Context, terms payment.PickUpPolicy, limit int,
) ([]payment.Decision, error) {
	began := time.Now()
	due, err := s.Payments.ClaimDue(ctx, terms, limit)
	s.metrics.claimed.of(byQueue).Observe(time.Since(began).Seconds())
	s.failed(ctx, err)
	for i := range due {
		s.metrics.claims.of(due[i].Verdict).Inc()
		if due[i].Payment.TakenOver {
			s.metrics.takeovers.Inc()
		}
	}
	return due, err
}

// NextDue implements ports.Payments. The queue asks once a second, so that a database that is
// unavailable is counted even without payments.
func (s *payments) NextDue(ctx context.Context, terms payment.PickUpPolicy) (time.Duration, bool, error) {
	in, found, err := s.Payments.NextDue(ctx, terms)
	s.failed(ctx, err)
	return in, found, err
}

// Renew implements ports.Payments.
func (s *payments) Renew(ctx context.Context, r payment.Renewal) error {
	began := time.Now()
	err := s.Payments.Renew(ctx, r)
	s.metrics.renewed.Observe(time.Since(began).Seconds())
	s.refused(ctx, writeRenew, err)
	return err
}

// Settle implements ports.Payments.
func (s *payments) Settle(ctx context.Context, st payment.Settlement) error {
	began := time.Now()
	err := s.Payments.Settle(ctx, st)
	s.metrics.settled.Observe(time.Since(began).Seconds())
	if err != nil {
		s.refused(ctx, writeSettle, err)
		return err
	}
	s.metrics.outcomes[st.Operation.Kind].of(st.Outcome.State).Inc()
	s.metrics.onSettled(st.Operation.Kind, st.Outcome.State)
	return nil
}

// RecordLookup implements ports.Payments. A lookup that the payment waited for is its outcome.
func (s *payments) RecordLookup(
	ctx context.Context, r payment.LookupRecord,
) (payment.Payment, payment.Verdict, error) {
	began := time.Now()
	p, verdict, err := s.Payments.RecordLookup(ctx, r)
	s.metrics.recorded.of(writeLookup).Observe(time.Since(began).Seconds())
	if err != nil {
		s.refused(ctx, writeLookup, err)
		return p, verdict, err
	}
	s.found(r.Operation.Kind, verdict)
	waited := r.State == payment.StateProcessing || r.State == payment.StatePending || r.State == payment.StateUnresolved ||
		r.State == payment.StateAuthorized && p.State != payment.StateAuthorized // the hold has ended
	if waited && r.Key == p.GatewayKey && verdict == payment.VerdictWritten {
		s.metrics.outcomes[r.Operation.Kind].of(p.State).Inc()
		if p.State != r.State {
			s.metrics.onSettled(r.Operation.Kind, p.State)
		}
		if p.State == payment.StateUnresolved && p.Reason == payment.ReasonForgotten {
			s.metrics.forgotten.Inc()
		}
	}
	return p, verdict, nil
}

// RecordApproval implements ports.Payments.
func (s *payments) RecordApproval(
	ctx context.Context, a payment.Approval,
) (payment.Payment, payment.Verdict, error) {
	began := time.Now()
	p, verdict, err := s.Payments.RecordApproval(ctx, a)
	s.metrics.recorded.of(writeApproval).Observe(time.Since(began).Seconds())
	s.failed(ctx, err)
	if err == nil {
		s.found(a.Operation.Kind, verdict)
	}
	return p, verdict, err
}

// found counts what was found although the operation of the kind did not wait for it.
func (s *payments) found(kind payment.Kind, verdict payment.Verdict) {
	switch verdict {
	case payment.VerdictEvidence, payment.VerdictDouble:
		s.metrics.evidence[kind].of(verdict).Inc()
	case payment.VerdictReturned:
		s.metrics.returned.Inc()
	default:
	}
}

// refusesOperation reports whether the error refuses an operation that the payment does not allow, which is no
// failure of the database.
func refusesOperation(err error) bool {
	_, refused := errors.AsType[*payment.OperationRefusedError](err)
	return refused || errors.Is(err, payment.ErrChargeOpen) || errors.Is(err, ports.ErrNotFound)
}

// Find implements ports.Payments.
func (s *payments) Find(ctx context.Context, id payment.OrderID) (payment.Payment, error) {
	p, err := s.Payments.Find(ctx, id)
	if !errors.Is(err, ports.ErrNotFound) {
		s.failed(ctx, err)
	}
	return p, err
}

// FindOperation implements ports.Payments.
func (s *payments) FindOperation(ctx context.Context, ref payment.Ref) (payment.Payment, error) {
	p, err := s.Payments.FindOperation(ctx, ref)
	if !errors.Is(err, ports.ErrNotFound) {
		s.failed(ctx, err)
	}
	return p, err
}

// refused counts the error of a write by a claim's holder.
func (s *payments) refused(ctx context.Context, write string, err error) {
	if errors.Is(err, payment.ErrFenced) {
		s.metrics.fencedOut.of(write).Inc()
		return
	}
	s.failed(ctx, err)
}

// failed counts an error of the database, unless the caller cancelled the call.
func (s *payments) failed(ctx context.Context, err error) {
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, ports.ErrInDoubt):
		s.metrics.faults.of(faultInDoubt).Inc()
	case errors.Is(err, ports.ErrUnavailable):
		s.metrics.faults.of(faultUnavailable).Inc()
	default:
		s.metrics.faults.other.Inc()
	}
}
