package core

import (
	"context"
	"errors"
	"log/slog"

	"paymentd/core/payment"
)

// The log lines that several callers share, or that need a decision. docs/monitoring.md lists the
// warnings and errors.

// logOf returns the log for lines about a payment, which name the operation if that is not the charge.
func (s *Service) logOf(p *payment.Payment) *slog.Logger {
	if p.Operation.IsCharge() {
		return s.log
	}
	return s.log.With("operation", p.Operation.String())
}

// words are what log lines say about a kind of operation.
type words struct {
	name       string
	unresolved string // what may have happened
	still      string // after another lookup
	evidence   string // what the gateway has done
	double     string
}

var kindWords = map[payment.Kind]words{
	payment.KindCharge: {
		"payment", "payment unresolved: the money may have been taken; the gateway is asked again", "payment still unresolved",
		"the gateway has taken the money of a payment that was in another state",
		"double charge: the gateway has a second transaction for the order; refund one of them",
	},
	payment.KindCapture: {
		"capture", "capture unresolved: the money that was held may have been taken; the gateway is asked again", "capture still unresolved",
		"the gateway has made a capture that was in another state",
		"double capture: the gateway has a second capture for the order; ask it which of them took money, and refund one if both did",
	},
	payment.KindVoid: {
		"void", "void unresolved: the money that was held may have been released; the gateway is asked again", "void still unresolved",
		"the gateway has made a void that was in another state",
		"double void: the gateway has a second void for the order; no money was taken, and there is nothing to do",
	},
	payment.KindRefund: {
		"refund", "refund unresolved: the money may have been given back; the gateway is asked again", "refund still unresolved",
		"the gateway has made a refund that was in another state",
		"double refund: the gateway has a second refund for the same refund id; ask it which of them moved money",
	},
}

// wordsOf returns the words about an operation. Kinds without words of their own have those of the charge.
func wordsOf(p *payment.Payment) words {
	if w, known := kindWords[p.Operation.Kind]; known {
		return w
	}
	return kindWords[payment.KindCharge]
}

func (s *Service) logClaimedAgain(p *payment.Payment) {
	s.logOf(p).Info(wordsOf(p).name+" claimed again", "order_id", p.OrderID, "gateway_key", p.GatewayKey, "fence", p.Fence,
		"attempt", p.Attempt.Number)
}

func (s *Service) logResumed(p *payment.Payment) {
	s.logOf(p).Info(wordsOf(p).name+" resumed", "order_id", p.OrderID, "gateway_key", p.GatewayKey, "state", p.State,
		"attempts", p.Attempts(), "fence", p.Fence)
}

func (s *Service) logSettled(p *payment.Payment, done completion) {
	level, msg := slog.LevelDebug, wordsOf(p).name+" settled" // the request's own log line has the usual outcomes
	switch {
	case p.State == payment.StateScheduled:
		level, msg = slog.LevelInfo, wordsOf(p).name+" requeued"
	case p.State == payment.StatePending:
		level, msg = slog.LevelInfo, wordsOf(p).name+" pending: the gateway decides later"
	case p.State == payment.StateUnresolved:
		level, msg = slog.LevelWarn, wordsOf(p).unresolved
	case p.State == payment.StateFailed && p.Code == payment.CodeRejected:
		level, msg = slog.LevelError, "the gateway rejected the request: check the gateway's configuration"
	}
	if !s.log.Enabled(context.Background(), level) {
		return // before the attributes are built, because most payments log nothing here
	}
	s.logOf(p).Log(context.Background(), level, msg, "order_id", p.OrderID, "gateway_key", p.GatewayKey, "state", p.State,
		"attempts", p.Attempts(), "fence", p.Fence, "code", p.Code, "reason", p.Reason,
		"transaction_id", p.TransactionID, "by_lookup", done.lookup != nil)
}

func (s *Service) logFailover(p *payment.Payment, from payment.GatewayID, why string) {
	s.logOf(p).Warn("payment goes to the next gateway: this one provably did not charge", "order_id", p.OrderID, "from", from,
		"to", p.Gateway, "gateway_key", p.GatewayKey, "fence", p.Fence, "reason", why)
}

func (s *Service) logLost(p *payment.Payment, err error) {
	if errors.Is(err, payment.ErrFenced) {
		s.logOf(p).Warn("fenced out: the claim expired or was taken over; this worker settles nothing",
			"order_id", p.OrderID, "gateway_key", p.GatewayKey, "fence", p.Fence)
		return
	}
	s.logOf(p).Error("the outcome could not be written; the worker that takes over looks it up at the gateway",
		"order_id", p.OrderID, "gateway_key", p.GatewayKey, "fence", p.Fence, "state", p.State,
		"transaction_id", p.TransactionID, "error", err)
}

func (s *Service) logKeyLookedUp(p *payment.Payment, r *payment.LookupRecord) {
	s.logOf(p).Debug("key looked up again", "order_id", p.OrderID, "gateway_key", r.Key, "found", r.Result.Result,
		"state", p.State, "reason", r.Result.Message)
}

func (s *Service) logLookupNotRecorded(
	ctx context.Context, p *payment.Payment, key payment.GatewayKey, err error,
) {
	s.logOf(p).WarnContext(ctx, "a lookup could not be recorded; it is repeated later",
		"order_id", p.OrderID, "gateway_key", key, "error", err)
}

func (s *Service) logStillUnresolved(p *payment.Payment) {
	s.logOf(p).Warn(wordsOf(p).still, "order_id", p.OrderID, "gateway_key", p.GatewayKey, "lookups", p.Lookups,
		"reason", p.Reason, "next_lookup", p.DueAt)
}

func (s *Service) logRetryWrite(ctx context.Context, what string, id payment.OrderID, err error) {
	s.log.WarnContext(ctx, "a database write failed; it is retried", "write", what, "order_id", id, "error", err)
}

// logUnreadable logs a row that a list omits.
func (s *Service) logUnreadable(ctx context.Context, e *payment.StoredRowError) {
	s.log.ErrorContext(ctx, "a stored row cannot be read, and is left out of a list: repair it",
		"order_id", e.OrderID, "table", e.Table, "column", e.Column, "error", e)
}
