package fake

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/ports"
)

// event is a row of the outbox.
type event struct {
	endpoint.Delivery

	leased, holding bool
}

// announce stores the events of a decision. before and charge are as they were read.
func (s *Payments) announce(d payment.Decision, before, charge payment.Payment, now time.Time) {
	deliveries, _ := endpoint.Subscribers(s.endpoints).Deliveries(d.Changes(before, charge), func() (last int64, _ error) {
		for _, e := range s.outbox {
			if e.OrderID == d.Payment.OrderID {
				last = max(last, e.Sequence)
			}
		}
		return last, nil
	})
	for _, d := range deliveries {
		d.CreatedAt, d.DueAt = now, now
		for _, e := range s.outbox {
			if e.holds(d) && !e.leased && e.Attempts > 0 && e.DueAt.After(d.DueAt) {
				d.DueAt = e.DueAt
			}
		}
		s.outbox = append(s.outbox, &event{Delivery: d, holding: true})
	}
}

// holds reports whether the event must be delivered before a later one.
func (e *event) holds(later endpoint.Delivery) bool {
	return e.Endpoint == later.Endpoint && e.OrderID == later.OrderID && e.Sequence < later.Sequence &&
		e.Outcome == endpoint.OutcomeWaiting && e.holding
}

// Outbox is ports.Outbox in memory.
type Outbox struct{ s *Payments }

// Outbox returns the outbox of the repository.
func (s *Payments) Outbox() *Outbox { return &Outbox{s} }

// ClaimDeliveries implements ports.Outbox.
func (o *Outbox) ClaimDeliveries(
	ctx context.Context, to endpoint.ID, limit int, lease time.Duration,
) (claimed []endpoint.Delivery, err error) {
	err = o.s.transact(ctx, func(now time.Time) error {
		var due []*event
		for _, e := range o.s.outbox {
			ahead := e.DueAt.After(now.Add(2 * endpoint.MaxInterval))
			if e.Endpoint != to || e.Outcome != endpoint.OutcomeWaiting || !ahead && e.DueAt.After(now) {
				continue
			}
			if !slices.ContainsFunc(o.s.outbox, func(earlier *event) bool { return earlier.holds(e.Delivery) }) {
				due = append(due, e)
			}
		}
		slices.SortStableFunc(due, func(a, b *event) int { return a.DueAt.Compare(b.DueAt) })
		for _, e := range due[:min(limit, len(due))] {
			e.Fence, e.Attempts, e.DueAt, e.leased = e.Fence+1, e.Attempts+1, now.Add(lease), true
			claimed = append(claimed, e.read(now))
		}
		return nil
	})
	return claimed, err
}

func (e *event) read(now time.Time) endpoint.Delivery {
	d := e.Delivery
	d.SeenAt = now
	return d
}

// Complete implements ports.Outbox.
func (o *Outbox) Complete(ctx context.Context, c endpoint.Completion) error {
	return o.s.transact(ctx, func(now time.Time) error {
		i := slices.IndexFunc(o.s.outbox, func(e *event) bool { return e.Ref == c.Ref && e.Fence == c.Fence })
		if i < 0 {
			return payment.ErrFenced
		}
		e := o.s.outbox[i]
		e.Outcome, e.leased, e.AttemptedAt, e.Answer, e.DueAt = c.Outcome, false, now, c.Answer, time.Time{}
		e.holding = c.HoldsOrder
		o.s.logAttempt(c.Attempt(), now)
		if c.Outcome == endpoint.OutcomeWaiting {
			e.DueAt = now.Add(c.DueIn)
		}
		for _, later := range o.s.outbox {
			if c.HoldsOrder && e.holds(later.Delivery) && later.Outcome == endpoint.OutcomeWaiting && !later.leased && later.DueAt.Before(e.DueAt) {
				later.DueAt = e.DueAt
			}
		}
		return nil
	})
}

// Hasten implements ports.Outbox.
func (o *Outbox) Hasten(ctx context.Context, to endpoint.ID) error {
	return o.s.transact(ctx, func(now time.Time) error {
		for _, e := range o.s.outbox {
			if e.Endpoint == to && e.Outcome == endpoint.OutcomeWaiting && !e.leased && e.DueAt.After(now) {
				e.DueAt = now
			}
		}
		return nil
	})
}

// Deliveries implements ports.Outbox.
func (o *Outbox) Deliveries(ctx context.Context, q ports.DeliveryQuery) (page []endpoint.Delivery, err error) {
	before := cmp.Or(q.Before, math.MaxInt64)
	err = o.s.transact(ctx, func(now time.Time) error {
		for _, e := range o.s.outbox {
			later := e.Sequence > before || e.Sequence == before && e.OrderID >= q.BeforeOrder
			if e.Endpoint != q.Endpoint || later || q.Outcome != nil && *q.Outcome != e.Outcome {
				continue
			}
			d := e.read(now)
			d.Payload = nil
			page = append(page, d)
		}
		return nil
	})
	slices.SortFunc(page, func(a, b endpoint.Delivery) int {
		return cmp.Or(cmp.Compare(b.Sequence, a.Sequence), cmp.Compare(b.OrderID, a.OrderID))
	})
	return page[:min(len(page), q.Limit)], err
}

// Replay implements ports.Outbox.
func (o *Outbox) Replay(ctx context.Context, q ports.ReplayQuery) (replayed int, next int64, err error) {
	from, to := q.Bounds()
	err = o.s.transact(ctx, func(now time.Time) error {
		var events []*event
		for _, e := range o.s.outbox {
			switch {
			case e.Endpoint != q.Endpoint, e.Sequence < from, e.Sequence > to:
			case q.Event != "" && q.Event != e.Event, q.Undelivered && e.Outcome == endpoint.OutcomeDelivered:
			default:
				events = append(events, e)
			}
		}
		slices.SortStableFunc(events, func(a, b *event) int { return cmp.Compare(a.Sequence, b.Sequence) })
		events, next = ports.CutReplay(events[:min(len(events), ports.ReplayPage)], func(e *event) int64 { return e.Sequence })
		for _, e := range events {
			e.Outcome, e.Fence, e.Attempts, e.leased, e.holding, e.DueAt = endpoint.OutcomeWaiting, e.Fence+1, 0, false, true, now
		}
		replayed = len(events)
		return nil
	})
	return replayed, next, err
}

// Prune implements ports.Outbox.
func (o *Outbox) Prune(ctx context.Context, to endpoint.ID, before time.Time, limit int) (pruned int, err error) {
	err = o.s.transact(ctx, func(time.Time) error {
		o.s.outbox = slices.DeleteFunc(o.s.outbox, func(e *event) bool {
			old := pruned < limit && e.Endpoint == to && e.Sequence < before.UnixMicro()
			if old {
				pruned++
				o.s.attempts = slices.DeleteFunc(o.s.attempts, func(a endpoint.Attempt) bool { return a.Ref == e.Ref })
			}
			return old
		})
		return nil
	})
	return pruned, err
}

// Waiting implements ports.Outbox.
func (o *Outbox) Waiting(ctx context.Context, to endpoint.ID) (n int, oldest time.Duration, err error) {
	err = o.s.transact(ctx, func(now time.Time) error {
		for _, e := range o.s.outbox {
			if e.Endpoint == to && e.Outcome == endpoint.OutcomeWaiting {
				n, oldest = n+1, max(oldest, now.Sub(e.CreatedAt))
			}
		}
		return nil
	})
	return n, oldest, err
}
