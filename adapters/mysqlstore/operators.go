package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// Expedite implements ports.Operators.
func (s *Payments) Expedite(ctx context.Context, e payment.Expedite) error {
	ref := payment.Ref{OrderID: e.OrderID, Operation: e.Operation}
	if _, err := s.update(ctx, newKeyUpdate(ref, e.Apply)); err != nil {
		return fmt.Errorf("expedite payment: %w", err)
	}
	return nil
}

// ListWaiting implements ports.Operators.
func (s *Payments) ListWaiting(ctx context.Context, query ports.WaitingQuery) (page ports.WaitingPage, err error) {
	query.Limit = min(query.Limit, math.MaxInt32-1)
	limit := int(atMost(query.Limit))
	if limit == 0 {
		return page, nil
	}
	params := listWaitingParams(query)
	params.Limit++ // one more, to see whether another page follows
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		page = ports.WaitingPage{}
		rows, err := q.ListWaiting(ctx, params)
		if err != nil {
			return err
		}
		if len(rows) > limit {
			rows = rows[:limit]
			last := rows[limit-1].Payment
			page.Next = ports.WaitingCursor{DueAt: last.DueAt.Time, CreatedAt: last.CreatedAt, OrderID: last.OrderID}
		}
		for _, row := range rows {
			p, err := fromRow(row.Payment, row.ReadAt)
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

func listWaitingParams(q ports.WaitingQuery) queries.ListWaitingParams {
	return queries.ListWaitingParams{
		State: q.State, FromDueAt: orTime(q.After.DueAt, earliest), AfterDueAt: sql.NullTime{Time: orTime(q.After.DueAt, earliest), Valid: true},
		AfterCreatedAt: orTime(q.After.CreatedAt, earliest), AfterOrderID: q.After.OrderID, Limit: atMost(q.Limit),
	}
}

// SearchOrders implements ports.Operators.
func (s *Payments) SearchOrders(ctx context.Context, beginning string, limit int) (found []payment.OrderID, err error) {
	params := queries.SearchOrdersParams{
		First: payment.OrderID(beginning), Beyond: payment.OrderID(beginning + "\x7f"), Limit: atMost(limit),
	}
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
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
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		found = nil
		rows, err := q.SearchOperations(ctx, queries.SearchOperationsParams{OperationName: name, Limit: atMost(limit)})
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
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		found, err = q.SearchKeyRecords(ctx, queries.SearchKeyRecordsParams{GatewayKey: query.Key, Limit: atMost(query.Limit)})
		if err != nil {
			return err
		}
		rows, err := q.ListKeysOfCreated(ctx, queries.ListKeysOfCreatedParams{
			CreatedFrom: orTime(query.CreatedFrom, earliest), CreatedBefore: orTime(query.CreatedBefore, earliest),
			Limit: atMost(query.Examined),
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
