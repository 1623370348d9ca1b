package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// RecordLookup implements ports.Payments.
func (s *Payments) RecordLookup(
	ctx context.Context, r payment.LookupRecord,
) (payment.Payment, payment.Verdict, error) {
	d, err := s.move(ctx, r.OrderID, r.Apply)
	if err != nil {
		return payment.Payment{}, "", fmt.Errorf("record the lookup: %w", err)
	}
	return d.Payment, d.Verdict, nil
}

// RecordApproval implements ports.Payments.
func (s *Payments) RecordApproval(
	ctx context.Context, a payment.Approval,
) (payment.Payment, payment.Verdict, error) {
	d, err := s.move(ctx, a.OrderID, a.Apply)
	if err != nil {
		return payment.Payment{}, "", fmt.Errorf("record the approval: %w", err)
	}
	return d.Payment, d.Verdict, nil
}

// claimDueKeys lets the domain decide about keys whose lookup is due, each in a transaction of its own.
func (s *Payments) claimDueKeys(
	ctx context.Context, terms payment.PickUpPolicy, limit int,
) (decisions []payment.Decision, err error) {
	var due []queries.ListDueGatewayKeysRow
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		due, err = q.ListDueGatewayKeys(ctx, queries.ListDueGatewayKeysParams{
			Now: nullable(now), DueBefore: nullable(dueBefore(terms, now)), Gateway: terms.Rules.Gateway,
			PageLimit: int64(max(0, limit)),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, key := range due {
		pickUp := func(p payment.Payment, now time.Time) (payment.Decision, error) {
			return terms.PickUpKey(p, key.GatewayKey, now), nil
		}
		d, err := s.move(ctx, key.OrderID, pickUp)
		switch {
		case errors.Is(err, ports.ErrUnavailable), errors.Is(err, ports.ErrInDoubt):
			return decisions, err
		case err != nil:
			if err := s.putOffKey(ctx, terms, key, err); err != nil {
				return decisions, err
			}
		case d.Verdict == payment.VerdictLookUp:
			decisions = append(decisions, d)
		}
	}
	return decisions, nil
}

// putOffKey takes a key whose payment cannot be read out of the way of the others.
func (s *Payments) putOffKey(
	ctx context.Context, terms payment.PickUpPolicy, key queries.ListDueGatewayKeysRow, why error,
) error {
	s.log.LogAttrs(ctx, slog.LevelError, "a due lookup is put off: its payment cannot be read",
		slog.String("order_id", string(key.OrderID)), slog.String("gateway_key", string(key.GatewayKey)),
		slog.String("error", why.Error()))
	err := s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		return q.PutOffGatewayKey(ctx, queries.PutOffGatewayKeyParams{
			DueAt: nullable(now.Add(terms.Postponement())), Now: nullable(now),
			OrderID: key.OrderID, GatewayKey: key.GatewayKey,
		})
	})
	if err != nil {
		return fmt.Errorf("put off the lookup: %w", err)
	}
	return nil
}

// listKeys returns the records of an order's keys.
func listKeys(ctx context.Context, q *queries.Queries, id payment.OrderID) ([]payment.Key, error) {
	rows, err := q.ListGatewayKeys(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	var keys []payment.Key
	for i := range rows {
		k := fromKeyRow(&rows[i].GatewayKey)
		if err := k.Validate(id); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func fromKeyRow(row *queries.GatewayKey) payment.Key {
	return payment.Key{
		Key: row.GatewayKey, Gateway: row.Gateway,
		Sent: instant(row.SentAt, row.SentClock), Lifetime: time.Duration(row.LifetimeMicros) * time.Microsecond,
		Doubt: payment.Doubt{
			Answered: row.DoubtAnswered != 0, Named: row.DoubtNamed != 0,
			Unanswered: instant(row.DoubtUnansweredAt, row.DoubtUnansweredClock),
			Latest:     instant(row.DoubtLatestAt, row.DoubtLatestClock),
		},
		Refusal: payment.Refusal{Class: row.RefusedClass, Code: row.RefusedCode, Message: row.RefusedMessage},
		Look:    instant(row.LookAt, row.LookClock), Attempts: row.Attempts, Lookups: row.Lookups,
		DueAt: orZero(row.DueAt), Closed: row.Closed, ClosedAt: orZero(row.ClosedAt), WatchUntil: orZero(row.WatchUntil),
		TransactionID: row.TransactionID,
	}
}

func toKeyRow(id payment.OrderID, k payment.Key) queries.PutGatewayKeyParams {
	return queries.PutGatewayKeyParams{
		OrderID: id, GatewayKey: k.Key, Gateway: k.Gateway,
		SentAt: nullable(k.Sent.DB), SentClock: nullable(k.Sent.Worker), LifetimeMicros: k.Lifetime.Microseconds(),
		DoubtAnswered: flag(k.Doubt.Answered), DoubtNamed: flag(k.Doubt.Named),
		DoubtUnansweredAt: nullable(k.Doubt.Unanswered.DB), DoubtUnansweredClock: nullable(k.Doubt.Unanswered.Worker),
		DoubtLatestAt: nullable(k.Doubt.Latest.DB), DoubtLatestClock: nullable(k.Doubt.Latest.Worker),
		RefusedClass: k.Refusal.Class, RefusedCode: k.Refusal.Code, RefusedMessage: k.Refusal.Message,
		LookAt: nullable(k.Look.DB), LookClock: nullable(k.Look.Worker), Attempts: k.Attempts, Lookups: k.Lookups,
		DueAt: nullable(k.DueAt), Closed: k.Closed, ClosedAt: nullable(k.ClosedAt), WatchUntil: nullable(k.WatchUntil),
		TransactionID: k.TransactionID,
	}
}

// dueBefore is how far ahead a due time may lie; a century if there is no limit.
func dueBefore(terms payment.PickUpPolicy, now time.Time) time.Time {
	if d := terms.DueWithin(); d > 0 {
		return now.Add(d)
	}
	return now.AddDate(100, 0, 0)
}
