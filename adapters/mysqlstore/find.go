package mysqlstore

import (
	"context"
	"fmt"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// Find implements ports.Payments.
func (s *Payments) Find(ctx context.Context, id payment.OrderID) (p payment.Payment, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		p, err = find(ctx, q, id)
		return err
	})
	if err != nil {
		return payment.Payment{}, fmt.Errorf("find payment: %w", err)
	}
	return p, nil
}

func find(ctx context.Context, q *queries.Queries, id payment.OrderID) (payment.Payment, error) {
	row, err := q.FindPayment(ctx, id)
	if isNotFound(err) {
		return payment.Payment{}, ports.ErrNotFound
	}
	if err != nil {
		return payment.Payment{}, err
	}
	p, err := fromRow(row.Payment, row.ReadAt)
	if err == nil && p.State == payment.StatePending {
		p.Keys, err = listKeys(ctx, q, p.Ref()) // they have the redirect URL
	}
	return p, err
}

// History implements ports.Payments. It needs no transaction: attempts and events are inserted
// together with the update of the payment that counts them, and never changed, so all that the
// payment counts are there, and later ones are left out. A history that is archived meanwhile may be
// read in part.
func (s *Payments) History(ctx context.Context, id payment.OrderID) (h ports.History, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		if h, err = history(ctx, q, id); err == nil {
			h.Operations, err = operationHistories(ctx, q, id)
		}
		return err
	})
	if err != nil {
		return ports.History{}, fmt.Errorf("read the history: %w", err)
	}
	return h, nil
}

func history(ctx context.Context, q *queries.Queries, id payment.OrderID) (ports.History, error) {
	p, err := find(ctx, q, id)
	if err != nil {
		return ports.History{}, err
	}
	attempts, err := q.ListAttempts(ctx, queries.ListAttemptsParams{
		OrderID: id, BeforeNumber: p.Attempt.Number,
	})
	if err != nil {
		return ports.History{}, fmt.Errorf("list attempts: %w", err)
	}
	events, err := q.ListEvents(ctx, queries.ListEventsParams{OrderID: id, LastNumber: p.Events})
	if err != nil {
		return ports.History{}, fmt.Errorf("list events: %w", err)
	}
	h := ports.History{Payment: p}
	if h.Keys, err = listKeys(ctx, q, p.Ref()); err != nil {
		return ports.History{}, err
	}
	if h.Attempts, err = sqlrow.MapAll(attempts, fromAttempt); err != nil {
		return ports.History{}, err
	}
	if !p.Attempt.StartedAt.IsZero() {
		h.Attempts = append(h.Attempts, p.Attempt)
	}
	if h.Events, err = sqlrow.MapAll(events, fromEvent); err != nil {
		return ports.History{}, err
	}
	return h, nil
}

// Transactions implements ports.Payments.
func (s *Payments) Transactions(
	ctx context.Context, after payment.OrderID, limit int,
) (page []ports.Transaction, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		rows, err := q.ListTransactions(ctx, queries.ListTransactionsParams{After: after, Limit: atMost(limit)})
		page = make([]ports.Transaction, 0, len(rows)) // empty at each try
		for _, row := range rows {
			page = append(page, ports.Transaction{
				OrderID: row.OrderID, Gateway: row.Gateway, TransactionID: string(row.TransactionID),
			})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list transactions: %w", err)
	}
	return page, nil
}

// CountForeign implements ports.Payments.
func (s *Payments) CountForeign(ctx context.Context, configured []payment.GatewayID) (int, error) {
	var n int64
	t, err := s.known(ctx)
	if err == nil {
		err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
			var err error
			n, err = q.CountForeign(ctx, queries.CountForeignParams{
				Gateways: gateways(configured), Limit: atMost(t.engine.maxCounted()),
			})
			if err != nil {
				return err
			}
			keys, err := q.CountForeignGatewayKeys(ctx, queries.CountForeignGatewayKeysParams{
				Gateways: gateways(configured), Limit: atMost(t.engine.maxCounted()),
			})
			if err != nil {
				return err
			}
			operations, err := countForeignOperations(ctx, q, configured, t.engine.maxCounted())
			n += keys + operations
			return err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("count payments of other gateways: %w", err)
	}
	return int(n), nil
}
