package mysqlstore

import (
	"context"
	"fmt"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// ListSummaries implements ports.Summaries.
func (s *Payments) ListSummaries(ctx context.Context, query ports.SummaryQuery) (page ports.SummaryPage, err error) {
	limit := max(0, min(query.Limit, ports.MaxSummaries))
	if limit == 0 {
		return page, nil
	}
	params := queries.ListSummariesParams{
		CreatedFrom: query.CreatedFrom, CreatedBefore: query.CreatedBefore,
		Limit: atMost(limit + 1), // one more row, to see whether another page follows
	}
	if !query.AfterCreatedAt.Before(query.CreatedFrom) {
		params.CreatedFrom, params.AfterOrderID = query.AfterCreatedAt, query.AfterOrderID
	}
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		rows, err := q.ListSummaries(ctx, params)
		if err != nil {
			return err
		}
		page, err = sqlrow.SummaryPage(rows, limit, fromSummaryRow)
		return err
	})
	if err != nil {
		return ports.SummaryPage{}, fmt.Errorf("list the payments of a period: %w", err)
	}
	return page, nil
}

// FindSummaries implements ports.Summaries.
func (s *Payments) FindSummaries(ctx context.Context, orders []payment.OrderID) (page ports.SummaryPage, err error) {
	if len(orders) == 0 {
		return page, nil
	}
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		rows, err := q.FindSummaries(ctx, orders)
		if err != nil {
			return err
		}
		page, err = sqlrow.SummaryPage(rows, len(rows), func(row queries.FindSummariesRow) (payment.Summary, error) {
			return fromSummaryRow(queries.ListSummariesRow(row))
		})
		return err
	})
	if err != nil {
		return ports.SummaryPage{}, fmt.Errorf("find the payments of %d orders: %w", len(orders), err)
	}
	return page, nil
}

func fromSummaryRow(row queries.ListSummariesRow) (payment.Summary, error) {
	return sqlrow.Summary(payment.Summary{
		OrderID: row.OrderID, State: row.State, GatewayKey: row.GatewayKey, Gateway: row.Gateway,
		TransactionID: string(row.TransactionID), CapturedMinor: row.CapturedMinor, RefundReserved: row.RefundReservedMinor,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}, row.AmountMinor, row.Currency)
}

// FindRefunds implements ports.Summaries.
func (s *Payments) FindRefunds(ctx context.Context, orders []payment.OrderID) (page ports.RefundPage, err error) {
	if len(orders) == 0 {
		return page, nil
	}
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		rows, err := q.FindRefunds(ctx, orders)
		if err != nil {
			return err
		}
		page, err = sqlrow.RefundPage(rows, fromRefundRow)
		return err
	})
	if err != nil {
		return ports.RefundPage{}, fmt.Errorf("find the refunds of %d orders: %w", len(orders), err)
	}
	return page, nil
}

func fromRefundRow(row queries.FindRefundsRow) (payment.RefundSummary, error) {
	return sqlrow.RefundSummary(payment.RefundSummary{
		OrderID: row.OrderID, Name: row.OperationName, ChargeKey: row.ChargeKey, State: row.State,
		InDoubt:   row.DoubtAnswered != 0 || row.DoubtNamed != 0 || row.DoubtUnansweredAt.Valid,
		UpdatedAt: row.UpdatedAt,
	}, row.AmountMinor, row.Currency)
}
