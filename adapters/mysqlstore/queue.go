package mysqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
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
	due, err := s.Due(ctx, policy, limit)
	if err != nil || len(due) == 0 {
		return nil, nil, err
	}
	t, err := s.known(ctx)
	if err != nil {
		return nil, nil, err
	}
	var orders []payment.OrderID
	var operations []payment.Ref
	for _, d := range due {
		if d.Ref.Operation.IsCharge() {
			orders = append(orders, d.Ref.OrderID)
		} else {
			operations = append(operations, d.Ref)
		}
	}
	decisions, unreadable, err := s.claimOperations(ctx, policy, operations)
	ctx, failed := s.withSubscribers(ctx)
	if failed != nil {
		return decisions, unreadable, cmp.Or(err, failed)
	}
	for _, orders := range t.claimedTogether(orders) {
		c := &dueClaim{policy: policy, due: orders, token: newToken(), skipsLocked: t.engine.skipsLocked()}
		if failed := s.write(ctx, c.write); failed != nil {
			err = cmp.Or(err, failed) // other shards may answer
			continue
		}
		decisions, unreadable = append(decisions, c.decisions...), append(unreadable, c.unreadable...)
	}
	// In the order of one transaction.
	slices.SortStableFunc(decisions, func(a, b payment.Decision) int { return cmp.Compare(a.Payment.OrderID, b.Payment.OrderID) })
	return decisions, unreadable, err
}

// Due implements duequeue.Store.
func (s dueStore) Due(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) (due []duequeue.Due, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		rows, err := q.ListDuePayments(ctx, queries.ListDuePaymentsParams{
			WithinMicros: within(policy), State: policy.Work.State(), Gateways: gateways(policy.Rules.Configured()), Limit: atMost(limit),
		})
		if err != nil {
			return err
		}
		payments := make([]duequeue.Due, 0, len(rows))
		for _, row := range rows {
			payments = append(payments, duequeue.Due{Ref: payment.Ref{OrderID: row.OrderID}, At: row.DueAt.Time})
		}
		operations, err := dueOperations(ctx, q, policy, limit)
		due = duequeue.LongestDue(payments, operations, limit)
		return err
	})
	return due, err
}

// Decide implements duequeue.Store.
func (s dueStore) Decide(
	ctx context.Context, ref payment.Ref,
	decide func(payment.Payment, time.Time) (payment.Decision, error),
) (payment.Decision, error) {
	u, err := s.skippingUpdate(ctx, ref, decide)
	if err != nil {
		return payment.Decision{}, err
	}
	d, err := s.update(ctx, u)
	if errors.Is(err, errLocked) {
		return payment.Decision{Verdict: payment.VerdictNotDue}, nil // it stays due
	}
	return d, err
}

// skippingUpdate is newKeyUpdate for a change that is not made if another transaction has locked the payment.
func (s dueStore) skippingUpdate(ctx context.Context, ref payment.Ref, by decide) (*rowUpdate, error) {
	t, err := s.known(ctx)
	if err != nil {
		return nil, err
	}
	u := newKeyUpdate(ref, by)
	if u.mode = skipLocked; !t.engine.skipsLocked() {
		u.mode = failLocked
	}
	return u, nil
}

// Postpone implements duequeue.Store.
func (s dueStore) Postpone(ctx context.Context, policy payment.PickUpPolicy, ref payment.Ref, reason string) error {
	return s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		if !ref.Operation.IsCharge() {
			return classifyCommit(postponeOperation(ctx, queries.New(conn), policy, ref, reason))
		}
		return classifyCommit(postpone(ctx, queries.New(conn), policy, ref.OrderID, reason))
	})
}

// dueClaim claims due payments in one transaction.
type dueClaim struct {
	policy      payment.PickUpPolicy
	due         []payment.OrderID
	token       int64
	skipsLocked bool // the server locks the rows that SKIP LOCKED returns
	// Of the latest try that reached its commit.
	decisions  []payment.Decision
	unreadable []*payment.StoredRowError // rows that were postponed
}

// write is one try, in one transaction.
func (c *dueClaim) write(ctx context.Context, conn *sql.Conn) error {
	return transact(ctx, conn, func(q *queries.Queries) error {
		committed, err := c.committed(ctx, q)
		if err != nil || len(committed) > 0 && len(committed) == len(c.decisions) {
			return err
		}
		decisions, unreadable, err := c.decide(ctx, q)
		if err != nil {
			return err
		}
		c.decisions, c.unreadable = slices.Concat(committed, decisions), unreadable
		return nil
	})
}

// committed returns the decisions of an earlier try that were committed although its answer was lost.
// Each row is looked at, because a transaction that spans shards may be committed in part.
func (c *dueClaim) committed(ctx context.Context, q *queries.Queries) (found []payment.Decision, err error) {
	for _, d := range c.decisions {
		row, err := q.LockPayment(ctx, d.Payment.OrderID)
		if err != nil {
			return nil, fmt.Errorf("lock the payment: %w", err)
		}
		if row.Payment.ClaimToken == c.token {
			found = append(found, d)
		}
	}
	return found, nil
}

// lock locks the payments that are still due.
func (c *dueClaim) lock(ctx context.Context, q *queries.Queries) ([]queries.LockDuePaymentsRow, error) {
	params := queries.LockDuePaymentsParams{OrderIds: c.due, State: c.policy.Work.State(), WithinMicros: within(c.policy)}
	if c.skipsLocked {
		return q.LockDuePayments(ctx, params)
	}
	locked, err := q.LockDuePaymentsNoWait(ctx, queries.LockDuePaymentsNoWaitParams(params))
	if hasNumber(err, errLockNoWait) {
		return nil, nil
	}
	rows := make([]queries.LockDuePaymentsRow, 0, len(locked))
	for _, row := range locked {
		rows = append(rows, queries.LockDuePaymentsRow(row))
	}
	return rows, err
}

// decide locks the due payments, decides on each, and stores the decisions.
func (c *dueClaim) decide(
	ctx context.Context, q *queries.Queries,
) (decisions []payment.Decision, unreadable []*payment.StoredRowError, err error) {
	rows, err := c.lock(ctx, q)
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
		if p.Keys, err = listKeys(ctx, q, p.Ref()); err != nil {
			return nil, nil, err
		}
		d := c.policy.PickUp(p, row.ReadAt)
		locked := lockedRow{payment: p, claimToken: row.Payment.ClaimToken, readAt: row.ReadAt, exists: true}
		if err := store(ctx, q, locked, d, c.token); err != nil {
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

// maxWithin is longer than the service looks ahead, and short enough for the arithmetic of the server.
const maxWithin = 10 * 365 * 24 * time.Hour

// NextDue implements ports.Payments.
func (s *Payments) NextDue(
	ctx context.Context, policy payment.PickUpPolicy,
) (in time.Duration, found bool, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		in, found = 0, false
		if policy.Ahead {
			ahead, err := anyDueAhead(ctx, q, policy)
			if found = ahead; ahead || err != nil {
				return err
			}
		}
		state, configured := policy.Work.State(), gateways(policy.Rules.Configured())
		next, err := q.NextDue(ctx, queries.NextDueParams{
			WithinMicros: cmp.Or(policy.Within, maxWithin).Microseconds(),
			State:        state, Gateways: configured, OperationState: state, OperationGateways: configured,
		})
		if err == nil && policy.Work == payment.WorkLookups {
			var keys []int64
			keys, err = q.NextDueGatewayKey(ctx, queries.NextDueGatewayKeyParams{
				Gateways: configured, OperationGateways: configured,
			})
			next = append(next, keys...)
		}
		if err != nil || len(next) == 0 {
			return err
		}
		if first := max(0, time.Duration(slices.Min(next))*time.Microsecond); first <= cmp.Or(policy.Within, maxWithin) {
			in, found = first, true
		}
		return nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("find what is due next: %w", err)
	}
	return in, found, nil
}

// Backlog implements ports.Payments.
func (s *Payments) Backlog(ctx context.Context) (backlog []ports.Backlog, err error) {
	t, err := s.known(ctx)
	if err != nil {
		return nil, fmt.Errorf("count the backlog: %w", err)
	}
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		rows, err := q.Backlog(ctx, atMost(t.engine.maxCounted()))
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
		operations, err := backlogOfOperations(ctx, q, t.engine.maxCounted())
		backlog = ports.SumBacklog(append(parts, operations...))
		return err
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
