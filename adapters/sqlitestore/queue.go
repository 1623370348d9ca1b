package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// maxPutOff bounds the batches of rows that cannot be read which one call passes over.
const maxPutOff = 100

// ClaimDue implements ports.Payments. The payments are claimed in one transaction, in which rows that
// cannot be read are put off. If one cannot be written, the transaction fails for the others as well;
// then each is claimed in its own, and that one put off.
func (s *Payments) ClaimDue(
	ctx context.Context, terms payment.PickUpPolicy, limit int,
) (decisions []payment.Decision, err error) {
	for range maxPutOff {
		var putOff int
		decisions, putOff, err = s.claimDue(ctx, terms, limit)
		if err != nil || len(decisions) > 0 || putOff == 0 {
			break
		}
	}
	if free := limit - len(decisions); err == nil && terms.Work == payment.WorkLookups && free > 0 {
		var keys []payment.Decision
		keys, err = s.claimDueKeys(ctx, terms, free)
		decisions = append(decisions, keys...)
	}
	if err != nil && len(decisions) == 0 { // what was claimed is worked on; the rest stays due
		return nil, fmt.Errorf("claim due payments: %w", err)
	}
	return decisions, nil
}

// claimDue claims a batch, and returns how many rows it has put off because they cannot be read.
func (s *Payments) claimDue(
	ctx context.Context, terms payment.PickUpPolicy, limit int,
) (decisions []payment.Decision, putOff int, err error) {
	var unreadable []*payment.StoredRowError
	err = s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) (err error) {
		decisions, unreadable, err = pickUp(ctx, q, terms, limit, now)
		return err
	})
	switch {
	case err == nil:
		for _, damaged := range unreadable {
			s.logPutOff(ctx, damaged.OrderID, damaged)
		}
		return decisions, len(unreadable), nil
	case errors.Is(err, ports.ErrUnavailable), errors.Is(err, ports.ErrInDoubt):
		return nil, 0, err
	}
	s.log.LogAttrs(ctx, slog.LevelError, "due payments cannot be claimed together; claiming them one by one",
		slog.String("error", err.Error()))
	decisions, err = s.claimSingly(ctx, terms, limit)
	if len(decisions) > 0 {
		err = nil // what was claimed is worked on; the rest stays due
	}
	return decisions, 0, err
}

// pickUp decides about due payments and stores the decisions.
func pickUp(
	ctx context.Context, q *queries.Queries, terms payment.PickUpPolicy, limit int, now time.Time,
) (decisions []payment.Decision, unreadable []*payment.StoredRowError, err error) {
	rows, err := due(ctx, q, terms, limit, now)
	if err != nil {
		return nil, nil, err
	}
	for _, row := range rows {
		p, err := fromRow(row.Payment, now)
		if damaged, ok := errors.AsType[*payment.StoredRowError](err); ok {
			unreadable = append(unreadable, damaged)
			err = putOff(ctx, q, terms, row.Payment.OrderID, damaged, now)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return nil, nil, err
		}
		if p.Keys, err = listKeys(ctx, q, p.OrderID); err != nil {
			return nil, nil, err
		}
		d := terms.PickUp(p, now)
		if err := store(ctx, q, p, d); err != nil {
			return nil, nil, err
		}
		if d.Write {
			decisions = append(decisions, d)
		}
	}
	return decisions, unreadable, nil
}

func due(
	ctx context.Context, q *queries.Queries, terms payment.PickUpPolicy, limit int, now time.Time,
) ([]queries.ListDuePaymentsRow, error) {
	rows, err := q.ListDuePayments(ctx, queries.ListDuePaymentsParams{
		Now: nullable(now), DueBefore: nullable(dueBefore(terms, now)), State: terms.Work.State(),
		Gateway: terms.Rules.Gateway, PageLimit: int64(max(0, limit)),
	})
	if err != nil {
		return nil, fmt.Errorf("list due payments: %w", err)
	}
	return rows, nil
}

// claimSingly claims due payments one by one, and puts off those that cannot be.
func (s *Payments) claimSingly(
	ctx context.Context, terms payment.PickUpPolicy, limit int,
) (decisions []payment.Decision, err error) {
	var rows []queries.ListDuePaymentsRow
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		rows, err = due(ctx, q, terms, limit, now)
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
			s.putOff(ctx, terms, id, err)
		case d.Write:
			decisions = append(decisions, d)
		}
	}
	return decisions, nil
}

// putOff takes a payment that cannot be worked on out of the way of the others, with the
// reason in its row.
func (s *Payments) putOff(ctx context.Context, terms payment.PickUpPolicy, id payment.OrderID, why error) {
	s.logPutOff(ctx, id, why)
	err := s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		return putOff(ctx, q, terms, id, why, now)
	})
	if err != nil { // it stays due, and the others are not to wait for that
		s.log.LogAttrs(ctx, slog.LevelError, "a due payment could not be put off",
			slog.String("order_id", string(id)), slog.String("error", err.Error()))
	}
}

func putOff(
	ctx context.Context, q *queries.Queries, terms payment.PickUpPolicy, id payment.OrderID, why error, now time.Time,
) error {
	reason := "put off: " + why.Error()
	reason = strings.ToValidUTF8(reason[:min(len(reason), payment.MaxMessageBytes)], "")
	err := q.PutOffPayment(ctx, queries.PutOffPaymentParams{
		DueAt: nullable(now.Add(terms.Postponement())), Reason: reason, UpdatedAt: now.UnixMicro(), OrderID: id,
		Now: nullable(now), DueBefore: nullable(dueBefore(terms, now)),
	})
	if err != nil {
		return fmt.Errorf("put off the payment: %w", err)
	}
	return nil
}

func (s *Payments) logPutOff(ctx context.Context, id payment.OrderID, why error) {
	attributes := []slog.Attr{slog.String("order_id", string(id))}
	if damaged, ok := errors.AsType[*payment.StoredRowError](why); ok {
		attributes = append(attributes, slog.String("table", damaged.Table), slog.String("column", damaged.Column))
	}
	s.log.LogAttrs(ctx, slog.LevelError, "a due payment is put off: it cannot be claimed",
		append(attributes, slog.String("error", why.Error()))...)
}

// NextDue implements ports.Payments.
func (s *Payments) NextDue(
	ctx context.Context, terms payment.PickUpPolicy,
) (in time.Duration, found bool, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		in, found = 0, false
		take := func(dueAt sql.NullInt64, err error) error {
			switch {
			case noRows(err):
				return nil
			case err != nil:
				return err
			}
			left := max(0, orZero(dueAt).Sub(now))
			if !found || left < in {
				in, found = left, true
			}
			return nil
		}
		if terms.Ahead {
			ahead, err := q.AnyDueAhead(ctx, queries.AnyDueAheadParams{
				DueBefore: nullable(dueBefore(terms, now)), State: terms.Work.State(), Gateway: terms.Rules.Gateway,
			})
			if found = ahead; ahead || err != nil {
				return err
			}
		}
		params := queries.NextDueParams{State: terms.Work.State(), Gateway: terms.Rules.Gateway}
		if err := take(q.NextDue(ctx, params)); err != nil || terms.Work != payment.WorkLookups {
			return err
		}
		return take(q.NextDueGatewayKey(ctx, terms.Rules.Gateway))
	})
	if err != nil {
		return 0, false, fmt.Errorf("find what is due next: %w", err)
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
		parts := make([]ports.BacklogRow, 0, len(rows))
		for _, row := range rows {
			parts = append(parts, ports.BacklogRow{Currency: row.Currency, HasAmount: row.HasAmount != 0, Backlog: ports.Backlog{
				State: row.State, Payments: int(row.Payments), Due: int(row.Due),
				LongestDue: max(0, now.Sub(fromMicros(row.FirstDueAt))),
				Oldest:     max(0, now.Sub(fromMicros(row.FirstCreatedAt))),
			}})
		}
		backlog = ports.SumBacklog(parts)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count the backlog: %w", err)
	}
	return backlog, nil
}
