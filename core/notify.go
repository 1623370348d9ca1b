package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// GatewayEvent is an event of a gateway about a charge, whose signature was verified.
type GatewayEvent struct {
	ID      string // the gateway's
	Kind    string // the gateway's name for what happened
	Gateway payment.GatewayID
	OrderID payment.OrderID
	Key     payment.GatewayKey
	// Says is what the event reports of the charge.
	Says payment.LookupResult
}

// Notify makes the charge of a gateway's event due for a lookup, and returns once that is stored. An event
// of a charge that the table does not have is logged, and is no error. The error may be
// ports.ErrUnavailable or ports.ErrInDoubt: the gateway is expected to send the event again.
func (s *Service) Notify(ctx context.Context, e GatewayEvent) error {
	log := s.log.With("gateway", e.Gateway, "event", e.Kind, "event_id", e.ID, "order_id", e.OrderID, "gateway_key", e.Key)
	rules, _ := s.rules().At(e.Gateway)
	verdict, err := s.payments.Notify(ctx, payment.Notice{
		OrderID: e.OrderID, Key: e.Key, Gateway: e.Gateway, Says: e.Says, Rules: rules, Worker: time.Now(),
	})
	switch {
	case errors.Is(err, ports.ErrNotFound):
		s.unknownEvents.Add(1)
		log.ErrorContext(ctx, "the gateway reports a charge of an order that the table does not have: see docs/double-charge.md",
			"says", e.Says)
		return nil
	case err != nil:
		return fmt.Errorf("record the gateway's event: %w", err)
	case verdict == payment.VerdictWritten:
		s.wakeQueue()
	}
	log.DebugContext(ctx, "gateway event", "says", e.Says, "new", verdict == payment.VerdictWritten)
	return nil
}

// UnknownEvents counts the events of charges that the table does not have, since the start.
func (s *Service) UnknownEvents() int { return int(s.unknownEvents.Load()) }
