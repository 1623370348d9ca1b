package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// putOffFor is how long a payment that cannot be claimed is left alone.
const putOffFor = time.Hour

// ClaimDue implements ports.Payments. The payments are claimed in one transaction. Where one
// of them spoils it for the others, for it cannot be read or written, each is claimed in its
// own, and that one put off.
func (s *Payments) ClaimDue(
	ctx context.Context, terms payment.Terms, limit int,
) ([]payment.Decision, error) {
	var decisions []payment.Decision
	err := s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) (err error) {
		decisions, err = pickUp(ctx, q, terms, limit, now)
		return err
	})
	switch {
	case err == nil:
		return decisions, nil
	case errors.Is(err, ports.ErrUnavailable), errors.Is(err, ports.ErrInDoubt):
		return nil, fmt.Errorf("claim due payments: %w", err)
	}
	s.log.LogAttrs(ctx, slog.LevelError, "due payments cannot be claimed together; claiming them one by one",
		slog.String("error", err.Error()))
	decisions, err = s.claimSingly(ctx, terms, limit)
	if err != nil && len(decisions) == 0 { // what was claimed is worked on; the rest stays due
		return nil, fmt.Errorf("claim due payments: %w", err)
	}
	return decisions, nil
}

// pickUp decides about due payments and stores the decisions.
func pickUp(
	ctx context.Context, q *queries.Queries, terms payment.Terms, limit int, now time.Time,
) (decisions []payment.Decision, err error) {
	rows, err := due(ctx, q, limit, now)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		p, err := fromRow(row.Payment, now)
		if err != nil {
			return nil, err
		}
		d := terms.PickUp(p, now)
		if err := store(ctx, q, p, d); err != nil {
			return nil, err
		}
		if d.Write {
			decisions = append(decisions, d)
		}
	}
	return decisions, nil
}

func due(
	ctx context.Context, q *queries.Queries, limit int, now time.Time,
) ([]queries.ListDuePaymentsRow, error) {
	rows, err := q.ListDuePayments(ctx, queries.ListDuePaymentsParams{
		Now: nullable(now), PageLimit: int64(max(0, limit)),
	})
	if err != nil {
		return nil, fmt.Errorf("list due payments: %w", err)
	}
	return rows, nil
}

// claimSingly claims due payments one by one, and puts off those that cannot be.
func (s *Payments) claimSingly(
	ctx context.Context, terms payment.Terms, limit int,
) (decisions []payment.Decision, err error) {
	var rows []queries.ListDuePaymentsRow
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		rows, err = due(ctx, q, limit, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	decide := func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return terms.PickUp(p, now), nil
	}
	for _, row := range rows {
		id := row.Payment.OrderID
		d, err := s.move(ctx, id, decide)
		switch {
		case errors.Is(err, ports.ErrUnavailable), errors.Is(err, ports.ErrInDoubt):
			return decisions, err
		case err != nil:
			if err := s.putOff(ctx, id, err); err != nil {
				return decisions, err
			}
		case d.Write:
			decisions = append(decisions, d)
		}
	}
	return decisions, nil
}

// putOff takes a payment that cannot be worked on out of the way of the others, with the
// reason in its row.
func (s *Payments) putOff(ctx context.Context, id payment.OrderID, why error) error {
	s.log.LogAttrs(ctx, slog.LevelError, "a due payment is put off for an hour: it cannot be claimed",
		slog.String("order_id", string(id)), slog.String("error", why.Error()))
	reason := "put off: " + why.Error()
	reason = strings.ToValidUTF8(reason[:min(len(reason), payment.MaxMessageBytes)], "")
	err := s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		return q.PutOffPayment(ctx, queries.PutOffPaymentParams{
			DueAt: nullable(now.Add(putOffFor)), Reason: reason, UpdatedAt: now.UnixMicro(), OrderID: id,
		})
	})
	if err != nil {
		return fmt.Errorf("put off the payment: %w", err)
	}
	return nil
}

// NextDue implements ports.Payments.
func (s *Payments) NextDue(ctx context.Context) (in time.Duration, found bool, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		dueAt, err := q.NextDue(ctx)
		switch {
		case noRows(err):
			return nil
		case err != nil:
			return err
		}
		in, found = max(0, orZero(dueAt).Sub(now)), true
		return nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("find the next due payment: %w", err)
	}
	return in, found, nil
}

// Backlog implements ports.Payments.
func (s *Payments) Backlog(ctx context.Context) (backlog []ports.Backlog, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		rows, err := q.Backlog(ctx, queries.BacklogParams{Now: nullable(now), MaxRows: ports.MaxBacklog})
		if err != nil {
			return err
		}
		backlog = make([]ports.Backlog, 0, len(rows)) // anew at each try
		for _, row := range rows {
			backlog = append(backlog, ports.Backlog{
				State: row.State, Payments: int(row.Payments), Due: int(row.Due),
				LongestDue: max(0, now.Sub(fromMicros(row.FirstDueAt))),
				Oldest:     max(0, now.Sub(fromMicros(row.FirstCreatedAt))),
			})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count the backlog: %w", err)
	}
	return backlog, nil
}
