package core

import (
	"context"
	"errors"
	"time"

	"paymentd/core/payment"
)

// keepApproval records the gateway's approval of a payment whose claim this worker has lost. The
// log has it before the database does: it is the last trace if the database stays away.
func (s *Service) keepApproval(ctx context.Context, p *payment.Payment, transactionID string) {
	a := payment.Approval{
		OrderID: p.OrderID, Key: p.GatewayKey, Gateway: p.Gateway, TransactionID: transactionID,
		By: s.Replica, Rules: s.rules(), Worker: time.Now(),
	}
	s.log.ErrorContext(ctx, "fenced out with an approval: the gateway has taken the money, and it is recorded as evidence",
		"order_id", a.OrderID, "gateway_key", a.Key, "transaction_id", a.TransactionID, "fence", p.Fence)
	write := func() error {
		_, err := s.recordApproval(ctx, a)
		return err
	}
	if write() == nil {
		return
	}
	s.work.add()
	go func() {
		defer s.work.end()
		if err := s.retryWrite(ctx, settleTimeout, "evidence", a.OrderID, write); err != nil {
			s.log.ErrorContext(ctx, "an approval could not be recorded: import it by hand",
				"order_id", a.OrderID, "gateway_key", a.Key, "transaction_id", a.TransactionID, "error", err)
		}
	}()
}

// recordApproval writes an approval, and reports what it came to.
func (s *Service) recordApproval(ctx context.Context, a payment.Approval) (payment.Payment, error) {
	began := time.Now()
	p, verdict, err := s.payments.RecordApproval(ctx, a)
	if err != nil {
		return p, err
	}
	s.reportApproval(&p, a.Key, a.TransactionID, verdict, began)
	return p, nil
}

// recordLookup writes the answer to a lookup, and reports a charge that was found where none was
// expected. The write began then.
func (s *Service) recordLookup(
	ctx context.Context, r payment.LookupRecord, began time.Time,
) (*payment.Payment, payment.Verdict, error) {
	p, verdict, err := s.payments.RecordLookup(ctx, r)
	if err != nil {
		return nil, "", err
	}
	s.reportApproval(&p, r.Key, r.Result.TransactionID, verdict, began)
	return &p, verdict, nil
}

// lookUpLeft looks up a key that the payment's own due time does not serve: for the second look, and
// after a person's word.
func (s *Service) lookUpLeft(ctx context.Context, p *payment.Payment, key payment.GatewayKey, claimed time.Time) {
	r := s.lookUpKey(ctx, p, key, s.newClaim(p, claimed).now())
	began := time.Now()
	after, _, err := s.recordLookup(ctx, *r, began)
	switch {
	case errors.Is(err, payment.ErrFenced):
		// The payment has changed since it was read; the next lookup is due already.
	case err != nil:
		s.log.WarnContext(ctx, "a lookup could not be recorded; it is repeated later",
			"order_id", p.OrderID, "gateway_key", key, "error", err)
	default:
		s.logSecondLook(after, r)
	}
}
