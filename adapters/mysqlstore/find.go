package mysqlstore

import (
	"context"
	"fmt"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// Find implements ports.Payments.
func (s *Payments) Find(ctx context.Context, id payment.OrderID) (p payment.Payment, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		p, err = find(ctx, q, id)
		return err
	})
	if err != nil {
		return payment.Payment{}, fmt.Errorf("find payment: %w", err)
	}
	return p, nil
}

func find(ctx context.Context, q *queries.Queries, id payment.OrderID) (payment.Payment, error) {
	row, err := q.FindPayment(ctx, id)
	if noRows(err) {
		return payment.Payment{}, ports.ErrNotFound
	}
	if err != nil {
		return payment.Payment{}, err
	}
	return fromRow(row.Payment, row.Now)
}

// History implements ports.Payments. It needs no transaction: attempts and events are added
// together with the change of the payment that counts them, and never changed, so those that
// the payment counts are all there, and those that it does not count yet are left out. One that
// is archived at that moment may be read without what is leaving.
func (s *Payments) History(ctx context.Context, id payment.OrderID) (h ports.History, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		h, err = history(ctx, q, id)
		return err
	})
	if err != nil {
		return ports.History{}, fmt.Errorf("read the history: %w", err)
	}
	return h, nil
}

func history(ctx context.Context, q *queries.Queries, id payment.OrderID) (ports.History, error) {
	p, err := find(ctx, q, id)
	if err != nil {
		return ports.History{}, err
	}
	attempts, err := q.ListAttempts(ctx, queries.ListAttemptsParams{
		OrderID: id, BeforeNumber: p.Attempt.Number,
	})
	if err != nil {
		return ports.History{}, fmt.Errorf("list attempts: %w", err)
	}
	events, err := q.ListEvents(ctx, queries.ListEventsParams{OrderID: id, LastNumber: p.Events})
	if err != nil {
		return ports.History{}, fmt.Errorf("list events: %w", err)
	}
	h := ports.History{Payment: p}
	for _, row := range attempts {
		h.Attempts = append(h.Attempts, fromAttempt(row))
	}
	if !p.Attempt.StartedAt.IsZero() {
		h.Attempts = append(h.Attempts, p.Attempt)
	}
	for _, row := range events {
		h.Events = append(h.Events, fromEvent(row))
	}
	return h, nil
}

// Bounds on creation times, where a query sets none.
var (
	earliest = time.Date(1000, time.January, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC)
)

// List implements ports.Payments. Payments of one moment come by their order id, backwards.
func (s *Payments) List(ctx context.Context, query ports.ListQuery) (page []payment.Payment, err error) {
	params := queries.ListPaymentsParams{
		CreatedFrom:    orTime(query.CreatedFrom, earliest),
		CreatedBefore:  orTime(query.CreatedBefore, latest),
		AfterCreatedAt: orTime(query.AfterCreatedAt, latest),
		AfterOrderID:   query.AfterOrderID,
		States:         query.States,
		Limit:          atMost(query.Limit),
	}
	if len(params.States) == 0 {
		params.States = payment.States()
	}
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		page, err = list(ctx, q, params)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list payments: %w", err)
	}
	return page, nil
}

func list(
	ctx context.Context, q *queries.Queries, params queries.ListPaymentsParams,
) ([]payment.Payment, error) {
	rows, err := q.ListPayments(ctx, params)
	if err != nil {
		return nil, err
	}
	page := make([]payment.Payment, 0, len(rows))
	for _, row := range rows {
		p, err := fromRow(row.Payment, row.Now)
		if err != nil {
			return nil, err
		}
		page = append(page, p)
	}
	return page, nil
}

func orTime(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}
