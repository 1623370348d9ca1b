package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/internal/subscribers"
	"paymentd/ports"
)

// withSubscribers returns a context for a change of payments, whose events are stored in the same transaction.
func (s *Payments) withSubscribers(ctx context.Context) (context.Context, error) {
	subscribed, err := s.subscribers.Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the endpoints: %w", err)
	}
	return subscribers.In(ctx, subscribed), nil
}

// subscribed reports whether an endpoint receives the event of a payment, or another operation, that has changed to
// the state.
func subscribed(ctx context.Context, of payment.OperationID, state payment.State) (bool, error) {
	s, err := subscribers.Of(ctx)
	return err == nil && len(s.Of(payment.Payment{Operation: of, State: state}.ChangeType())) > 0, err
}

// insertDeliveries stores the events of changes to one order, whose row is locked.
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
	for _, d := range deliveries {
		held, err := q.OutboxHeldMicros(ctx, queries.OutboxHeldMicrosParams{
			OrderID: d.OrderID, EndpointID: d.Endpoint,
		})
		if err == nil {
			err = q.InsertDelivery(ctx, queries.InsertDeliveryParams{
				OrderID: d.OrderID, EndpointID: d.Endpoint, Seq: d.Sequence, EventID: d.Event, EventType: d.Type,
				Payload: d.Payload, HeldMicros: max(0, held),
			})
		}
		if err != nil {
			return fmt.Errorf("insert the event for endpoint %s: %w", d.Endpoint, err)
		}
	}
	return nil
}

// Outbox is ports.Outbox on MySQL.
type Outbox struct{ s *Payments }

// Outbox returns the outbox in the same database and on the same connections.
func (s *Payments) Outbox() ports.Outbox { return &Outbox{s} }

// maxDeliveryLead is how far ahead an event can be due.
const maxDeliveryLead = 2 * endpoint.MaxInterval

// ClaimDeliveries implements ports.Outbox. Each claim is one UPDATE that compares the fencing token. If its answer is
// lost, the event is due again after the lease.
func (o *Outbox) ClaimDeliveries(
	ctx context.Context, to endpoint.ID, limit int, lease time.Duration,
) (claimed []endpoint.Delivery, err error) {
	var due []endpoint.Delivery
	err = o.s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		rows, err := q.ListDueDeliveries(ctx, queries.ListDueDeliveriesParams{
			EndpointID: to, WithinMicros: maxDeliveryLead.Microseconds(),
			Limit: atMost(limit),
		})
		due = make([]endpoint.Delivery, 0, len(rows))
		for _, row := range rows {
			due = append(due, fromOutbox(row.Outbox, row.ReadAt))
		}
		return err
	})
	for _, d := range due {
		var n int64
		failed := o.s.write(ctx, func(ctx context.Context, conn *sql.Conn) (err error) {
			n, err = queries.New(conn).ClaimDelivery(ctx, queries.ClaimDeliveryParams{
				LeaseMicros: lease.Microseconds(), OrderID: d.OrderID, EndpointID: d.Endpoint, Seq: d.Sequence, Fence: d.Fence,
			})
			return classifyCommit(err)
		})
		if failed != nil {
			err = failed
			break
		}
		if n == 1 {
			d.Fence, d.Attempts, d.DueAt = d.Fence+1, d.Attempts+1, d.SeenAt.Add(lease)
			claimed = append(claimed, d)
		}
	}
	if err != nil && len(claimed) == 0 {
		return nil, fmt.Errorf("claim events to deliver: %w", err)
	}
	return claimed, nil
}

// Complete implements ports.Outbox.
func (o *Outbox) Complete(ctx context.Context, c endpoint.Completion) error {
	dueIn := sql.NullInt64{Int64: c.DueIn.Microseconds(), Valid: c.Outcome == endpoint.OutcomeWaiting}
	err := o.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		text := textModeOf(ctx)
		n, err := queries.New(conn).CompleteDelivery(ctx, queries.CompleteDeliveryParams{
			Outcome: c.Outcome, Holds: c.HoldsOrder, DueInMicros: dueIn,
			AnswerStatus: c.Answer.Status, AnswerBody: text.text(c.Answer.Body), Problem: text.text(c.Answer.Problem),
			OrderID: c.OrderID, EndpointID: c.Endpoint, Seq: c.Sequence, Fence: c.Fence,
		})
		if err == nil && n == 0 {
			return payment.ErrFenced
		}
		if err != nil {
			return classifyCommit(err)
		}
		return classifyCommit(logAttempt(ctx, queries.New(conn), c.Attempt()))
	})
	if err == nil && c.HoldsOrder {
		err = o.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
			return classifyCommit(queries.New(conn).HoldDeliveries(ctx, queries.HoldDeliveriesParams{
				DueInMicros: c.DueIn.Microseconds(), HeldMicros: c.DueIn.Microseconds(),
				OrderID: c.OrderID, EndpointID: c.Endpoint, Seq: c.Sequence,
			}))
		})
	}
	if err != nil {
		return fmt.Errorf("store the delivery: %w", err)
	}
	return nil
}

// Hasten implements ports.Outbox.
func (o *Outbox) Hasten(ctx context.Context, to endpoint.ID) error {
	var orders []payment.OrderID
	err := o.s.read(ctx, func(ctx context.Context, q *queries.Queries) (err error) {
		orders, err = q.ListDelayedDeliveries(ctx, queries.ListDelayedDeliveriesParams{EndpointID: to, Limit: ports.ReplayPage})
		return err
	})
	if err == nil && len(orders) > 0 {
		err = o.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
			return classifyCommit(queries.New(conn).HastenDeliveries(ctx, queries.HastenDeliveriesParams{EndpointID: to, Orders: orders}))
		})
	}
	if err != nil {
		return fmt.Errorf("hasten events: %w", err)
	}
	return nil
}

// Deliveries implements ports.Outbox.
func (o *Outbox) Deliveries(ctx context.Context, q ports.DeliveryQuery) (page []endpoint.Delivery, err error) {
	params := queries.ListDeliveriesParams{EndpointID: q.Endpoint, BeforeSeq: q.Before, SeqBefore: q.Before, BeforeOrder: q.BeforeOrder, AnyOutcome: 1, Limit: atMost(q.Limit)}
	if q.Before == 0 {
		params.BeforeSeq, params.SeqBefore = math.MaxInt64, math.MaxInt64
	}
	if q.Outcome != nil {
		params.Outcome, params.AnyOutcome = *q.Outcome, 0
	}
	err = o.s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		rows, err := q.ListDeliveries(ctx, params)
		page = make([]endpoint.Delivery, len(rows))
		for i, row := range rows {
			page[i] = fromOutbox(row.Outbox, row.ReadAt)
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
	all, anyEvent := int64(1), int64(1)
	if query.Undelivered {
		all = 0
	}
	if query.Event != "" {
		anyEvent = 0
	}
	var rows []queries.ListReplayableRow
	err = o.s.read(ctx, func(ctx context.Context, q *queries.Queries) (err error) {
		rows, err = q.ListReplayable(ctx, queries.ListReplayableParams{
			EndpointID: query.Endpoint, FromSeq: from, ToSeq: to, EventID: query.Event, AnyEvent: anyEvent, AnyOutcome: all,
			Limit: ports.ReplayPage,
		})
		return err
	})
	rows, next = ports.CutReplay(rows, func(r queries.ListReplayableRow) int64 { return r.Seq })
	if err == nil && len(rows) > 0 {
		err = o.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
			return classifyCommit(queries.New(conn).ReplayDeliveries(ctx, queries.ReplayDeliveriesParams{
				EndpointID: query.Endpoint, FromSeq: rows[0].Seq, ToSeq: rows[len(rows)-1].Seq, AnyOutcome: all,
				Orders: ordersOfRows(rows, func(r queries.ListReplayableRow) payment.OrderID { return r.OrderID }),
			}))
		})
	}
	if err != nil {
		return 0, 0, fmt.Errorf("replay events: %w", err)
	}
	return len(rows), next, nil
}

func ordersOfRows[R any](rows []R, order func(R) payment.OrderID) []payment.OrderID {
	orders := make([]payment.OrderID, len(rows))
	for i, row := range rows {
		orders[i] = order(row)
	}
	return orders
}

// Prune implements ports.Outbox.
func (o *Outbox) Prune(ctx context.Context, to endpoint.ID, before time.Time, limit int) (pruned int, err error) {
	var rows []queries.ListPrunableRow
	err = o.s.read(ctx, func(ctx context.Context, q *queries.Queries) (err error) {
		rows, err = q.ListPrunable(ctx, queries.ListPrunableParams{
			EndpointID: to, BeforeSeq: before.UnixMicro(), Limit: atMost(limit),
		})
		return err
	})
	if err == nil && len(rows) > 0 {
		orders := ordersOfRows(rows, func(r queries.ListPrunableRow) payment.OrderID { return r.OrderID })
		err = o.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
			err := queries.New(conn).DeleteAttemptsOfEvents(ctx, queries.DeleteAttemptsOfEventsParams{
				EndpointID: to, ToSeq: rows[len(rows)-1].Seq, Orders: orders,
			})
			if err != nil {
				return classifyCommit(err)
			}
			_, err = queries.New(conn).DeleteDeliveries(ctx, queries.DeleteDeliveriesParams{
				EndpointID: to, ToSeq: rows[len(rows)-1].Seq,
				Orders: orders,
			})
			return classifyCommit(err)
		})
	}
	if err == nil {
		err = o.pruneAttempts(ctx, to, before, limit)
	}
	if err != nil {
		return 0, fmt.Errorf("delete old events: %w", err)
	}
	return len(rows), nil
}

// Waiting implements ports.Outbox.
func (o *Outbox) Waiting(ctx context.Context, to endpoint.ID) (n int, oldest time.Duration, err error) {
	t, err := o.s.known(ctx)
	if err == nil {
		err = o.s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
			row, err := q.CountWaitingDeliveries(ctx, queries.CountWaitingDeliveriesParams{
				EndpointID: to, Limit: atMost(t.engine.maxCounted()),
			})
			n, oldest = int(row.Deliveries), max(0, time.Duration(row.OldestMicros)*time.Microsecond)
			return err
		})
	}
	if err != nil {
		return 0, 0, fmt.Errorf("count the events that wait: %w", err)
	}
	return n, oldest, nil
}

func fromOutbox(row queries.Outbox, now time.Time) endpoint.Delivery {
	return endpoint.Delivery{
		Ref:   endpoint.Ref{Endpoint: row.EndpointID, OrderID: row.OrderID, Sequence: row.Seq},
		Event: row.EventID, Type: row.EventType, Payload: row.Payload,
		Outcome: row.Outcome, Fence: row.Fence, Attempts: row.Attempts, DueAt: row.DueAt.Time,
		CreatedAt: row.CreatedAt, AttemptedAt: row.AttemptedAt.Time,
		Answer: endpoint.Answer{Status: row.AnswerStatus, Body: row.AnswerBody, Problem: row.Problem},
		SeenAt: now,
	}
}
