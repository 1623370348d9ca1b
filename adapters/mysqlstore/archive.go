package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// Archivable implements ports.Payments. It starts from the attempts and events, because most
// payments have neither.
func (s *Payments) Archivable(ctx context.Context, query ports.ArchiveQuery) (page ports.ArchivePage, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		page = ports.ArchivePage{}
		withAttempts, err := q.ListWithAttempts(ctx, queries.ListWithAttemptsParams{
			After: query.After, Limit: atMost(query.Limit),
		})
		if err != nil {
			return err
		}
		withEvents, err := q.ListWithEvents(ctx, queries.ListWithEventsParams{
			After: query.After, Limit: atMost(query.Limit),
		})
		if err != nil {
			return err
		}
		orders, next := query.Page(withAttempts, withEvents)
		page.Next = next
		return sqlrow.AddHistories(&page, query, orders, func(id payment.OrderID) (ports.History, error) {
			h, err := history(ctx, q, id)
			if err == nil {
				h.Operations, err = operationHistories(ctx, q, id)
			}
			return h, err
		})
	})
	if err != nil {
		return ports.ArchivePage{}, fmt.Errorf("list archivable histories: %w", err)
	}
	return page, nil
}

// Archive implements ports.Payments.
func (s *Payments) Archive(ctx context.Context, a payment.Archival) error {
	m := newRowUpdate(payment.Ref{OrderID: a.OrderID}, a.Apply)
	err := s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return transact(ctx, conn, func(q *queries.Queries) error {
			if err := m.apply(ctx, q); err != nil {
				return err
			}
			attempts := queries.DeleteAttemptsParams{OrderID: a.OrderID, BeforeNumber: a.Attempt}
			if err := q.DeleteAttempts(ctx, attempts); err != nil {
				return fmt.Errorf("delete attempts: %w", err)
			}
			events := queries.DeleteEventsParams{OrderID: a.OrderID, LastNumber: a.Events}
			if err := q.DeleteEvents(ctx, events); err != nil {
				return fmt.Errorf("delete events: %w", err)
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("archive the history: %w", err)
	}
	return nil
}
