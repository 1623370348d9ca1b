package fake

import (
	"cmp"
	"context"
	"slices"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// ListSummaries implements ports.Summaries.
func (s *Payments) ListSummaries(ctx context.Context, q ports.SummaryQuery) (page ports.SummaryPage, err error) {
	limit := min(q.Limit, ports.MaxSummaries)
	after := payment.Payment{OrderID: q.AfterOrderID, CreatedAt: q.AfterCreatedAt}
	err = s.transact(ctx, func(time.Time) error {
		for _, r := range s.sorted(oldestFirst) {
			p := r.payment
			switch {
			case p.CreatedAt.Before(q.CreatedFrom), !p.CreatedAt.Before(q.CreatedBefore),
				!q.AfterCreatedAt.IsZero() && oldestFirst(p, after) <= 0:
			case len(page.Summaries) < limit:
				page.Summaries = append(page.Summaries, p.Summary())
			case limit > 0:
				last := page.Summaries[limit-1]
				page.NextCreatedAt, page.NextOrderID = last.CreatedAt, last.OrderID
				return nil
			}
		}
		return nil
	})
	return page, err
}

// FindSummaries implements ports.Summaries.
func (s *Payments) FindSummaries(ctx context.Context, orders []payment.OrderID) (page ports.SummaryPage, err error) {
	err = s.transact(ctx, func(time.Time) error {
		found := make(map[payment.OrderID]bool, len(orders))
		for _, id := range orders {
			if r, known := s.orders[id]; known && !found[id] {
				page.Summaries = append(page.Summaries, r.payment.Summary())
				found[id] = true
			}
		}
		return nil
	})
	return page, err
}

// FindRefunds implements ports.Summaries.
func (s *Payments) FindRefunds(ctx context.Context, orders []payment.OrderID) (page ports.RefundPage, err error) {
	err = s.transact(ctx, func(time.Time) error {
		for ref, r := range s.operations {
			if ref.Operation.Kind == payment.KindRefund && slices.Contains(orders, ref.OrderID) {
				page.Refunds = append(page.Refunds, r.payment.RefundSummary())
			}
		}
		return nil
	})
	return page, err
}

func oldestFirst(a, b payment.Payment) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.OrderID, b.OrderID))
}
