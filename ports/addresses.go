package ports

import (
	"context"

	"paymentd/core/payment"
)

// GatewayAddresses is the repository of the addresses of gateways whose identity is a name: of the system that the keys
// with this identity were sent to. Its errors and its concurrent use are those of [Payments], with which it shares a
// database.
type GatewayAddresses interface {
	// Find returns the address; empty if none is stored. It takes no lock.
	Find(ctx context.Context, gateway payment.GatewayID) (string, error)

	// Replace stores the address in place of replaced, which is empty if none was stored, and returns the address that
	// is stored then: another one if another worker has stored it first. It is safe to repeat after an error.
	Replace(ctx context.Context, gateway payment.GatewayID, replaced, address string) (string, error)

	// CountOpen counts the payments and operations at the gateway that are not final, and the keys with lookups of their
	// own; of each at most [MaxBacklog]. It leaves out payments that are scheduled and not in doubt: another gateway may
	// charge them as well. It takes no lock.
	CountOpen(ctx context.Context, gateway payment.GatewayID) (int, error)
}
