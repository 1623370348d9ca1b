// Package duequeue claims due payments and lookups from a SQL store, and postpones those that
// cannot be claimed, so that a damaged row does not block the queue.
package duequeue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// maxUnreadableBatches limits the batches without a readable row that one call passes over.
const maxUnreadableBatches = 100

// Key is a gateway key whose lookup is due.
type Key struct {
	OrderID    payment.OrderID
	GatewayKey payment.GatewayKey
}

// Store is what a SQL store offers to the queue. Each method is one transaction.
type Store interface {
	// ClaimBatch claims due payments together, and postpones the rows that cannot be read. What it returns
	// besides an error was claimed and postponed.
	ClaimBatch(ctx context.Context, policy payment.PickUpPolicy, limit int) ([]payment.Decision, []*payment.StoredRowError, error)
	DueOrders(ctx context.Context, policy payment.PickUpPolicy, limit int) ([]payment.OrderID, error)
	DueKeys(ctx context.Context, policy payment.PickUpPolicy, limit int) ([]Key, error)
	// Decide locks a payment, and stores what decide returns.
	Decide(ctx context.Context, id payment.OrderID,
		decide func(payment.Payment, time.Time) (payment.Decision, error)) (payment.Decision, error)
	// Postpone postpones a payment that is still due, and stores the reason in its row.
	Postpone(ctx context.Context, policy payment.PickUpPolicy, id payment.OrderID, reason string) error
	PostponeKey(ctx context.Context, policy payment.PickUpPolicy, key Key) error
}

// Claim claims up to limit due payments, and then due lookups of keys if the policy is about lookups.
// If a batch fails because a row cannot be written, its payments are claimed one by one. Claims that
// were made are returned without an error, because the rest stays due.
func Claim(
	ctx context.Context, s Store, log *slog.Logger, policy payment.PickUpPolicy, limit int,
) (decisions []payment.Decision, err error) {
	q := queue{store: s, log: log, policy: policy}
	for range maxUnreadableBatches {
		var unreadable int
		decisions, unreadable, err = q.claimBatch(ctx, limit)
		if err != nil || len(decisions) > 0 || unreadable == 0 {
			break
		}
	}
	if free := limit - len(decisions); err == nil && policy.Work == payment.WorkLookups && free > 0 {
		var keys []payment.Decision
		keys, err = q.claimKeys(ctx, free)
		decisions = append(decisions, keys...)
	}
	if err != nil && len(decisions) == 0 {
		return nil, fmt.Errorf("claim due payments: %w", err)
	}
	return decisions, nil
}

// queue is one call of [Claim].
type queue struct {
	store  Store
	log    *slog.Logger
	policy payment.PickUpPolicy
}

// claimBatch also returns how many rows were postponed because they cannot be read.
func (q queue) claimBatch(ctx context.Context, limit int) (decisions []payment.Decision, postponed int, err error) {
	decisions, unreadable, err := q.store.ClaimBatch(ctx, q.policy, limit)
	for _, damaged := range unreadable {
		q.logPostpone(ctx, damaged.OrderID, damaged)
	}
	if err == nil || isStoreError(err) {
		return decisions, len(unreadable), err
	}
	q.log.LogAttrs(ctx, slog.LevelError, "due payments cannot be claimed together; claiming them one by one",
		slog.String("error", err.Error()))
	more, err := q.claimOneByOne(ctx, limit-len(decisions))
	decisions = append(decisions, more...)
	if len(decisions) > 0 {
		err = nil
	}
	return decisions, len(unreadable), err
}

// claimOneByOne postpones the payments that cannot be claimed.
func (q queue) claimOneByOne(ctx context.Context, limit int) (decisions []payment.Decision, err error) {
	orders, err := q.store.DueOrders(ctx, q.policy, limit)
	if err != nil {
		return nil, err
	}
	pickUp := func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return q.policy.PickUp(p, now), nil
	}
	for _, id := range orders {
		d, err := q.store.Decide(ctx, id, pickUp)
		switch {
		case isStoreError(err):
			return decisions, err
		case err != nil:
			q.postpone(ctx, id, err)
		case d.Write:
			decisions = append(decisions, d)
		}
	}
	return decisions, nil
}

// claimKeys decides on due lookups of keys, each in a transaction of its own.
func (q queue) claimKeys(ctx context.Context, limit int) (decisions []payment.Decision, err error) {
	keys, err := q.store.DueKeys(ctx, q.policy, limit)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		pickUp := func(p payment.Payment, now time.Time) (payment.Decision, error) {
			return q.policy.PickUpKey(p, key.GatewayKey, now), nil
		}
		d, err := q.store.Decide(ctx, key.OrderID, pickUp)
		switch {
		case isStoreError(err):
			return decisions, err
		case err != nil:
			if err := q.postponeKey(ctx, key, err); err != nil {
				return decisions, err
			}
		case d.Verdict == payment.VerdictLookUp:
			decisions = append(decisions, d)
		}
	}
	return decisions, nil
}

// postpone postpones a payment that cannot be claimed. If that fails, the payment stays due, and the
// others are claimed all the same.
func (q queue) postpone(ctx context.Context, id payment.OrderID, why error) {
	q.logPostpone(ctx, id, why)
	if err := q.store.Postpone(ctx, q.policy, id, Reason(why)); err != nil {
		q.log.LogAttrs(ctx, slog.LevelError, "a due payment could not be postponed",
			slog.String("order_id", string(id)), slog.String("error", err.Error()))
	}
}

func (q queue) postponeKey(ctx context.Context, key Key, why error) error {
	q.log.LogAttrs(ctx, slog.LevelError, "a due lookup is postponed: its payment cannot be read",
		slog.String("order_id", string(key.OrderID)), slog.String("gateway_key", string(key.GatewayKey)),
		slog.String("error", why.Error()))
	if err := q.store.PostponeKey(ctx, q.policy, key); err != nil {
		return fmt.Errorf("postpone the lookup: %w", err)
	}
	return nil
}

func (q queue) logPostpone(ctx context.Context, id payment.OrderID, why error) {
	attributes := []slog.Attr{slog.String("order_id", string(id))}
	if damaged, ok := errors.AsType[*payment.StoredRowError](why); ok {
		attributes = append(attributes, slog.String("table", damaged.Table), slog.String("column", damaged.Column))
	}
	q.log.LogAttrs(ctx, slog.LevelError, "a due payment is postponed: it cannot be claimed",
		append(attributes, slog.String("error", why.Error()))...)
}

// Reason is what the row of a postponed payment stores as its reason.
func Reason(why error) string {
	reason := "postponed: " + why.Error()
	return strings.ToValidUTF8(reason[:min(len(reason), payment.MaxMessageBytes)], "")
}

// isStoreError reports whether the error is the database's and not the row's.
func isStoreError(err error) bool {
	return errors.Is(err, ports.ErrUnavailable) || errors.Is(err, ports.ErrInDoubt)
}
