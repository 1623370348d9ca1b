package fake

import (
	"context"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// SumOutstanding implements ports.OutstandingWork. It reads all rows.
func (s *Payments) SumOutstanding(ctx context.Context) (sum ports.Outstanding, err error) {
	err = s.transact(ctx, func(now time.Time) error {
		var parts []ports.OutstandingGroup
		for _, r := range sortedOf(s.all(), longestDueFirst) {
			p := r.payment
			if !p.DueAt.IsZero() {
				parts = append(parts, outstanding(p, now))
			}
			for _, k := range p.Keys {
				if k.DueAt.IsZero() {
					continue
				}
				parts = append(parts, ports.OutstandingGroup{
					OutstandingKey: ports.OutstandingKey{Kind: p.Operation.Kind, Gateway: k.Gateway},
					Operations:     1,
					NextOrder:      p.OrderID, NextIn: k.DueAt.Sub(now),
					OldestOrder: p.OrderID, Age: now.Sub(k.Sent.DB),
				})
			}
		}
		sum.Groups = ports.SumGroups(parts)
		return nil
	})
	return sum, err
}

func outstanding(p payment.Payment, now time.Time) ports.OutstandingGroup {
	expired := p.State == payment.StateProcessing && !p.Claimed(now)
	waits := p.State == payment.StatePending || p.State == payment.StateUnresolved
	return ports.OutstandingGroup{
		OutstandingKey: ports.OutstandingKey{
			Kind: p.Operation.Kind, State: p.State, Gateway: p.Gateway, Currency: p.Money.Currency().String(),
			InDoubt: p.Doubt.Any() || waits || expired,
		},
		Operations: 1, Minor: p.Money.Minor(),
		NextOrder: p.OrderID, NextIn: p.DueAt.Sub(now),
		OldestOrder: p.OrderID, Age: now.Sub(p.CreatedAt),
	}
}
