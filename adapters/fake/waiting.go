package fake

import (
	"context"
	"time"

	"paymentd/ports"
)

// ListWaitingOperations implements ports.WaitingOperations.
func (s *Payments) ListWaitingOperations(ctx context.Context, limit int) (page ports.OperationPage, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		for _, r := range sortedOf(s.operations, longestDueFirst) {
			if len(page.Operations) == limit {
				break
			}
			if !r.payment.DueAt.IsZero() {
				page.Operations = append(page.Operations, r.read(now))
			}
		}
		return nil
	})
	return page, err
}
