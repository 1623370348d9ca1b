package fake

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Expedite implements ports.Operators.
func (s *Payments) Expedite(ctx context.Context, e payment.Expedite) error {
	return s.change(ctx, payment.Ref{OrderID: e.OrderID, Operation: e.Operation}, e.Apply)
}

// ListWaiting implements ports.Operators.
func (s *Payments) ListWaiting(ctx context.Context, q ports.WaitingQuery) (page ports.WaitingPage, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		for _, r := range sortedOf(s.orders, dueOrder) {
			p := r.read(now)
			after := payment.Payment{DueAt: q.After.DueAt, CreatedAt: q.After.CreatedAt, OrderID: q.After.OrderID}
			if p.State != q.State || p.DueAt.IsZero() || dueOrder(p, after) <= 0 {
				continue
			}
			if len(page.Payments) >= q.Limit {
				if q.Limit > 0 {
					last := page.Payments[q.Limit-1]
					page.Next = ports.WaitingCursor{DueAt: last.DueAt, CreatedAt: last.CreatedAt, OrderID: last.OrderID}
				}
				return nil
			}
			page.Payments = append(page.Payments, p)
		}
		return nil
	})
	return page, err
}

// dueOrder orders payments by their due times.
func dueOrder(a, b payment.Payment) int {
	return cmp.Or(a.DueAt.Compare(b.DueAt), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.OrderID, b.OrderID))
}

// SearchOrders implements ports.Operators.
func (s *Payments) SearchOrders(ctx context.Context, beginning string, limit int) (found []payment.OrderID, err error) {
	err = s.transact(ctx, func(time.Time) error {
		for id := range s.orders {
			if strings.HasPrefix(string(id), beginning) {
				found = append(found, id)
			}
		}
		slices.Sort(found)
		found = found[:min(len(found), limit)]
		return nil
	})
	return found, err
}

// SearchOperations implements ports.Operators.
func (s *Payments) SearchOperations(ctx context.Context, name string, limit int) (found []payment.Ref, err error) {
	err = s.transact(ctx, func(time.Time) error {
		for ref := range s.operations {
			if ref.Operation.Name == name {
				found = append(found, ref)
			}
		}
		slices.SortFunc(found, func(a, b payment.Ref) int {
			return cmp.Or(cmp.Compare(a.OrderID, b.OrderID), cmp.Compare(a.Operation.Kind, b.Operation.Kind))
		})
		found = found[:min(len(found), limit)]
		return nil
	})
	return found, err
}

// SearchKeys implements ports.Operators.
func (s *Payments) SearchKeys(ctx context.Context, q ports.KeyQuery) (found []payment.OrderID, err error) {
	err = s.transact(ctx, func(time.Time) error {
		examined := 0
		for _, r := range sortedOf(s.orders, func(a, b payment.Payment) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.OrderID, b.OrderID))
		}) {
			p := r.payment
			has := slices.ContainsFunc(p.Keys, func(k payment.Key) bool { return k.Key == q.Key })
			if !p.CreatedAt.Before(q.CreatedFrom) && p.CreatedAt.Before(q.CreatedBefore) && examined < q.Examined {
				examined++
				has = has || p.GatewayKey == q.Key
			}
			if has && len(found) < q.Limit {
				found = append(found, p.OrderID)
			}
		}
		return nil
	})
	return found, err
}
