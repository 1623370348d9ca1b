package core

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"paymentd/core/payment"
)

// What an operator must know is said here, once each, in the same words.

func (s *Service) logClaimedAgain(p *payment.Payment) {
	s.log.Info("payment claimed again", "order_id", p.OrderID, "gateway_key", p.GatewayKey, "fence", p.Fence,
		"attempt", p.Attempt.Number)
}

func (s *Service) logResumed(p *payment.Payment, err error) {
	if err != nil {
		return // logLost has said why
	}
	s.log.Info("payment carried on", "order_id", p.OrderID, "gateway_key", p.GatewayKey, "state", p.State,
		"attempts", p.Attempts(), "fence", p.Fence)
}

func (s *Service) logSettled(p *payment.Payment, how completion) {
	// The request's own line tells of the usual ends.
	level, msg := slog.LevelDebug, "payment settled"
	switch {
	case p.State == payment.StateScheduled:
		level, msg = slog.LevelInfo, "payment handed to the queue"
	case p.State == payment.StateUnresolved:
		level, msg = slog.LevelWarn, "payment unresolved: the money may have been taken; the gateway is asked again"
	case p.State == payment.StateFailed && p.Code == payment.CodeRejected:
		level, msg = slog.LevelError, "the gateway rejected our request: its configuration must be looked at"
	}
	if !s.log.Enabled(context.Background(), level) {
		return // before its words are put together: most payments come by here
	}
	s.log.Log(context.Background(), level, msg, "order_id", p.OrderID, "gateway_key", p.GatewayKey, "state", p.State,
		"attempts", p.Attempts(), "fence", p.Fence, "code", p.Code, "reason", p.Reason,
		"transaction_id", p.TransactionID, "by_lookup", how.lookup != nil)
}

func (s *Service) logLost(p *payment.Payment, err error) {
	if errors.Is(err, payment.ErrFenced) {
		s.log.Warn("fenced out: the claim ran out or was taken over; this worker settles nothing",
			"order_id", p.OrderID, "gateway_key", p.GatewayKey, "fence", p.Fence)
		return
	}
	s.log.Error("the outcome could not be written; whoever takes the payment over finds it at the gateway",
		"order_id", p.OrderID, "gateway_key", p.GatewayKey, "fence", p.Fence, "state", p.State, "transaction_id", p.TransactionID, "error", err)
}

// reportApproval says what the recording of an approval came to, if that was not to be expected, and
// answers the requests that wait in this process.
func (s *Service) reportApproval(
	p *payment.Payment, key payment.GatewayKey, transactionID string, verdict payment.Verdict, began time.Time,
) {
	attributes := []any{
		"order_id", p.OrderID, "gateway_key", key, "transaction_id", transactionID, "state", p.State, "fence", p.Fence,
	}
	switch verdict {
	case payment.VerdictEvidence:
		s.log.Error("evidence: the gateway has taken the money although the payment stood otherwise; it has succeeded now",
			attributes...)
		s.lines.tell(p.OrderID, ending{payment: p, began: began})
	case payment.VerdictDouble:
		s.log.Error("double charge: the gateway has a second transaction for the order; refund one of them",
			append(attributes, "succeeded_with", p.TransactionID)...)
	default:
	}
}

// logSecondLook says what a lookup came to that the payment itself did not wait for.
func (s *Service) logSecondLook(p *payment.Payment, r *payment.LookupRecord) {
	s.log.Debug("key looked up again", "order_id", p.OrderID, "gateway_key", r.Key, "found", r.Result.Result,
		"state", p.State, "reason", r.Result.Message)
}

func (s *Service) logRetryWrite(ctx context.Context, what string, id payment.OrderID, err error) {
	s.log.WarnContext(ctx, "the database does not take a write; trying on",
		"write", what, "order_id", id, "error", err)
}

// logUnreadable says that a list is shown without a row.
func (s *Service) logUnreadable(ctx context.Context, e *payment.StoredRowError) {
	s.log.ErrorContext(ctx, "a stored row cannot be read, and is left out of a list: repair it",
		"order_id", e.OrderID, "table", e.Table, "column", e.Column, "error", e)
}
