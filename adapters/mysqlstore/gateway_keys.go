package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/duequeue"
	"paymentd/internal/sqlrow"
)

// RecordLookup implements ports.Payments.
func (s *Payments) RecordLookup(
	ctx context.Context, r payment.LookupRecord,
) (payment.Payment, payment.Verdict, error) {
	d, err := s.update(ctx, newKeyUpdate(r.Ref(), r.Apply))
	if err != nil {
		return payment.Payment{}, "", fmt.Errorf("record the lookup: %w", err)
	}
	return d.Payment, d.Verdict, nil
}

// RecordApproval implements ports.Payments.
func (s *Payments) RecordApproval(
	ctx context.Context, a payment.Approval,
) (payment.Payment, payment.Verdict, error) {
	d, err := s.update(ctx, newKeyUpdate(payment.Ref{OrderID: a.OrderID, Operation: a.Operation}, a.Apply))
	if err != nil {
		return payment.Payment{}, "", fmt.Errorf("record the approval: %w", err)
	}
	return d.Payment, d.Verdict, nil
}

// Notify implements ports.Payments.
func (s *Payments) Notify(ctx context.Context, n payment.Notice) (payment.Verdict, error) {
	ref, found, err := s.findNoticed(ctx, n)
	switch {
	case err != nil:
		return "", fmt.Errorf("record the gateway's event: %w", err)
	case !found:
		return payment.VerdictUnknownKey, nil
	}
	n.Sent = n.Sent || !ref.Operation.IsCharge()
	d, err := s.update(ctx, newKeyUpdate(ref, n.Apply))
	if err != nil {
		return "", fmt.Errorf("record the gateway's event: %w", err)
	}
	return d.Verdict, nil
}

// DueKeys implements duequeue.Store.
func (s dueStore) DueKeys(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) (due []duequeue.Due, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		rows, err := q.ListDueGatewayKeys(ctx, queries.ListDueGatewayKeysParams{
			WithinMicros: within(policy), Gateways: gateways(policy.Rules.Configured()), Limit: atMost(limit),
		})
		if err != nil {
			return err
		}
		payments := make([]duequeue.Due, 0, len(rows))
		for _, row := range rows {
			payments = append(payments, duequeue.Due{Ref: payment.Ref{OrderID: row.OrderID}, Key: row.GatewayKey, At: row.DueAt.Time})
		}
		operations, err := dueOperationKeys(ctx, q, policy, limit)
		due = duequeue.LongestDue(payments, operations, limit)
		return err
	})
	return due, err
}

// PostponeKey implements duequeue.Store.
func (s dueStore) PostponeKey(ctx context.Context, policy payment.PickUpPolicy, key duequeue.Due) error {
	return s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		if !key.Ref.Operation.IsCharge() {
			return classifyCommit(postponeOperationKey(ctx, queries.New(conn), policy, key))
		}
		return classifyCommit(queries.New(conn).PostponeGatewayKey(ctx, queries.PostponeGatewayKeyParams{
			PostponeMicros: policy.Postponement().Microseconds(), OrderID: key.Ref.OrderID, GatewayKey: key.Key,
			WithinMicros: within(policy),
		}))
	})
}

// listKeys returns the records of the keys of a payment or another operation.
func listKeys(ctx context.Context, q *queries.Queries, ref payment.Ref) ([]payment.Key, error) {
	if !ref.Operation.IsCharge() {
		return listOperationKeys(ctx, q, ref)
	}
	rows, err := q.ListGatewayKeys(ctx, ref.OrderID)
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	return sqlrow.MapAll(rows, func(row queries.ListGatewayKeysRow) (payment.Key, error) {
		k := fromKeyRow(&row.GatewayKey)
		return k, k.Validate(ref.OrderID)
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
		DueAt: row.DueAt.Time, Closed: row.Closed, ClosedAt: row.ClosedAt.Time, WatchUntil: row.WatchUntil.Time,
		TransactionID: string(row.TransactionID),
	}
}

func toKeyRow(id payment.OrderID, k payment.Key, text textMode) queries.PutGatewayKeyParams {
	return queries.PutGatewayKeyParams{
		OrderID: id, GatewayKey: k.Key, Gateway: k.Gateway, PaymentMethod: k.Method, ReturnUrl: k.ReturnURL,
		GatewayReference: k.Reference, RedirectUrl: k.RedirectURL,
		SentAt: nullable(k.Sent.DB), SentClock: workerMicros(k.Sent.Worker), LifetimeMicros: k.Lifetime.Microseconds(),
		DoubtAnswered: sqlrow.Flag(k.Doubt.Answered), DoubtNamed: sqlrow.Flag(k.Doubt.Named),
		DoubtUnansweredAt: nullable(k.Doubt.Unanswered.DB), DoubtUnansweredClock: workerMicros(k.Doubt.Unanswered.Worker),
		DoubtLatestAt: nullable(k.Doubt.Latest.DB), DoubtLatestClock: workerMicros(k.Doubt.Latest.Worker),
		RefusedClass: k.Refusal.Class, RefusedCode: k.Refusal.Code, RefusedMessage: text.text(k.Refusal.Message),
		LookAt: nullable(k.Look.DB), LookClock: workerMicros(k.Look.Worker), Attempts: k.Attempts, Lookups: k.Lookups,
		DueAt: nullable(k.DueAt), Closed: k.Closed, ClosedAt: nullable(k.ClosedAt), WatchUntil: nullable(k.WatchUntil),
		TransactionID: []byte(k.TransactionID),
	}
}

// anyDueAhead reports whether work of this kind is due further ahead than the settings permit.
func anyDueAhead(ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy) (bool, error) {
	ahead, err := q.AnyDueAhead(ctx, queries.AnyDueAheadParams{
		WithinMicros: within(policy), State: policy.Work.State(), Gateways: gateways(policy.Rules.Configured()),
	})
	if !ahead && err == nil && policy.Work == payment.WorkLookups {
		ahead, err = q.AnyDueGatewayKeyAhead(ctx, queries.AnyDueGatewayKeyAheadParams{
			WithinMicros: within(policy), Gateways: gateways(policy.Rules.Configured()),
		})
	}
	if ahead || err != nil {
		return ahead, err
	}
	return anyOperationDueAhead(ctx, q, policy)
}

// gateways returns the values of the column gateway whose keys may be sent and looked up. The previous version
// left it empty.
func gateways(configured []payment.GatewayID) []payment.GatewayID {
	return append([]payment.GatewayID{""}, configured...)
}
