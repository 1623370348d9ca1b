package sqlitestore

import (
	"context"
	"fmt"
	"math"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/ports"
)

// logAttempt adds an attempt to the log.
func logAttempt(ctx context.Context, q *queries.Queries, a endpoint.Attempt, now time.Time) error {
	return q.LogDeliveryAttempt(ctx, queries.LogDeliveryAttemptParams{
		OrderID: a.OrderID, EndpointID: a.Endpoint, Seq: a.Sequence, Slot: int64(a.Slot()),
		Fence: a.Number, EventType: a.Type, EndedAt: now.UnixMicro(), DurationMicros: a.Duration.Microseconds(),
		AnswerStatus: a.Answer.Status, AnswerBody: a.Answer.Body, Problem: a.Answer.Problem,
	})
}

// Attempts implements ports.Outbox.
func (o *Outbox) Attempts(ctx context.Context, query ports.AttemptQuery) (page []endpoint.Attempt, err error) {
	err = o.s.read(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) (err error) {
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
		EndpointID: query.Endpoint, Seq: sequence, EventID: query.Event, PageLimit: int64(max(0, query.Limit)),
	})
	page := make([]endpoint.Attempt, len(rows))
	for i, row := range rows {
		page[i] = fromDeliveryAttempt(row.DeliveryAttempt)
	}
	return page, err
}

func attemptsAfter(ctx context.Context, q *queries.Queries, query ports.AttemptQuery) ([]endpoint.Attempt, error) {
	after := query.After
	before := int64(math.MaxInt64)
	if !after.EndedAt.IsZero() {
		before = after.EndedAt.UnixMicro()
	}
	rows, err := q.ListDeliveryAttempts(ctx, queries.ListDeliveryAttemptsParams{
		EndpointID: query.Endpoint, BeforeEnded: before, BeforeOrder: after.OrderID, BeforeSeq: after.Sequence,
		PageLimit: int64(max(0, query.Limit)),
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
		EndedAt: fromMicros(row.EndedAt), Duration: time.Duration(row.DurationMicros) * time.Microsecond,
		Answer: endpoint.Answer{Status: row.AnswerStatus, Body: row.AnswerBody, Problem: row.Problem},
	}
}
