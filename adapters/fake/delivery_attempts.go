package fake

import (
	"cmp"
	"context"
	"slices"
	"time"

	"paymentd/core/endpoint"
	"paymentd/ports"
)

// logAttempt adds an attempt to the log, in place of the one that has its slot.
func (s *Payments) logAttempt(a endpoint.Attempt, now time.Time) {
	s.attempts = slices.DeleteFunc(s.attempts, func(b endpoint.Attempt) bool { return a.Ref == b.Ref && a.Slot() == b.Slot() })
	a.EndedAt = now
	s.attempts = append(s.attempts, a)
}

// Attempts implements ports.Outbox.
func (o *Outbox) Attempts(ctx context.Context, q ports.AttemptQuery) (page []endpoint.Attempt, err error) {
	err = o.s.transact(ctx, func(time.Time) error {
		for _, a := range o.s.attempts {
			if a.Endpoint == q.Endpoint && (q.Event == a.Event || q.Event == "" && follows(a, q.After)) {
				page = append(page, a)
			}
		}
		return nil
	})
	slices.SortFunc(page, func(a, b endpoint.Attempt) int {
		return cmp.Or(b.EndedAt.Compare(a.EndedAt), cmp.Compare(b.OrderID, a.OrderID), cmp.Compare(b.Sequence, a.Sequence),
			cmp.Compare(b.Number, a.Number))
	})
	return page[:min(len(page), q.Limit)], err
}

// follows reports whether an attempt is listed after the cursor, which is zero for the first page.
func follows(a endpoint.Attempt, after ports.AttemptCursor) bool {
	return after.EndedAt.IsZero() ||
		cmp.Or(a.EndedAt.Compare(after.EndedAt), cmp.Compare(a.OrderID, after.OrderID), cmp.Compare(a.Sequence, after.Sequence)) < 0
}
