package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// GatewayEvent is an event of a gateway about a charge, whose signature was verified.
type GatewayEvent struct {
	ID   string // the gateway's
	Kind string // the gateway's name for what happened
	// Operation is the kind of operation that the event is about.
	Operation payment.Kind
	Gateway   payment.GatewayID
	OrderID   payment.OrderID
	Key       payment.GatewayKey
	// Says is what the event reports of the charge.
	Says payment.LookupResult
}

// Notified is what an event of a gateway led to.
type Notified string

// What an event of a gateway led to.
const (
	NotifiedDue          Notified = "accepted"      // a lookup of its charge is due now
	NotifiedKnown        Notified = "duplicate"     // it says nothing new, or a lookup is due already
	NotifiedUnknownOrder Notified = "unknown_order" // the table does not have the order
	NotifiedUnknownKey   Notified = "unknown_key"   // the order never sent this key to the gateway
)

// Notify makes the charge of a gateway's event due for a lookup, and returns once that is stored. An event
// of an order that the table does not have is logged, and is no error. The error may be
// ports.ErrUnavailable or ports.ErrInDoubt: the gateway is expected to send the event again.
func (s *Service) Notify(ctx context.Context, e GatewayEvent) (Notified, error) {
	log := s.log.With("gateway", e.Gateway, "event", e.Kind, "event_id", e.ID, "order_id", e.OrderID, "gateway_key", e.Key)
	rules, _ := s.rules().At(e.Gateway)
	notice := payment.Notice{
		OrderID: e.OrderID, Kind: e.Operation, Key: e.Key, Gateway: e.Gateway, Says: e.Says, Rules: rules, Worker: time.Now(),
	}
	verdict, err := s.payments.Notify(ctx, notice)
	if err == nil && verdict == payment.VerdictUnknownKey && e.Operation == payment.KindCharge {
		verdict, err = s.notifyIfSent(ctx, notice)
	}
	switch {
	case errors.Is(err, ports.ErrNotFound):
		log.ErrorContext(ctx, "unknown charge: the gateway reports a charge of an order that the table does not have: "+
			"see docs/double-charge.md", "says", e.Says)
		return NotifiedUnknownOrder, nil
	case err != nil:
		if errors.Is(err, ports.ErrInDoubt) {
			s.wakeQueue() // it may be stored
		}
		return "", fmt.Errorf("record the gateway's event: %w", err)
	case verdict == payment.VerdictUnknownKey:
		log.ErrorContext(ctx, "unknown charge: the gateway reports a charge of an order with a key that the order never sent: "+
			"see docs/double-charge.md", "says", e.Says)
		return NotifiedUnknownKey, nil
	case verdict != payment.VerdictWritten:
		return NotifiedKnown, nil
	}
	log.DebugContext(ctx, "a gateway's event makes a lookup due", "says", e.Says)
	s.wakeQueue()
	return NotifiedDue, nil
}

// notifyIfSent repeats a notice about a key without a record, if one of the order's attempts had the key.
func (s *Service) notifyIfSent(ctx context.Context, n payment.Notice) (payment.Verdict, error) {
	h, err := s.payments.History(ctx, n.OrderID)
	if err != nil {
		return "", err
	}
	n.Sent = slices.ContainsFunc(h.Attempts, func(a payment.Attempt) bool { return a.GatewayKey == n.Key })
	if !n.Sent {
		return payment.VerdictUnknownKey, nil
	}
	return s.payments.Notify(ctx, n)
}
