// Package duequeue claims due payments, other operations and lookups from a SQL store, and postpones
// those that cannot be claimed, so that a damaged row does not block the queue.
package duequeue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// maxUnreadableBatches limits the batches without a readable row that one call passes over.
const maxUnreadableBatches = 100

// Due is a payment or another operation that is due, or a gateway key of it whose lookup is due.
type Due struct {
	Ref payment.Ref
	Key payment.GatewayKey // empty if the payment itself is due
	At  time.Time
}

// LongestDue merges what is due of payments and what is due of other operations, each the longest due first, and
// returns the first ones, at most limit.
func LongestDue(payments, operations []Due, limit int) []Due {
	all := slices.Concat(payments, operations)
	slices.SortStableFunc(all, func(a, b Due) int { return a.At.Compare(b.At) })
	return all[:min(len(all), max(0, limit))]
}

// Store is what a SQL store offers to the queue. Its payments include the other operations, with rows of
// their own. Each method but ClaimBatch is one transaction.
type Store interface {
	// ClaimBatch claims due payments together, and postpones the rows that cannot be read. What it returns
	// besides an error was claimed and postponed.
	ClaimBatch(ctx context.Context, policy payment.PickUpPolicy, limit int) ([]payment.Decision, []*payment.StoredRowError, error)
	// Due and DueKeys return what is due, the longest due first.
	Due(ctx context.Context, policy payment.PickUpPolicy, limit int) ([]Due, error)
	DueKeys(ctx context.Context, policy payment.PickUpPolicy, limit int) ([]Due, error)
	// Decide locks a payment, and stores what decide returns.
	Decide(ctx context.Context, ref payment.Ref,
		decide func(payment.Payment, time.Time) (payment.Decision, error)) (payment.Decision, error)
	// Postpone postpones a payment that is still due, and stores the reason in its row.
	Postpone(ctx context.Context, policy payment.PickUpPolicy, ref payment.Ref, reason string) error
	PostponeKey(ctx context.Context, policy payment.PickUpPolicy, key Due) error
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
		q.logPostpone(ctx, payment.Ref{OrderID: damaged.OrderID}, damaged)
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
	due, err := q.store.Due(ctx, q.policy, limit)
	if err != nil {
		return nil, err
	}
	pickUp := func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return q.policy.PickUp(p, now), nil
	}
	for _, one := range due {
		d, err := q.store.Decide(ctx, one.Ref, pickUp)
		switch {
		case isStoreError(err):
			return decisions, err
		case err != nil:
			q.postpone(ctx, one.Ref, err)
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
			return q.policy.PickUpKey(p, key.Key, now), nil
		}
		d, err := q.store.Decide(ctx, key.Ref, pickUp)
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
func (q queue) postpone(ctx context.Context, ref payment.Ref, why error) {
	q.logPostpone(ctx, ref, why)
	if err := q.store.Postpone(ctx, q.policy, ref, Reason(why)); err != nil {
		q.log.LogAttrs(ctx, slog.LevelError, "a due payment could not be postponed",
			append(attributes(ref), slog.String("error", err.Error()))...)
	}
}

func (q queue) postponeKey(ctx context.Context, key Due, why error) error {
	q.log.LogAttrs(ctx, slog.LevelError, "a due lookup is postponed: its payment cannot be read",
		append(attributes(key.Ref), slog.String("gateway_key", string(key.Key)), slog.String("error", why.Error()))...)
	if err := q.store.PostponeKey(ctx, q.policy, key); err != nil {
		return fmt.Errorf("postpone the lookup: %w", err)
	}
	return nil
}

func (q queue) logPostpone(ctx context.Context, ref payment.Ref, why error) {
	about := attributes(ref)
	if damaged, ok := errors.AsType[*payment.StoredRowError](why); ok {
		about = append(about, slog.String("table", damaged.Table), slog.String("column", damaged.Column))
	}
	q.log.LogAttrs(ctx, slog.LevelError, "a due payment is postponed: it cannot be claimed",
		append(about, slog.String("error", why.Error()))...)
}

// attributes name a payment or another operation in the log.
func attributes(ref payment.Ref) []slog.Attr {
	about := []slog.Attr{slog.String("order_id", string(ref.OrderID))}
	if !ref.Operation.IsCharge() {
		about = append(about, slog.String("operation", ref.Operation.String()))
	}
	return about
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
