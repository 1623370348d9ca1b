package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/ports"
)

// logAttempt adds an attempt to the log.
func logAttempt(ctx context.Context, q *queries.Queries, a endpoint.Attempt) error {
	text := textModeOf(ctx)
	return q.LogDeliveryAttempt(ctx, queries.LogDeliveryAttemptParams{
		OrderID: a.OrderID, EndpointID: a.Endpoint, Seq: a.Sequence, Slot: int32(a.Slot()), //nolint:gosec // below 32
		Fence: a.Number, EventType: a.Type, DurationMicros: a.Duration.Microseconds(),
		AnswerStatus: a.Answer.Status, AnswerBody: text.text(a.Answer.Body), Problem: text.text(a.Answer.Problem),
	})
}

// Attempts implements ports.Outbox.
func (o *Outbox) Attempts(ctx context.Context, query ports.AttemptQuery) (page []endpoint.Attempt, err error) {
	err = o.s.read(ctx, func(ctx context.Context, q *queries.Queries) (err error) {
		if query.Event != "" {
			page, err = attemptsOfEvent(ctx, q, query)
		} else {
			page, err = attemptsAfter(ctx, q, query)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the attempts: %w", err)
	}
	return page, nil
}

func attemptsOfEvent(ctx context.Context, q *queries.Queries, query ports.AttemptQuery) ([]endpoint.Attempt, error) {
	sequence, _ := query.Event.Sequence()
	rows, err := q.ListAttemptsOfEvent(ctx, queries.ListAttemptsOfEventParams{
		EndpointID: query.Endpoint, Seq: sequence, EventID: query.Event, Limit: atMost(query.Limit),
	})
	page := make([]endpoint.Attempt, len(rows))
	for i, row := range rows {
		page[i] = fromDeliveryAttempt(row.DeliveryAttempt)
	}
	return page, err
}

func attemptsAfter(ctx context.Context, q *queries.Queries, query ports.AttemptQuery) ([]endpoint.Attempt, error) {
	after := query.After
	if after.EndedAt.IsZero() {
		after.EndedAt = latest
	}
	rows, err := q.ListDeliveryAttempts(ctx, queries.ListDeliveryAttemptsParams{
		EndpointID: query.Endpoint, BeforeEnded: after.EndedAt, EndedBefore: after.EndedAt,
		OrderBefore: after.OrderID, BeforeOrder: after.OrderID, BeforeSeq: after.Sequence, Limit: atMost(query.Limit),
	})
	page := make([]endpoint.Attempt, len(rows))
	for i, row := range rows {
		page[i] = fromDeliveryAttempt(row.DeliveryAttempt)
	}
	return page, err
}

func fromDeliveryAttempt(row queries.DeliveryAttempt) endpoint.Attempt {
	return endpoint.Attempt{
		Ref:   endpoint.Ref{Endpoint: row.EndpointID, OrderID: row.OrderID, Sequence: row.Seq},
		Event: payment.NewChangeID(row.OrderID, row.Seq), Type: row.EventType, Number: row.Fence,
		EndedAt: row.EndedAt, Duration: time.Duration(row.DurationMicros) * time.Microsecond,
		Answer: endpoint.Answer{Status: row.AnswerStatus, Body: row.AnswerBody, Problem: row.Problem},
	}
}

// pruneAttempts deletes old attempts that were not deleted with their events: the previous version does not know them.
func (o *Outbox) pruneAttempts(ctx context.Context, to endpoint.ID, before time.Time, limit int) error {
	var orders []payment.OrderID
	err := o.s.read(ctx, func(ctx context.Context, q *queries.Queries) (err error) {
		orders, err = q.ListOldAttempts(ctx, queries.ListOldAttemptsParams{
			EndpointID: to, EndedBefore: before.UTC(), Limit: atMost(limit),
		})
		return err
	})
	if err != nil || len(orders) == 0 {
		return err
	}
	return o.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return classifyCommit(queries.New(conn).DeleteOldAttempts(ctx, queries.DeleteOldAttemptsParams{
			EndpointID: to, EndedBefore: before.UTC(), Orders: orders,
		}))
	})
}
