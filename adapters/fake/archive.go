package fake

import (
	"cmp"
	"context"
	"slices"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Archivable implements ports.Payments.
func (s *Payments) Archivable(ctx context.Context, q ports.ArchiveQuery) (page ports.ArchivePage, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		var ids []payment.OrderID
		for _, r := range s.sorted(func(a, b payment.Payment) int { return cmp.Compare(a.OrderID, b.OrderID) }) {
			if id := r.payment.OrderID; id > q.After && r.hasHistory() && len(ids) < q.Limit {
				ids = append(ids, id)
			}
		}
		ids, page.Next = q.Page(ids, nil)
		for _, id := range ids {
			h := s.orders[id].history(now)
			for _, o := range sortedOf(s.operations, oldestOperationFirst) {
				if o.payment.OrderID == id {
					h.Operations = append(h.Operations, o.history(now))
				}
			}
			if h.Archivable(q.Age) {
				page.Histories = append(page.Histories, h)
			}
		}
		return nil
	})
	return page, err
}

// hasHistory reports whether there is history to archive.
func (r *record) hasHistory() bool {
	return len(r.priorAttempts) > 0 || slices.ContainsFunc(r.events, func(e payment.Event) bool {
		return e.Kind != payment.EventArchived
	})
}

// Archive implements ports.Payments.
func (s *Payments) Archive(ctx context.Context, a payment.Archival) error {
	return s.change(ctx, payment.Ref{OrderID: a.OrderID}, func(p payment.Payment, now time.Time) (payment.Decision, error) {
		d, err := a.Apply(p, now)
		if err == nil {
			r := s.orders[a.OrderID]
			r.priorAttempts, r.events = nil, nil // the archival has all of it
		}
		return d, err
	})
}
