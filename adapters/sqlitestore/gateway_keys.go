package sqlitestore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/duequeue"
	"paymentd/internal/sqlrow"
)

// RecordLookup implements ports.Payments.
func (s *Payments) RecordLookup(
	ctx context.Context, r payment.LookupRecord,
) (payment.Payment, payment.Verdict, error) {
	d, err := s.update(ctx, r.Ref(), r.Apply)
	if err != nil {
		return payment.Payment{}, "", fmt.Errorf("record the lookup: %w", err)
	}
	return d.Payment, d.Verdict, nil
}

// RecordApproval implements ports.Payments.
func (s *Payments) RecordApproval(
	ctx context.Context, a payment.Approval,
) (payment.Payment, payment.Verdict, error) {
	d, err := s.update(ctx, payment.Ref{OrderID: a.OrderID, Operation: a.Operation}, a.Apply)
	if err != nil {
		return payment.Payment{}, "", fmt.Errorf("record the approval: %w", err)
	}
	return d.Payment, d.Verdict, nil
}

// Notify implements ports.Payments.
func (s *Payments) Notify(ctx context.Context, n payment.Notice) (payment.Verdict, error) {
	var d payment.Decision
	err := s.writeChange(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		ref, found, err := findNoticed(ctx, q, n)
		if err != nil || !found {
			d = payment.Decision{Verdict: payment.VerdictUnknownKey}
			return err
		}
		// The order's own operation has the key: it was sent.
		n.Sent = n.Sent || !ref.Operation.IsCharge()
		d, err = update(ctx, q, ref, n.Apply, now)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("record the gateway's event: %w", err)
	}
	return d.Verdict, nil
}

// DueKeys implements duequeue.Store.
func (s dueStore) DueKeys(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) (due []duequeue.Due, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		rows, err := q.ListDueGatewayKeys(ctx, queries.ListDueGatewayKeysParams{
			Now: nullable(now), DueBefore: nullable(dueBefore(policy, now)), Gateways: gateways(policy.Rules.Configured()),
			PageLimit: int64(max(0, limit)),
		})
		if err != nil {
			return err
		}
		keys := make([]duequeue.Due, 0, len(rows)) // empty at each try
		for _, row := range rows {
			keys = append(keys, duequeue.Due{Ref: payment.Ref{OrderID: row.OrderID}, Key: row.GatewayKey, At: orZero(row.DueAt)})
		}
		operationKeys, err := dueOperationKeys(ctx, q, policy, limit, now)
		due = duequeue.LongestDue(keys, operationKeys, limit)
		return err
	})
	return due, err
}

// PostponeKey implements duequeue.Store.
func (s dueStore) PostponeKey(ctx context.Context, policy payment.PickUpPolicy, key duequeue.Due) error {
	return s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		if !key.Ref.Operation.IsCharge() {
			return postponeOperationKey(ctx, q, policy, key, now)
		}
		return q.PostponeGatewayKey(ctx, queries.PostponeGatewayKeyParams{
			DueAt: nullable(now.Add(policy.Postponement())), Now: nullable(now), DueBefore: nullable(dueBefore(policy, now)),
			OrderID: key.Ref.OrderID, GatewayKey: key.Key,
		})
	})
}

// listKeys returns the records of an order's keys.
func listKeys(ctx context.Context, q *queries.Queries, id payment.OrderID) ([]payment.Key, error) {
	rows, err := q.ListGatewayKeys(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	return sqlrow.MapAll(rows, func(row queries.ListGatewayKeysRow) (payment.Key, error) {
		k := fromKeyRow(&row.GatewayKey)
		return k, k.Validate(id)
	})
}

func fromKeyRow(row *queries.GatewayKey) payment.Key {
	return payment.Key{
		Key: row.GatewayKey, Gateway: row.Gateway, Method: row.PaymentMethod, ReturnURL: row.ReturnUrl,
		Reference: row.GatewayReference, RedirectURL: row.RedirectUrl,
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
		OrderID: id, GatewayKey: k.Key, Gateway: k.Gateway, PaymentMethod: k.Method, ReturnUrl: k.ReturnURL,
		GatewayReference: k.Reference, RedirectUrl: k.RedirectURL,
		SentAt: nullable(k.Sent.DB), SentClock: nullable(k.Sent.Worker), LifetimeMicros: k.Lifetime.Microseconds(),
		DoubtAnswered: sqlrow.Flag(k.Doubt.Answered), DoubtNamed: sqlrow.Flag(k.Doubt.Named),
		DoubtUnansweredAt: nullable(k.Doubt.Unanswered.DB), DoubtUnansweredClock: nullable(k.Doubt.Unanswered.Worker),
		DoubtLatestAt: nullable(k.Doubt.Latest.DB), DoubtLatestClock: nullable(k.Doubt.Latest.Worker),
		RefusedClass: k.Refusal.Class, RefusedCode: k.Refusal.Code, RefusedMessage: k.Refusal.Message,
		LookAt: nullable(k.Look.DB), LookClock: nullable(k.Look.Worker), Attempts: k.Attempts, Lookups: k.Lookups,
		DueAt: nullable(k.DueAt), Closed: k.Closed, ClosedAt: nullable(k.ClosedAt), WatchUntil: nullable(k.WatchUntil),
		TransactionID: k.TransactionID,
	}
}

// anyDueAhead reports whether work of this kind is due further ahead than the settings permit.
func anyDueAhead(ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, now time.Time) (bool, error) {
	before, state, configured := nullable(dueBefore(policy, now)), policy.Work.State(), gateways(policy.Rules.Configured())
	searches := []func() (bool, error){
		func() (bool, error) {
			return q.AnyDueAhead(ctx, queries.AnyDueAheadParams{DueBefore: before, State: state, Gateways: configured})
		},
		func() (bool, error) {
			return q.AnyDueOperationAhead(ctx, queries.AnyDueOperationAheadParams{DueBefore: before, State: state, Gateways: configured})
		},
	}
	if policy.Work == payment.WorkLookups {
		searches = append(searches, func() (bool, error) {
			return q.AnyDueGatewayKeyAhead(ctx, queries.AnyDueGatewayKeyAheadParams{DueBefore: before, Gateways: configured})
		}, func() (bool, error) {
			return q.AnyDueOperationKeyAhead(ctx, queries.AnyDueOperationKeyAheadParams{DueBefore: before, Gateways: configured})
		})
	}
	for _, search := range searches {
		if ahead, err := search(); ahead || err != nil {
			return ahead, err
		}
	}
	return false, nil
}

// gateways returns the values of the column gateway whose keys may be sent and looked up, each between two line
// feeds. The previous version left it empty.
func gateways(configured []payment.GatewayID) string {
	var list strings.Builder
	list.WriteString("\n\n")
	for _, id := range configured {
		list.WriteString(string(id) + "\n")
	}
	return list.String()
}
