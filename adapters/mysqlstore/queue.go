package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
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

// dueStore is duequeue.Store on MySQL.
type dueStore struct{ *Payments }

// ClaimBatch implements duequeue.Store.
func (s dueStore) ClaimBatch(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) ([]payment.Decision, []*payment.StoredRowError, error) {
	due, err := s.DueOrders(ctx, policy, limit)
	if err != nil || len(due) == 0 {
		return nil, nil, err
	}
	c := &dueClaim{policy: policy, due: due, token: newToken()}
	if err := s.write(ctx, c.write); err != nil {
		return nil, nil, err
	}
	return c.decisions, c.unreadable, nil
}

// DueOrders implements duequeue.Store.
func (s dueStore) DueOrders(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) (due []payment.OrderID, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		due, err = q.ListDuePayments(ctx, queries.ListDuePaymentsParams{
			WithinMicros: within(policy), State: policy.Work.State(), Gateways: gateways(policy.Rules.Configured()), Limit: atMost(limit),
		})
		return err
	})
	return due, err
}

// Decide implements duequeue.Store.
func (s dueStore) Decide(
	ctx context.Context, id payment.OrderID,
	decide func(payment.Payment, time.Time) (payment.Decision, error),
) (payment.Decision, error) {
	return s.update(ctx, newKeyUpdate(id, decide))
}

// Postpone implements duequeue.Store.
func (s dueStore) Postpone(ctx context.Context, policy payment.PickUpPolicy, id payment.OrderID, reason string) error {
	return s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return classifyCommit(postpone(ctx, queries.New(conn), policy, id, reason))
	})
}

// dueClaim claims due payments in one transaction.
type dueClaim struct {
	policy payment.PickUpPolicy
	due    []payment.OrderID
	token  int64
	// Of the latest try that reached its commit.
	decisions  []payment.Decision
	unreadable []*payment.StoredRowError // rows that were postponed
}

// write is one try, in one transaction.
func (c *dueClaim) write(ctx context.Context, conn *sql.Conn) error {
	return transact(ctx, conn, func(q *queries.Queries) error {
		committed, err := c.isCommitted(ctx, q)
		if committed || err != nil {
			return err
		}
		c.decisions, c.unreadable, err = c.decide(ctx, q)
		return err
	})
}

// isCommitted reports whether an earlier try was committed and its answer lost. Its payments were
// written in one transaction, so the row of one of them shows it for all.
func (c *dueClaim) isCommitted(ctx context.Context, q *queries.Queries) (bool, error) {
	if len(c.decisions) == 0 {
		return false, nil
	}
	row, err := q.LockPayment(ctx, c.decisions[0].Payment.OrderID)
	if err != nil {
		return false, fmt.Errorf("lock the payment: %w", err)
	}
	return row.Payment.ClaimToken == c.token, nil
}

// decide locks the due payments, decides on each, and stores the decisions.
func (c *dueClaim) decide(
	ctx context.Context, q *queries.Queries,
) (decisions []payment.Decision, unreadable []*payment.StoredRowError, err error) {
	rows, err := q.LockDuePayments(ctx, queries.LockDuePaymentsParams{
		OrderIds: c.due, State: c.policy.Work.State(), WithinMicros: within(c.policy),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("lock due payments: %w", err)
	}
	for _, row := range rows {
		p, err := fromRow(row.Payment, row.ReadAt)
		if damaged, ok := errors.AsType[*payment.StoredRowError](err); ok {
			unreadable = append(unreadable, damaged)
			err = postpone(ctx, q, c.policy, row.Payment.OrderID, duequeue.Reason(damaged))
			if err == nil {
				continue
			}
		}
		if err != nil {
			return nil, nil, err
		}
		if p.Attempts() > 0 {
			if p.Keys, err = listKeys(ctx, q, p.OrderID); err != nil {
				return nil, nil, err
			}
		}
		d := c.policy.PickUp(p, row.ReadAt)
		if err := store(ctx, q, row.Payment, d, c.token); err != nil {
			return nil, nil, err
		}
		if d.Write {
			decisions = append(decisions, d)
		}
	}
	return decisions, unreadable, nil
}

func postpone(ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, id payment.OrderID, reason string) error {
	err := q.PostponePayment(ctx, queries.PostponePaymentParams{
		PostponeMicros: policy.Postponement().Microseconds(), Reason: textModeOf(ctx).text(reason),
		OrderID: id, WithinMicros: within(policy),
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
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		in, found = 0, false
		take := func(micros int64, err error) error {
			switch {
			case isNotFound(err):
				return nil
			case err != nil:
				return err
			}
			left := max(0, time.Duration(micros)*time.Microsecond)
			if !found || left < in {
				in, found = left, true
			}
			return nil
		}
		if policy.Ahead {
			ahead, err := anyDueAhead(ctx, q, policy)
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
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		rows, err := q.Backlog(ctx, ports.MaxBacklog)
		if err != nil {
			return err
		}
		parts := make([]ports.BacklogRow, 0, len(rows))
		for _, row := range rows {
			parts = append(parts, ports.BacklogRow{Currency: row.Currency, HasAmount: row.HasAmount != 0, Backlog: ports.Backlog{
				State: row.State, Payments: int(row.Payments), Due: int(row.Due),
				LongestDue: max(0, time.Duration(row.LongestDueMicros)*time.Microsecond),
				Oldest:     max(0, time.Duration(row.OldestMicros)*time.Microsecond),
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

// within is how far ahead a due time may lie, in microseconds; a century if there is no limit.
func within(policy payment.PickUpPolicy) int64 {
	const century = 100 * 365 * 24 * time.Hour
	if d := policy.DueWithin(); d > 0 {
		return d.Microseconds()
	}
	return century.Microseconds()
}

// atMost converts a limit to the type of a LIMIT parameter.
func atMost(limit int) int32 { return int32(max(0, min(limit, math.MaxInt32))) }
