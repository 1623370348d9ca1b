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

// Gateway is a gateway that a service charges through.
type Gateway struct {
	ports.Gateway

	Retry ports.Retry
	// Breaker stops attempts while the gateway does not answer. Nil if nothing does.
	Breaker Breaker
}

// Breaker says whether attempts at a gateway are stopped.
type Breaker interface {
	// RetryIn returns how long no attempt will be made; zero if one can be made now.
	RetryIn() time.Duration
}

// Gateways are the gateways of a service. There is at least one.
type Gateways struct {
	first  Gateway
	all    map[payment.GatewayID]Gateway
	list   []payment.Capabilities // nil for a single gateway without routes
	routes payment.Routes
}

// OneGateway returns a single gateway, which gets every payment.
func OneGateway(g ports.Gateway, retry ports.Retry) Gateways {
	return Gateways{first: Gateway{Gateway: g, Retry: retry}}
}

// NewGateways returns gateways, with different identities, and the routes between them.
func NewGateways(all []Gateway, routes payment.Routes) Gateways {
	gs := Gateways{first: all[0], all: make(map[payment.GatewayID]Gateway, len(all)), routes: routes}
	for _, g := range all {
		c := g.Capabilities()
		gs.all[c.Gateway] = g
		gs.list = append(gs.list, c)
	}
	return gs
}

// at returns the gateway of a key, and whether it is configured. A key without a gateway, which the previous
// version sent, is one of the first.
func (gs *Gateways) at(id payment.GatewayID) (Gateway, bool) {
	if id == "" || len(gs.all) == 0 {
		return gs.first, true
	}
	g, configured := gs.all[id]
	return g, configured
}

// unavailable returns the gateways whose breaker is open, and how long it takes until one of them is tried
// again; nil if there is none.
func (gs *Gateways) unavailable() (ids []payment.GatewayID, retryIn time.Duration) {
	check := func(g Gateway) {
		if g.Breaker == nil {
			return
		}
		if in := g.Breaker.RetryIn(); in > 0 {
			if ids == nil || in < retryIn {
				retryIn = in
			}
			ids = append(ids, g.Capabilities().Gateway)
		}
	}
	if len(gs.all) == 0 {
		check(gs.first)
		return ids, retryIn
	}
	for _, c := range gs.list { // in a fixed order
		check(gs.all[c.Gateway])
	}
	return ids, retryIn
}

// checkChargeable refuses a request that would begin a round which cannot be made, unless the order has a
// payment that may have taken money: such a payment is replayed or finished.
func (s *Service) checkChargeable(ctx context.Context, r Request) error {
	refused := s.refusal(r)
	if refused == nil {
		return nil
	}
	p, err := s.payments.Find(ctx, r.OrderID)
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return refused
	case err != nil:
		return fmt.Errorf("find payment: %w", err)
	case p.Money.Currency() != r.Money.Currency():
		return refused
	case !p.State.Approved() && r.Method != "" && r.Method != p.Method:
		return refused // the request would need a round of its own
	case p.State == payment.StateDeclined, p.State == payment.StateFailed:
		if r.Method == "" {
			r.Method = p.Method // a repeat may leave it out
		}
		return s.refusal(r)
	}
	return nil
}

// Route returns the gateways that may charge for the request, in order of preference, or a *payment.FieldError if none
// may.
func (s *Service) Route(r Request) ([]payment.GatewayID, error) {
	return s.rules().Route(r.Money, r.Method, r.Capture)
}

// refusal returns why a round for the request cannot be made: its currency has left ISO 4217, no gateway
// takes the payment, or none of those that do can be reached.
func (s *Service) refusal(r Request) error {
	if err := r.Money.Currency().CheckActive(); err != nil {
		return err
	}
	route, err := s.Route(r)
	if err != nil {
		return err
	}
	unavailable, retryIn := s.gateways.unavailable()
	for _, id := range route {
		if r.Async || !slices.Contains(unavailable, id) {
			return nil // an async payment waits in the queue
		}
	}
	return &GatewaysUnavailableError{RetryAfter: retryIn}
}
