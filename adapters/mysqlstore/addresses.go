package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// GatewayAddresses is ports.GatewayAddresses on MySQL.
type GatewayAddresses struct{ s *Payments }

// GatewayAddresses returns the repository of the addresses of gateways, in the same database and on the same connections.
func (s *Payments) GatewayAddresses() ports.GatewayAddresses { return &GatewayAddresses{s} }

// Find implements ports.GatewayAddresses.
func (r *GatewayAddresses) Find(ctx context.Context, gateway payment.GatewayID) (address string, err error) {
	err = r.s.read(ctx, func(ctx context.Context, q *queries.Queries) (err error) {
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

// Replace implements ports.GatewayAddresses. Each statement commits alone: the primary key and the condition on the
// replaced address decide between two replicas.
func (r *GatewayAddresses) Replace(
	ctx context.Context, gateway payment.GatewayID, replaced, address string,
) (stored string, err error) {
	err = r.s.write(ctx, func(ctx context.Context, conn *sql.Conn) (err error) {
		q := queries.New(conn)
		if replaced == "" {
			err = q.InsertGatewayAddress(ctx, queries.InsertGatewayAddressParams{Gateway: gateway, Address: address})
			if hasNumber(err, errDuplicateKey) {
				err = nil // another replica, or an earlier try whose answer was lost
			}
		} else {
			err = q.ReplaceGatewayAddress(ctx, queries.ReplaceGatewayAddressParams{
				Gateway: gateway, Address: address, Replaced: replaced,
			})
		}
		if err != nil {
			return classifyCommit(err)
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
	t, err := r.s.known(ctx)
	if err == nil {
		limit := atMost(t.engine.maxCounted())
		err = r.s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
			payments, err := q.CountOpenPayments(ctx, queries.CountOpenPaymentsParams{Gateway: gateway, Limit: limit})
			if err != nil {
				return err
			}
			keys, err := q.CountOpenGatewayKeys(ctx, queries.CountOpenGatewayKeysParams{Gateway: gateway, Limit: limit})
			if err != nil {
				return err
			}
			operations, err := q.CountOpenOperations(ctx, queries.CountOpenOperationsParams{Gateway: gateway, Limit: limit})
			if err != nil {
				return err
			}
			operationKeys, err := q.CountOpenOperationKeys(ctx, queries.CountOpenOperationKeysParams{Gateway: gateway, Limit: limit})
			open = payments + keys + operations + operationKeys
			return err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("count what is open at a gateway: %w", err)
	}
	return int(open), nil
}
