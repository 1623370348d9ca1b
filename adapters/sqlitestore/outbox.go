package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/internal/subscribers"
	"paymentd/ports"
)

// writeChange is write for a change of payments, whose events are stored in the same transaction.
func (s *Payments) writeChange(ctx context.Context, do change) error {
	subscribed, err := s.subscribers.Get(ctx)
	if err != nil {
		return fmt.Errorf("read the endpoints: %w", err)
	}
	return s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		return do(subscribers.In(ctx, subscribed), q, now)
	})
}

// insertDeliveries stores the events of changes to one order at now, in the transaction that makes them.
func insertDeliveries(ctx context.Context, q *queries.Queries, changes []payment.Change) error {
	if len(changes) == 0 {
		return nil
	}
	s, err := subscribers.Of(ctx)
	if err != nil {
		return err
	}
	deliveries, err := s.Deliveries(changes, func() (int64, error) {
		return q.LastOutboxSeq(ctx, changes[0].Payment.OrderID)
	})
	if err != nil {
		return fmt.Errorf("find the latest event: %w", err)
	}
	now := changes[0].Payment.UpdatedAt.UnixMicro() // the time of the transaction
	for _, d := range deliveries {
		held, err := q.OutboxHeldUntil(ctx, queries.OutboxHeldUntilParams{
			OrderID: d.OrderID, EndpointID: d.Endpoint,
		})
		if err == nil {
			err = q.InsertDelivery(ctx, queries.InsertDeliveryParams{
				OrderID: d.OrderID, EndpointID: d.Endpoint, Seq: d.Sequence, EventID: d.Event, EventType: d.Type,
				Payload: d.Payload, DueAt: sql.NullInt64{Int64: max(now, held), Valid: true}, CreatedAt: now,
			})
		}
		if err != nil {
			return fmt.Errorf("insert the event for endpoint %s: %w", d.Endpoint, err)
		}
	}
	return nil
}

// Outbox is ports.Outbox on SQLite.
type Outbox struct{ s *Payments }

// Outbox returns the outbox in the same file.
func (s *Payments) Outbox() ports.Outbox { return &Outbox{s} }

// maxDeliveryLead is how far ahead an event can be due.
const maxDeliveryLead = 2 * endpoint.MaxInterval

// ClaimDeliveries implements ports.Outbox. It makes no change while nothing is due.
func (o *Outbox) ClaimDeliveries(
	ctx context.Context, to endpoint.ID, limit int, lease time.Duration,
) (claimed []endpoint.Delivery, err error) {
	var due []endpoint.Delivery
	err = o.s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		rows, err := q.ListDueDeliveries(ctx, queries.ListDueDeliveriesParams{
			EndpointID: to, Now: nullable(now), DueBefore: nullable(now.Add(maxDeliveryLead)),
			PageLimit: int64(max(0, limit)),
		})
		due = make([]endpoint.Delivery, 0, len(rows))
		for _, row := range rows {
			due = append(due, fromOutbox(row.Outbox, now))
		}
		return err
	})
	if err == nil && len(due) > 0 {
		err = o.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
			claimed, err = claimDeliveries(ctx, q, due, now.Add(lease))
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("claim events to deliver: %w", err)
	}
	return claimed, nil
}

func claimDeliveries(
	ctx context.Context, q *queries.Queries, due []endpoint.Delivery, until time.Time,
) (claimed []endpoint.Delivery, err error) {
	for _, d := range due {
		n, err := q.ClaimDelivery(ctx, queries.ClaimDeliveryParams{
			DueAt: nullable(until), OrderID: d.OrderID, EndpointID: d.Endpoint, Seq: d.Sequence, Fence: d.Fence,
		})
		if err != nil {
			return nil, err
		}
		if n == 1 {
			d.Fence, d.Attempts, d.DueAt = d.Fence+1, d.Attempts+1, until
			claimed = append(claimed, d)
		}
	}
	return claimed, nil
}

// Complete implements ports.Outbox.
func (o *Outbox) Complete(ctx context.Context, c endpoint.Completion) error {
	err := o.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		due := sql.NullInt64{Int64: now.Add(c.DueIn).UnixMicro(), Valid: c.Outcome == endpoint.OutcomeWaiting}
		n, err := q.CompleteDelivery(ctx, queries.CompleteDeliveryParams{
			Outcome: c.Outcome, Holds: c.HoldsOrder, DueAt: due, Now: nullable(now),
			AnswerStatus: c.Answer.Status, AnswerBody: c.Answer.Body, Problem: c.Answer.Problem,
			OrderID: c.OrderID, EndpointID: c.Endpoint, Seq: c.Sequence, Fence: c.Fence,
		})
		if err == nil && n == 0 {
			return payment.ErrFenced
		}
		if err == nil {
			err = logAttempt(ctx, q, c.Attempt(), now)
		}
		if err != nil || !c.HoldsOrder {
			return err
		}
		return q.HoldDeliveries(ctx, queries.HoldDeliveriesParams{
			DueAt: due, OrderID: c.OrderID, EndpointID: c.Endpoint, Seq: c.Sequence,
		})
	})
	if err != nil {
		return fmt.Errorf("store the delivery: %w", err)
	}
	return nil
}

// Hasten implements ports.Outbox.
func (o *Outbox) Hasten(ctx context.Context, to endpoint.ID) error {
	err := o.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		_, err := q.HastenDeliveries(ctx, queries.HastenDeliveriesParams{
			EndpointID: to, Now: nullable(now), PageLimit: ports.ReplayPage,
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("hasten events: %w", err)
	}
	return nil
}

// Deliveries implements ports.Outbox.
func (o *Outbox) Deliveries(ctx context.Context, q ports.DeliveryQuery) (page []endpoint.Delivery, err error) {
	params := queries.ListDeliveriesParams{
		EndpointID: q.Endpoint, BeforeSeq: q.Before, BeforeOrder: q.BeforeOrder, AnyOutcome: 1, PageLimit: int64(max(0, q.Limit)),
	}
	if q.Before == 0 {
		params.BeforeSeq = math.MaxInt64
	}
	if q.Outcome != nil {
		params.Outcome, params.AnyOutcome = *q.Outcome, 0
	}
	err = o.s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		rows, err := q.ListDeliveries(ctx, params)
		page = make([]endpoint.Delivery, len(rows))
		for i, row := range rows {
			page[i] = fromOutbox(row.Outbox, now)
			page[i].Payload = nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the events: %w", err)
	}
	return page, nil
}

// Replay implements ports.Outbox.
func (o *Outbox) Replay(ctx context.Context, query ports.ReplayQuery) (replayed int, next int64, err error) {
	from, to := query.Bounds()
	params := queries.ListReplayableParams{
		EndpointID: query.Endpoint, FromSeq: from, ToSeq: to, EventID: query.Event, AnyEvent: 1, AnyOutcome: 1,
		PageLimit: ports.ReplayPage,
	}
	if query.Undelivered {
		params.AnyOutcome = 0
	}
	if query.Event != "" {
		params.AnyEvent = 0
	}
	err = o.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		rows, err := q.ListReplayable(ctx, params)
		if err != nil {
			return err
		}
		rows, next = ports.CutReplay(rows, func(r queries.ListReplayableRow) int64 { return r.Seq })
		for _, row := range rows {
			err := q.ReplayDelivery(ctx, queries.ReplayDeliveryParams{
				Now: nullable(now), OrderID: row.OrderID, EndpointID: query.Endpoint, Seq: row.Seq,
			})
			if err != nil {
				return err
			}
		}
		replayed = len(rows)
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("replay events: %w", err)
	}
	return replayed, next, nil
}

// Prune implements ports.Outbox.
func (o *Outbox) Prune(ctx context.Context, to endpoint.ID, before time.Time, limit int) (pruned int, err error) {
	err = o.s.write(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) error {
		rows, err := q.ListPrunable(ctx, queries.ListPrunableParams{
			EndpointID: to, BeforeSeq: before.UnixMicro(), PageLimit: int64(max(0, limit)),
		})
		if err != nil {
			return err
		}
		for _, row := range rows {
			err := q.DeleteAttemptsOfEvent(ctx, queries.DeleteAttemptsOfEventParams{
				OrderID: row.OrderID, EndpointID: to, Seq: row.Seq,
			})
			if err != nil {
				return err
			}
			err = q.DeleteDelivery(ctx, queries.DeleteDeliveryParams{OrderID: row.OrderID, EndpointID: to, Seq: row.Seq})
			if err != nil {
				return err
			}
		}
		pruned = len(rows)
		return q.DeleteOldAttempts(ctx, queries.DeleteOldAttemptsParams{
			EndpointID: to, EndedBefore: before.UnixMicro(), PageLimit: int64(max(0, limit)),
		})
	})
	if err != nil {
		return 0, fmt.Errorf("delete old events: %w", err)
	}
	return pruned, nil
}

// Waiting implements ports.Outbox.
func (o *Outbox) Waiting(ctx context.Context, to endpoint.ID) (n int, oldest time.Duration, err error) {
	err = o.s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		row, err := q.CountWaitingDeliveries(ctx, queries.CountWaitingDeliveriesParams{EndpointID: to, MaxRows: ports.MaxBacklog})
		if n, oldest = int(row.Deliveries), 0; n > 0 {
			oldest = max(0, now.Sub(fromMicros(row.Oldest)))
		}
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count the events that wait: %w", err)
	}
	return n, oldest, nil
}

func fromOutbox(row queries.Outbox, now time.Time) endpoint.Delivery {
	return endpoint.Delivery{
		Ref:   endpoint.Ref{Endpoint: row.EndpointID, OrderID: row.OrderID, Sequence: row.Seq},
		Event: row.EventID, Type: row.EventType, Payload: row.Payload,
		Outcome: row.Outcome, Fence: row.Fence, Attempts: row.Attempts, DueAt: orZero(row.DueAt),
		CreatedAt: fromMicros(row.CreatedAt), AttemptedAt: orZero(row.AttemptedAt),
		Answer: endpoint.Answer{Status: row.AnswerStatus, Body: row.AnswerBody, Problem: row.Problem},
		SeenAt: now,
	}
}
