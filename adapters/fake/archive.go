package fake

import (
	"cmp"
	"context"
	"slices"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Archivable returns the histories that may be archived.
func (s *Payments) Archivable(ctx context.Context, q ports.ArchiveQuery) (page ports.ArchivePage, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		var ids []payment.OrderID
		for _, r := range s.sorted(func(a, b payment.Payment) int { return cmp.Compare(a.OrderID, b.OrderID) }) {
			if id := r.payment.OrderID; id > q.After && r.leavesHistory() && len(ids) < q.Limit {
				ids = append(ids, id)
			}
		}
		ids, page.Next = q.Page(ids, nil)
		for _, id := range ids {
			if h := s.orders[id].history(now); h.Payment.Archivable(q.Age) {
				page.Histories = append(page.Histories, h)
			}
		}
		return nil
	})
	return page, err
}

// leavesHistory reports whether there is something that can leave.
func (r *record) leavesHistory() bool {
	return len(r.past) > 0 || slices.ContainsFunc(r.events, func(e payment.Event) bool {
		return e.Kind != payment.EventArchived
	})
}

// Archive takes history away.
func (s *Payments) Archive(ctx context.Context, a payment.Archival) error {
	return s.change(ctx, a.OrderID, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		d, err := a.Apply(p, now)
		if err == nil {
			r := s.orders[a.OrderID]
			r.past, r.events = nil, nil // all of it is what the archival was made of
		}
		return d, err
	})
}
