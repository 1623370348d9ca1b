package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// GatewayAddresses is ports.GatewayAddresses on SQLite.
type GatewayAddresses struct{ s *Payments }

// GatewayAddresses returns the repository of the addresses of gateways, in the same file.
func (s *Payments) GatewayAddresses() ports.GatewayAddresses { return &GatewayAddresses{s} }

// Find implements ports.GatewayAddresses.
func (r *GatewayAddresses) Find(ctx context.Context, gateway payment.GatewayID) (address string, err error) {
	err = r.s.read(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) (err error) {
		address, err = findAddress(ctx, q, gateway)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("find the address of a gateway: %w", err)
	}
	return address, nil
}

func findAddress(ctx context.Context, q *queries.Queries, gateway payment.GatewayID) (string, error) {
	address, err := q.FindGatewayAddress(ctx, gateway)
	if isNotFound(err) {
		return "", nil
	}
	return address, err
}

// Replace implements ports.GatewayAddresses.
func (r *GatewayAddresses) Replace(
	ctx context.Context, gateway payment.GatewayID, replaced, address string,
) (stored string, err error) {
	err = r.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) (err error) {
		if replaced == "" {
			err = q.InsertGatewayAddress(ctx, queries.InsertGatewayAddressParams{
				Gateway: gateway, Address: address, Now: now.UnixMicro(),
			})
		} else {
			err = q.ReplaceGatewayAddress(ctx, queries.ReplaceGatewayAddressParams{
				Gateway: gateway, Address: address, Replaced: replaced, Now: now.UnixMicro(),
			})
		}
		if err != nil {
			return err
		}
		stored, err = findAddress(ctx, q, gateway)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("store the address of a gateway: %w", err)
	}
	return stored, nil
}

// CountOpen implements ports.GatewayAddresses.
func (r *GatewayAddresses) CountOpen(ctx context.Context, gateway payment.GatewayID) (int, error) {
	var open int64
	err := r.s.read(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) error {
		payments, err := q.CountOpenPayments(ctx, queries.CountOpenPaymentsParams{Gateway: gateway, MaxRows: ports.MaxBacklog})
		if err != nil {
			return err
		}
		keys, err := q.CountOpenGatewayKeys(ctx, queries.CountOpenGatewayKeysParams{Gateway: gateway, MaxRows: ports.MaxBacklog})
		if err != nil {
			return err
		}
		operations, err := q.CountOpenOperations(ctx, queries.CountOpenOperationsParams{Gateway: gateway, MaxRows: ports.MaxBacklog})
		if err != nil {
			return err
		}
		operationKeys, err := q.CountOpenOperationKeys(ctx, queries.CountOpenOperationKeysParams{
			Gateway: gateway, MaxRows: ports.MaxBacklog,
		})
		open = payments + keys + operations + operationKeys
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count what is open at a gateway: %w", err)
	}
	return int(open), nil
}
