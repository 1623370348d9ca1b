package core

import (
	"context"
	"strings"
	"time"

	"paymentd/core/payment"
)

// keepApproval records the gateway's approval of a payment whose claim this worker has lost. It is
// logged before it is written, so that a trace remains if the database stays unavailable.
func (s *Service) keepApproval(ctx context.Context, p *payment.Payment, o payment.Outcome) {
	a := payment.Approval{
		OrderID: p.OrderID, Operation: p.Operation, Key: p.GatewayKey, Gateway: p.Gateway, TransactionID: o.TransactionID,
		Hold: o.State == payment.StateAuthorized, HoldExpires: o.HoldExpires, By: s.Replica, Rules: s.rules(), Worker: time.Now(),
	}
	s.logOf(p).ErrorContext(ctx, "fenced out with an approval: the gateway has done what was asked, and it is recorded as evidence",
		"order_id", a.OrderID, "gateway_key", a.Key, "transaction_id", a.TransactionID, "fence", p.Fence)
	write := func() error { return s.recordApproval(ctx, a) }
	if write() == nil {
		return
	}
	s.work.add()
	go func() {
		defer s.work.end()
		if err := s.retryWrite(ctx, settleTimeout, "evidence", a.OrderID, write); err != nil {
			s.logOf(p).ErrorContext(ctx, "an approval could not be recorded: import it by hand",
				"order_id", a.OrderID, "gateway_key", a.Key, "transaction_id", a.TransactionID, "error", err)
		}
	}()
}

// recordApproval writes an approval, and reports an unexpected charge.
func (s *Service) recordApproval(ctx context.Context, a payment.Approval) error {
	began := time.Now()
	p, verdict, err := s.payments.RecordApproval(ctx, a)
	if err != nil {
		return err
	}
	s.reportApproval(&p, payment.ChargeID{Key: a.Key, Gateway: a.Gateway, TransactionID: a.TransactionID}, verdict, began)
	return nil
}

// reportApproval logs a recorded approval if the payment did not wait for it, and answers the
// requests that wait in this process. The write began at began.
func (s *Service) reportApproval(p *payment.Payment, found payment.ChargeID, verdict payment.Verdict, began time.Time) {
	log := s.logOf(p).With("order_id", p.OrderID, "gateway_key", found.Key, "transaction_id", found.TransactionID,
		"state", p.State, "fence", p.Fence)
	switch verdict {
	case payment.VerdictEvidence:
		did := wordsOf(p).evidence
		if p.State == payment.StateAuthorized {
			did = "the gateway holds the money of a payment that was in another state"
		}
		log.Error("evidence: " + did + "; it is " + string(p.State) + " now")
		s.flights.complete(p, began)
	case payment.VerdictDouble:
		log = log.With("succeeded_with", p.TransactionID)
		if command := s.refundCommand(p, found); command != "" {
			log = log.With("command", command)
		}
		log.Error(wordsOf(p).double)
	case payment.VerdictReturned:
		log.Error("refund returned: the money came back after the refund had succeeded; the amount can be refunded again",
			"amount", p.Money.String())
		s.flights.complete(p, began)
	default:
	}
}

// refundCommand returns the command that gives a second charge back. It is empty if the service cannot refund it.
func (s *Service) refundCommand(p *payment.Payment, second payment.ChargeID) string {
	own, configured := s.rules().At(second.Gateway)
	if !p.Operation.IsCharge() || p.CheckSecondCharge(second) != nil || !configured || !own.Operations.Has(payment.OperationRefund) {
		return ""
	}
	return RefundSecondCharge(p.OrderID, SecondCharge{ChargeID: second})
}

// shellQuoted returns text as one word of a POSIX shell (POSIX.1-2017, Shell Command Language, 2.2.2).
func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
