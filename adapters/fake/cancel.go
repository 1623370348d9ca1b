package fake

import (
	"context"
	"time"

	"paymentd/core/payment"
)

// Cancel implements ports.Gateway. It voids the charge if it is pending or holds money, and returns what a lookup
// finds. Other operations cannot be cancelled.
func (g *Gateway) Cancel(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if ctx.Err() == nil && g.Capabilities().Cancels && ref.Operation.IsCharge() {
		g.void(ref.Key)
	}
	return g.LookUp(ctx, ref)
}

func (g *Gateway) void(key payment.GatewayKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.decideDue(now)
	g.cancel(key, now)
}

// cancel voids a charge if it is pending, or holds money that no operation is about to take.
func (g *Gateway) cancel(key payment.GatewayKey, now time.Time) {
	at := slot{payment.KindCharge, key}
	e := g.ledger[at]
	switch {
	case e.pending():
		e.voided = true
		g.ledger[at] = e
	case e.hold != nil && e.hold.holds() && !g.claimed(e.hold):
		e.hold.EndedAt = now
	}
}
