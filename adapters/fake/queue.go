package fake

import (
	"cmp"
	"context"
	"slices"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// ClaimDue lets the rules decide about what is due. No row is ever locked by another.
func (s *Payments) ClaimDue(
	ctx context.Context, terms payment.PickUpPolicy, limit int,
) (due []payment.Decision, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		for _, r := range s.sorted(longestDueFirst) {
			if len(due) == limit {
				break
			}
			if r.payment.State != terms.Work.State() {
				continue
			}
			if d := s.Rules.PickUp(terms, r.read(now), now); d.Write {
				r.store(d)
				due = append(due, d)
			}
		}
		if terms.Work == payment.WorkLookups {
			due = append(due, s.claimDueKeys(terms, limit-len(due), now)...)
		}
		return nil
	})
	return due, err
}

// claimDueKeys lets the rules decide about keys whose lookup is due.
func (s *Payments) claimDueKeys(terms payment.PickUpPolicy, limit int, now time.Time) (due []payment.Decision) {
	for _, r := range s.sorted(longestDueFirst) {
		for _, k := range r.payment.Keys {
			if len(due) == limit {
				return due
			}
			if k.Gateway != "" && k.Gateway != terms.Rules.Gateway {
				continue
			}
			d := s.Rules.PickUpKey(terms, r.read(now), k.Key, now)
			r.store(d)
			if d.Verdict == payment.VerdictLookUp {
				due = append(due, d)
			}
		}
	}
	return due
}

// NextDue returns how long it is until a payment is due.
func (s *Payments) NextDue(
	ctx context.Context, terms payment.PickUpPolicy,
) (in time.Duration, found bool, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		limit := terms.DueWithin()
		take := func(due time.Time) {
			if terms.Ahead && limit > 0 && due.After(now.Add(limit)) {
				due = now
			}
			if left := max(0, due.Sub(now)); !due.IsZero() && (!found || left < in) {
				in, found = left, true
			}
		}
		for _, r := range s.orders {
			if r.payment.State == terms.Work.State() && !r.payment.Foreign(terms.Rules.Gateway) {
				take(r.payment.DueAt)
			}
			for _, k := range r.payment.Keys {
				if terms.Work == payment.WorkLookups && (k.Gateway == "" || k.Gateway == terms.Rules.Gateway) {
					take(k.DueAt)
				}
			}
		}
		return nil
	})
	return in, found, err
}

// Backlog counts what is not finished, by state.
func (s *Payments) Backlog(ctx context.Context) (backlog []ports.Backlog, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		for _, state := range payment.States() {
			b := ports.Backlog{State: state}
			for _, r := range s.orders {
				if p := r.payment; p.State == state && !p.DueAt.IsZero() {
					count(&b, p, now)
				}
			}
			if b.Payments > 0 {
				backlog = append(backlog, b)
			}
		}
		return nil
	})
	return backlog, err
}

func count(b *ports.Backlog, p payment.Payment, now time.Time) {
	b.Payments++
	b.Oldest = max(b.Oldest, now.Sub(p.CreatedAt))
	if !now.Before(p.DueAt) {
		b.Due++
		b.LongestDue = max(b.LongestDue, now.Sub(p.DueAt))
	}
}

// List returns a page of payments.
func (s *Payments) List(ctx context.Context, q ports.ListQuery) (page ports.ListPage, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		for _, r := range s.sorted(newestFirst) {
			if !wants(q, r.payment) {
				continue
			}
			if len(page.Payments) == q.Limit {
				if q.Limit > 0 {
					last := page.Payments[q.Limit-1]
					page.NextCreatedAt, page.NextOrderID = last.CreatedAt, last.OrderID
				}
				break
			}
			page.Payments = append(page.Payments, r.read(now))
		}
		return nil
	})
	return page, err
}

// CountForeign counts the payments that wait for another gateway.
func (s *Payments) CountForeign(ctx context.Context, gateway payment.GatewayID) (n int, err error) {
	err = s.transact(ctx, func(time.Time) error {
		for _, r := range s.orders {
			if !r.payment.DueAt.IsZero() && r.payment.Foreign(gateway) {
				n++
			}
		}
		return nil
	})
	return n, err
}

// Transactions returns the transactions of payments, by order id.
func (s *Payments) Transactions(
	ctx context.Context, after payment.OrderID, limit int,
) (page []ports.Transaction, err error) {
	err = s.transact(ctx, func(time.Time) error {
		byID := func(a, b payment.Payment) int { return cmp.Compare(a.OrderID, b.OrderID) }
		for _, r := range s.sorted(byID) {
			if p := r.payment; p.OrderID > after && p.TransactionID != "" && len(page) < limit {
				page = append(page, ports.Transaction{
					OrderID: p.OrderID, Gateway: p.Gateway, TransactionID: p.TransactionID,
				})
			}
		}
		return nil
	})
	return page, err
}

// wants reports whether p belongs on the page.
func wants(q ports.ListQuery, p payment.Payment) bool {
	after := payment.Payment{OrderID: q.AfterOrderID, CreatedAt: q.AfterCreatedAt}
	switch {
	case len(q.States) > 0 && !slices.Contains(q.States, p.State),
		!q.AfterCreatedAt.IsZero() && newestFirst(p, after) <= 0,
		!q.CreatedFrom.IsZero() && p.CreatedAt.Before(q.CreatedFrom),
		!q.CreatedBefore.IsZero() && !p.CreatedAt.Before(q.CreatedBefore):
		return false
	}
	return true
}

// Beat stores that a replica is alive.
func (s *Payments) Heartbeat(ctx context.Context, replica string) error {
	return s.transact(ctx, func(now time.Time) error {
		s.replicas[replica] = now
		return nil
	})
}

// Heartbeats returns the latest heartbeat of each of the others.
func (s *Payments) Heartbeats(ctx context.Context, asking string) (beats []ports.Heartbeat, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		for name, at := range s.replicas {
			if name != asking {
				beats = append(beats, ports.Heartbeat{Replica: name, At: at, Age: now.Sub(at)})
			}
		}
		slices.SortFunc(beats, func(a, b ports.Heartbeat) int { return cmp.Compare(a.Replica, b.Replica) })
		return nil
	})
	return beats, err
}

// Release ends the leases of a replica that has stored no later heartbeat.
func (s *Payments) Release(ctx context.Context, h ports.Heartbeat) (released bool, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		at, known := s.replicas[h.Replica]
		if released = known && at.Equal(h.At); !released {
			return nil
		}
		delete(s.replicas, h.Replica)
		for _, r := range s.orders {
			if r.payment.Claimed(now) && r.payment.Replica == h.Replica {
				r.payment.DueAt = now
			}
		}
		return nil
	})
	return released, err
}

// Leave forgets a replica.
func (s *Payments) Leave(ctx context.Context, replica string) error {
	return s.transact(ctx, func(time.Time) error {
		delete(s.replicas, replica)
		return nil
	})
}

// sorted returns all records in an order that does not depend on that of a map.
func (s *Payments) sorted(order func(a, b payment.Payment) int) []*record {
	records := make([]*record, 0, len(s.orders))
	for _, r := range s.orders {
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b *record) int { return order(a.payment, b.payment) })
	return records
}

// longestDueFirst puts what is never due last.
func longestDueFirst(a, b payment.Payment) int {
	if never := a.DueAt.IsZero(); never != b.DueAt.IsZero() {
		if never {
			return 1
		}
		return -1
	}
	return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.OrderID, b.OrderID))
}

func newestFirst(a, b payment.Payment) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.OrderID, a.OrderID))
}
