package mysqlstore

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// Bounds on creation times, for a query without them.
var (
	earliest = time.Date(1000, time.January, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC)
)

// noState is longer than the column, and matches no row: NOT IN needs at least one value.
const noState payment.State = "longer than any state"

// List implements ports.Payments. Payments that were created at the same
// time are in descending order of their order id.
func (s *Payments) List(ctx context.Context, query ports.ListQuery) (page ports.ListPage, err error) {
	if query.Limit <= 0 {
		return page, nil
	}
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		var complete bool
		if query.Outstanding() {
			page, complete, err = listOutstanding(ctx, q, query)
		}
		if err == nil && !complete {
			page, err = listCreated(ctx, q, query)
		}
		return err
	})
	if err != nil {
		return ports.ListPage{}, fmt.Errorf("list payments: %w", err)
	}
	return page, nil
}

// listOutstanding reads the index of what is due, and the rows of the page. It is not complete if more payments than a
// page may read are due.
func listOutstanding(ctx context.Context, q *queries.Queries, query ports.ListQuery) (page ports.ListPage, complete bool, err error) {
	due, err := q.ListOutstanding(ctx, atMost(query.MaxRows()+1))
	if err != nil || len(due) > query.MaxRows() {
		return page, false, err
	}
	all := make([]ports.Listed, 0, len(due))
	for _, row := range due {
		all = append(all, ports.Listed(row))
	}
	orders, last := query.Page(all)
	page.NextCreatedAt, page.NextOrderID = last.CreatedAt, last.OrderID
	if len(orders) == 0 {
		return page, true, nil
	}
	rows, err := q.FindPayments(ctx, orders)
	if err != nil {
		return page, false, err
	}
	found := make(map[payment.OrderID]queries.FindPaymentsRow, len(rows))
	for _, row := range rows {
		found[row.Payment.OrderID] = row
	}
	leftOut := query.StatesLeftOut()
	for _, id := range orders {
		row, ok := found[id]
		if !ok || slices.Contains(leftOut, row.Payment.State) {
			continue // changed meanwhile
		}
		p, err := fromRow(row.Payment, row.ReadAt)
		if err := sqlrow.Collect(&page.Payments, &page.Unreadable, p, err); err != nil {
			return page, false, err
		}
	}
	return page, true, nil
}

// listCreated reads the rows in the order of their creation, until the page is full or has read as many as it may.
func listCreated(ctx context.Context, q *queries.Queries, query ports.ListQuery) (page ports.ListPage, err error) {
	params := queries.ListPaymentsParams{
		CreatedFrom:    orTime(query.CreatedFrom, earliest),
		CreatedBefore:  orTime(query.CreatedBefore, latest),
		AfterCreatedAt: orTime(query.AfterCreatedAt, latest),
		AfterOrderID:   query.AfterOrderID,
		StatesLeftOut:  append(query.StatesLeftOut(), noState),
	}
	limit := min(query.Limit, math.MaxInt32-1)
	var rows []queries.ListPaymentsRow
	for left, window := query.MaxRows(), query.FirstRows(); left > 0 && len(rows) <= limit; left, window = left-window, left-window {
		page.NextCreatedAt, page.NextOrderID = time.Time{}, ""
		bounded := params
		if len(query.States) > 0 {
			last, err := q.SkipPayments(ctx, skipParams(params, window-1))
			if err != nil && !isNotFound(err) {
				return page, err
			}
			if err == nil {
				bounded.CreatedFrom, bounded.FromOrderID = last.CreatedAt, last.OrderID
				page.NextCreatedAt, page.NextOrderID = last.CreatedAt, last.OrderID
			}
		}
		bounded.Limit = atMost(limit + 1 - len(rows)) // one more row, to see whether another page follows
		more, err := q.ListPayments(ctx, bounded)
		if err != nil {
			return page, err
		}
		rows = append(rows, more...)
		if page.NextOrderID == "" {
			break // there are no further rows
		}
		params.AfterCreatedAt, params.AfterOrderID = page.NextCreatedAt, page.NextOrderID
	}
	if len(rows) > limit {
		rows = rows[:limit]
		last := rows[limit-1].Payment
		page.NextCreatedAt, page.NextOrderID = last.CreatedAt, last.OrderID
	}
	for _, row := range rows {
		p, err := fromRow(row.Payment, row.ReadAt)
		if err := sqlrow.Collect(&page.Payments, &page.Unreadable, p, err); err != nil {
			return page, err
		}
	}
	return page, nil
}

func skipParams(p queries.ListPaymentsParams, skipped int) queries.SkipPaymentsParams {
	return queries.SkipPaymentsParams{
		CreatedFrom: p.CreatedFrom, CreatedBefore: p.CreatedBefore, AfterCreatedAt: p.AfterCreatedAt,
		AfterOrderID: p.AfterOrderID, Offset: atMost(skipped),
	}
}

func orTime(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}
