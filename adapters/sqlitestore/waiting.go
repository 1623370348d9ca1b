package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// ListWaitingOperations implements ports.WaitingOperations.
func (s *Payments) ListWaitingOperations(ctx context.Context, limit int) (page ports.OperationPage, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		page = ports.OperationPage{}
		rows, err := q.ListWaitingOperations(ctx, int64(max(0, limit)))
		if err != nil {
			return err
		}
		for _, row := range rows {
			p, err := fromOperationRow(row.Operation, now)
			if err := sqlrow.Collect(&page.Operations, &page.Unreadable, p, err); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return ports.OperationPage{}, fmt.Errorf("list the operations that wait: %w", err)
	}
	return page, nil
}
