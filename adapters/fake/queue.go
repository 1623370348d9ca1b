package fake

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// ClaimDue implements ports.Payments. No row is ever locked.
func (s *Payments) ClaimDue(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) (due []payment.Decision, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		for _, r := range sortedOf(s.all(), longestDueFirst) {
			if len(due) == limit {
				break
			}
			if r.payment.State != policy.Work.State() {
				continue
			}
			if d := s.Rules.PickUp(policy, r.read(now), now); d.Write {
				s.store(r, r.read(now), d, now)
				due = append(due, d)
			}
		}
		if policy.Work == payment.WorkLookups {
			due = append(due, s.claimDueKeys(policy, limit-len(due), now)...)
		}
		return nil
	})
	return due, err
}

// claimDueKeys stores what the rules decide about keys whose lookup is due.
func (s *Payments) claimDueKeys(policy payment.PickUpPolicy, limit int, now time.Time) (due []payment.Decision) {
	for _, r := range sortedOf(s.all(), longestDueFirst) {
		for _, k := range r.payment.Keys {
			if len(due) == limit {
				return due
			}
			if _, configured := policy.Rules.At(k.Gateway); !configured {
				continue
			}
			d := s.Rules.PickUpKey(policy, r.read(now), k.Key, now)
			s.store(r, r.read(now), d, now)
			if d.Verdict == payment.VerdictLookUp {
				due = append(due, d)
			}
		}
	}
	return due
}

// NextDue implements ports.Payments.
func (s *Payments) NextDue(
	ctx context.Context, policy payment.PickUpPolicy,
) (in time.Duration, found bool, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		limit := policy.DueWithin()
		take := func(due time.Time) {
			if policy.Ahead && limit > 0 && due.After(now.Add(limit)) {
				due = now
			}
			if left := max(0, due.Sub(now)); !due.IsZero() && (!found || left < in) {
				in, found = left, true
			}
		}
		for _, r := range s.all() {
			if r.payment.State == policy.Work.State() && !r.payment.Foreign(policy.Rules) {
				take(r.payment.DueAt)
			}
			for _, k := range r.payment.Keys {
				if _, configured := policy.Rules.At(k.Gateway); configured && policy.Work == payment.WorkLookups {
					take(k.DueAt)
				}
			}
		}
		return nil
	})
	if policy.Within > 0 && in > policy.Within {
		return 0, false, err
	}
	return in, found, err
}

// Backlog implements ports.Payments.
func (s *Payments) Backlog(ctx context.Context) (backlog []ports.Backlog, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		for _, state := range payment.States() {
			for _, kind := range payment.Kinds() {
				b := ports.Backlog{Kind: kind, State: state}
				for _, r := range s.all() {
					if p := r.payment; p.State == state && p.Operation.Kind == kind && !p.DueAt.IsZero() {
						count(&b, p, now)
					}
				}
				if b.Payments > 0 {
					backlog = append(backlog, b)
				}
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

// List implements ports.Payments.
func (s *Payments) List(ctx context.Context, q ports.ListQuery) (page ports.ListPage, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		if q.Limit <= 0 {
			return nil
		}
		bounded := len(q.States) > 0 && (!q.Outstanding() || s.outstanding() > q.MaxRows())
		var last, examined payment.Payment
		left := q.MaxRows()
		for _, r := range s.sorted(newestFirst) {
			if !within(q, r.payment) {
				continue
			}
			if bounded && left == 0 {
				page.NextCreatedAt, page.NextOrderID = examined.CreatedAt, examined.OrderID
				break
			}
			examined = r.payment
			left--
			if len(q.States) > 0 && !slices.Contains(q.States, r.payment.State) {
				continue
			}
			if len(page.Payments) == q.Limit {
				page.NextCreatedAt, page.NextOrderID = last.CreatedAt, last.OrderID
				break
			}
			last = r.payment
			page.Payments = append(page.Payments, r.read(now))
		}
		return nil
	})
	return page, err
}

// CountForeign implements ports.Payments.
func (s *Payments) CountForeign(ctx context.Context, configured []payment.GatewayID) (n int, err error) {
	rules := payment.KeyRules{Capabilities: payment.Capabilities{Gateway: configured[0]}}
	for _, id := range configured[1:] {
		rules.Gateways = append(rules.Gateways, payment.Capabilities{Gateway: id})
	}
	err = s.transact(ctx, func(time.Time) error {
		for _, r := range s.all() {
			if !r.payment.DueAt.IsZero() && r.payment.Foreign(rules) {
				n++
			}
			for _, k := range r.payment.Keys {
				if _, known := rules.At(k.Gateway); !known && !k.DueAt.IsZero() {
					n++
				}
			}
		}
		return nil
	})
	return n, err
}

// Transactions implements ports.Payments.
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

// matches reports whether the query selects p.
// outstanding counts the payments that are due at some time.
func (s *Payments) outstanding() (n int) {
	for _, r := range s.all() {
		if r.payment.Operation.IsCharge() && !r.payment.DueAt.IsZero() {
			n++
		}
	}
	return n
}

// within reports whether the list reads the payment.
func within(q ports.ListQuery, p payment.Payment) bool {
	after := payment.Payment{OrderID: q.AfterOrderID, CreatedAt: q.AfterCreatedAt}
	switch {
	case !q.AfterCreatedAt.IsZero() && newestFirst(p, after) <= 0,
		!q.CreatedFrom.IsZero() && p.CreatedAt.Before(q.CreatedFrom),
		!q.CreatedBefore.IsZero() && !p.CreatedAt.Before(q.CreatedBefore):
		return false
	}
	return true
}

// Heartbeat implements ports.Payments.
func (s *Payments) Heartbeat(ctx context.Context, replica string) error {
	return s.transact(ctx, func(now time.Time) error {
		s.replicas[replica] = now
		return nil
	})
}

// Heartbeats implements ports.Payments.
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

// Release implements ports.Payments.
func (s *Payments) Release(ctx context.Context, h ports.Heartbeat) (released bool, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		at, known := s.replicas[h.Replica]
		if released = known && at.Equal(h.At); !released {
			return nil
		}
		delete(s.replicas, h.Replica)
		for _, r := range s.all() {
			if r.payment.Claimed(now) && r.payment.Replica == h.Replica {
				r.payment.DueAt = now
			}
		}
		return nil
	})
	return released, err
}

// Leave implements ports.Payments.
func (s *Payments) Leave(ctx context.Context, replica string) error {
	return s.transact(ctx, func(time.Time) error {
		delete(s.replicas, replica)
		return nil
	})
}

// all returns the payments and the other operations.
func (s *Payments) all() map[payment.Ref]*record {
	all := maps.Clone(s.operations)
	for id, r := range s.orders {
		all[payment.Ref{OrderID: id}] = r
	}
	return all
}

// sorted returns the payments in an order that does not depend on the map.
func (s *Payments) sorted(order func(a, b payment.Payment) int) []*record {
	return sortedOf(s.orders, order)
}

// sortedOf returns the records in an order that does not depend on the map.
func sortedOf[K comparable](records map[K]*record, order func(a, b payment.Payment) int) []*record {
	return slices.SortedFunc(maps.Values(records), func(a, b *record) int { return order(a.payment, b.payment) })
}

// longestDueFirst orders payments that are never due last.
func longestDueFirst(a, b payment.Payment) int {
	if never := a.DueAt.IsZero(); never != b.DueAt.IsZero() {
		if never {
			return 1
		}
		return -1
	}
	return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.OrderID, b.OrderID), compareOperations(a, b))
}

func oldestOperationFirst(a, b payment.Payment) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), compareOperations(a, b))
}

func compareOperations(a, b payment.Payment) int {
	return cmp.Or(cmp.Compare(a.Operation.Kind, b.Operation.Kind), cmp.Compare(a.Operation.Name, b.Operation.Name))
}

func newestFirst(a, b payment.Payment) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.OrderID, a.OrderID))
}
