package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/duequeue"
	"paymentd/ports"
)

// ClaimDue implements ports.Payments.
func (s *Payments) ClaimDue(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) ([]payment.Decision, error) {
	return duequeue.Claim(ctx, dueStore{s}, s.log, policy, limit)
}

// dueStore is duequeue.Store on SQLite.
type dueStore struct{ *Payments }

// ClaimBatch implements duequeue.Store.
func (s dueStore) ClaimBatch(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) (decisions []payment.Decision, unreadable []*payment.StoredRowError, err error) {
	err = s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) (err error) {
		decisions, unreadable, err = pickUp(ctx, q, policy, limit, now)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return decisions, unreadable, nil
}

// Due implements duequeue.Store.
func (s dueStore) Due(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) (found []duequeue.Due, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		rows, err := due(ctx, q, policy, limit, now)
		found = make([]duequeue.Due, 0, len(rows)) // empty at each try
		for _, row := range rows {
			found = append(found, duequeue.Due{Ref: payment.Ref{OrderID: row.Payment.OrderID}, At: orZero(row.Payment.DueAt)})
		}
		return err
	})
	return found, err
}

// Decide implements duequeue.Store.
func (s dueStore) Decide(
	ctx context.Context, ref payment.Ref,
	decide func(payment.Payment, time.Time) (payment.Decision, error),
) (payment.Decision, error) {
	return s.update(ctx, ref.OrderID, decide)
}

// Postpone implements duequeue.Store.
func (s dueStore) Postpone(ctx context.Context, policy payment.PickUpPolicy, ref payment.Ref, reason string) error {
	return s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		return postpone(ctx, q, policy, ref.OrderID, reason, now)
	})
}

// pickUp decides on due payments, and stores the decisions.
func pickUp(
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, limit int, now time.Time,
) (decisions []payment.Decision, unreadable []*payment.StoredRowError, err error) {
	rows, err := due(ctx, q, policy, limit, now)
	if err != nil {
		return nil, nil, err
	}
	for _, row := range rows {
		p, err := fromRow(row.Payment, now)
		if damaged, ok := errors.AsType[*payment.StoredRowError](err); ok {
			unreadable = append(unreadable, damaged)
			err = postpone(ctx, q, policy, row.Payment.OrderID, duequeue.Reason(damaged), now)
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
		d := policy.PickUp(p, now)
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
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, limit int, now time.Time,
) ([]queries.ListDuePaymentsRow, error) {
	rows, err := q.ListDuePayments(ctx, queries.ListDuePaymentsParams{
		Now: nullable(now), DueBefore: nullable(dueBefore(policy, now)), State: policy.Work.State(),
		Gateways: gateways(policy.Rules.Configured()), PageLimit: int64(max(0, limit)),
	})
	if err != nil {
		return nil, fmt.Errorf("list due payments: %w", err)
	}
	return rows, nil
}

func postpone(
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, id payment.OrderID, reason string, now time.Time,
) error {
	err := q.PostponePayment(ctx, queries.PostponePaymentParams{
		DueAt: nullable(now.Add(policy.Postponement())), Reason: reason, UpdatedAt: now.UnixMicro(), OrderID: id,
		Now: nullable(now), DueBefore: nullable(dueBefore(policy, now)),
	})
	if err != nil {
		return fmt.Errorf("postpone the payment: %w", err)
	}
	return nil
}

// NextDue implements ports.Payments.
func (s *Payments) NextDue(
	ctx context.Context, policy payment.PickUpPolicy,
) (in time.Duration, found bool, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		in, found = 0, false
		take := func(dueAt sql.NullInt64, err error) error {
			switch {
			case isNotFound(err):
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
		if policy.Ahead {
			ahead, err := anyDueAhead(ctx, q, policy, now)
			if found = ahead; ahead || err != nil {
				return err
			}
		}
		params := queries.NextDueParams{State: policy.Work.State(), Gateways: gateways(policy.Rules.Configured())}
		if err := take(q.NextDue(ctx, params)); err != nil || policy.Work != payment.WorkLookups {
			return err
		}
		return take(q.NextDueGatewayKey(ctx, gateways(policy.Rules.Configured())))
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

// dueBefore is how far ahead a due time may lie; a century if there is no limit.
func dueBefore(policy payment.PickUpPolicy, now time.Time) time.Time {
	if d := policy.DueWithin(); d > 0 {
		return now.Add(d)
	}
	return now.AddDate(100, 0, 0)
}
