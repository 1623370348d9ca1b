package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// Expedite implements ports.Operators.
func (s *Payments) Expedite(ctx context.Context, e payment.Expedite) error {
	ref := payment.Ref{OrderID: e.OrderID, Operation: e.Operation}
	if _, err := s.update(ctx, ref, e.Apply); err != nil {
		return fmt.Errorf("expedite payment: %w", err)
	}
	return nil
}

// ListWaiting implements ports.Operators.
func (s *Payments) ListWaiting(ctx context.Context, query ports.WaitingQuery) (page ports.WaitingPage, err error) {
	limit := query.Limit
	if limit <= 0 {
		return page, nil
	}
	params := queries.ListWaitingParams{
		State: query.State, AfterDueAt: sql.NullInt64{Int64: microsOf(query.After.DueAt), Valid: true},
		AfterCreatedAt: microsOf(query.After.CreatedAt), AfterOrderID: query.After.OrderID,
		PageLimit: int64(limit) + 1, // one more, to see whether another page follows
	}
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		page = ports.WaitingPage{}
		rows, err := q.ListWaiting(ctx, params)
		if err != nil {
			return err
		}
		if len(rows) > limit {
			rows = rows[:limit]
			last := rows[limit-1].Payment
			page.Next = ports.WaitingCursor{DueAt: orZero(last.DueAt), CreatedAt: fromMicros(last.CreatedAt), OrderID: last.OrderID}
		}
		for _, row := range rows {
			p, err := fromRow(row.Payment, now)
			if err := sqlrow.Collect(&page.Payments, &page.Unreadable, p, err); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return ports.WaitingPage{}, fmt.Errorf("list the payments that wait: %w", err)
	}
	return page, nil
}

// SearchOrders implements ports.Operators.
func (s *Payments) SearchOrders(ctx context.Context, beginning string, limit int) (found []payment.OrderID, err error) {
	params := queries.SearchOrdersParams{
		First: payment.OrderID(beginning), Beyond: payment.OrderID(beginning + "\x7f"), PageLimit: int64(max(0, limit)),
	}
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) error {
		found, err = q.SearchOrders(ctx, params)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("search orders: %w", err)
	}
	return found, nil
}

// SearchOperations implements ports.Operators.
func (s *Payments) SearchOperations(ctx context.Context, name string, limit int) (found []payment.Ref, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) error {
		found = nil
		rows, err := q.SearchOperations(ctx, queries.SearchOperationsParams{OperationName: name, PageLimit: int64(max(0, limit))})
		for _, row := range rows {
			found = append(found, payment.Ref{OrderID: row.OrderID, Operation: payment.OperationID{Kind: row.OperationKind, Name: row.OperationName}})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("search operations: %w", err)
	}
	return found, nil
}

// SearchKeys implements ports.Operators.
func (s *Payments) SearchKeys(ctx context.Context, query ports.KeyQuery) (found []payment.OrderID, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) error {
		found, err = q.SearchKeyRecords(ctx, queries.SearchKeyRecordsParams{GatewayKey: query.Key, PageLimit: int64(max(0, query.Limit))})
		if err != nil {
			return err
		}
		rows, err := q.ListKeysOfCreated(ctx, queries.ListKeysOfCreatedParams{
			CreatedFrom: microsOf(query.CreatedFrom), CreatedBefore: microsOf(query.CreatedBefore),
			PageLimit: int64(max(0, query.Examined)),
		})
		for _, row := range rows {
			if row.GatewayKey == query.Key && len(found) < query.Limit && !slices.Contains(found, row.OrderID) {
				found = append(found, row.OrderID)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("search a gateway key: %w", err)
	}
	return found, nil
}

// microsOf returns the time as it is stored; zero for no time.
func microsOf(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}
