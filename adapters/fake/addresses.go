package fake

import (
	"context"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// GatewayAddresses is ports.GatewayAddresses in memory.
type GatewayAddresses struct{ s *Payments }

// GatewayAddresses returns the repository of the addresses of gateways.
func (s *Payments) GatewayAddresses() ports.GatewayAddresses { return &GatewayAddresses{s} }

// Find implements ports.GatewayAddresses.
func (r *GatewayAddresses) Find(ctx context.Context, gateway payment.GatewayID) (address string, err error) {
	err = r.s.transact(ctx, func(time.Time) error {
		address = r.s.addresses[gateway]
		return nil
	})
	return address, err
}

// Replace implements ports.GatewayAddresses.
func (r *GatewayAddresses) Replace(
	ctx context.Context, gateway payment.GatewayID, replaced, address string,
) (stored string, err error) {
	err = r.s.transact(ctx, func(time.Time) error {
		if r.s.addresses[gateway] == replaced {
			r.s.addresses[gateway] = address
		}
		stored = r.s.addresses[gateway]
		return nil
	})
	return stored, err
}

// CountOpen implements ports.GatewayAddresses.
func (r *GatewayAddresses) CountOpen(ctx context.Context, gateway payment.GatewayID) (n int, err error) {
	err = r.s.transact(ctx, func(time.Time) error {
		for _, record := range r.s.all() {
			p := record.payment
			unsent := p.Operation.IsCharge() && p.State == payment.StateScheduled && !p.Doubt.Any()
			if p.Gateway == gateway && !p.DueAt.IsZero() && !unsent {
				n++
			}
			for _, k := range p.Keys {
				if k.Gateway == gateway && !k.DueAt.IsZero() {
					n++
				}
			}
		}
		return nil
	})
	return n, err
}
