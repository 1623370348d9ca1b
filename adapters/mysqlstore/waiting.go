package mysqlstore

import (
	"context"
	"fmt"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// ListWaitingOperations implements ports.WaitingOperations.
func (s *Payments) ListWaitingOperations(ctx context.Context, limit int) (page ports.OperationPage, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		page = ports.OperationPage{}
		rows, err := q.ListWaitingOperations(ctx, atMost(limit))
		if err != nil {
			return err
		}
		for _, row := range rows {
			p, err := fromOperationRow(row.Operation, row.ReadAt)
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
