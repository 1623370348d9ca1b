package mysqlstore

import (
	"context"
	"fmt"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
)

// The tables of operations have the columns of those of payments. What is common to both is mapped once, for
// payments; the functions below copy the columns between the generated types.

// fromOperationRow is fromRow for an operation other than a charge.
func fromOperationRow(row queries.Operation, now time.Time) (payment.Payment, error) {
	p, err := mapRow(asPaymentRow(row), now)
	if err == nil {
		p.Operation = payment.OperationID{Kind: row.OperationKind, Name: row.OperationName}
		p.Of = payment.ChargeID{Key: row.ChargeKey, Gateway: row.ChargeGateway, TransactionID: row.ChargeTransactionID}
		p.Note = row.Note
		err = p.Validate()
	}
	if err != nil {
		return payment.Payment{}, sqlrow.OfOperation(err)
	}
	return p, nil
}

func asPaymentRow(row queries.Operation) queries.Payment {
	return queries.Payment{
		OrderID: row.OrderID, AmountMinor: row.AmountMinor, Currency: row.Currency, State: row.State,
		GatewayKey: row.GatewayKey, Gateway: row.Gateway,
		Fence: row.Fence, ClaimToken: row.ClaimToken, Replica: row.Replica, DueAt: row.DueAt,
		AttemptNumber: row.AttemptNumber, AttemptFence: row.AttemptFence, AttemptReplica: row.AttemptReplica,
		AttemptGatewayKey: row.AttemptGatewayKey, AttemptStartedAt: row.AttemptStartedAt, AttemptEndedAt: row.AttemptEndedAt,
		AttemptClass: row.AttemptClass, AttemptCode: row.AttemptCode, AttemptMessage: row.AttemptMessage,
		KeySentAt: row.KeySentAt, KeySentClock: row.KeySentClock, KeyLifetimeMicros: row.KeyLifetimeMicros,
		DoubtAnswered: row.DoubtAnswered, DoubtNamed: row.DoubtNamed,
		DoubtUnansweredAt: row.DoubtUnansweredAt, DoubtUnansweredClock: row.DoubtUnansweredClock,
		DoubtLatestAt: row.DoubtLatestAt, DoubtLatestClock: row.DoubtLatestClock,
		Retries: row.Retries, Lookups: row.Lookups, LostWorkers: row.LostWorkers, Events: row.Events,
		Async: row.Async, DeferredRetries: row.DeferredRetries,
		TransactionID: row.TransactionID, Code: row.Code, Reason: row.Reason,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}
}

// insertOperation stores a new operation.
func insertOperation(ctx context.Context, q *queries.Queries, p payment.Payment, token int64) error {
	if err := sqlrow.CheckWrite(p); err != nil {
		return err
	}
	text := textModeOf(ctx)
	err := q.InsertOperation(ctx, queries.InsertOperationParams{
		OrderID: p.OrderID, OperationKind: p.Operation.Kind, OperationName: p.Operation.Name,
		AmountMinor: p.Money.Minor(), Currency: p.Money.Currency().Code(),
		State: p.State, GatewayKey: p.GatewayKey, Gateway: p.Gateway,
		ChargeKey: p.Of.Key, ChargeGateway: p.Of.Gateway, ChargeTransactionID: p.Of.TransactionID, Note: text.text(p.Note),
		Fence: p.Fence, ClaimToken: token, Replica: text.name(p.Replica), DueAt: nullable(p.DueAt),
		AttemptNumber: p.Attempt.Number, AttemptFence: p.Attempt.Fence, AttemptReplica: text.name(p.Attempt.Replica),
		AttemptGatewayKey: p.Attempt.GatewayKey, AttemptStartedAt: nullable(p.Attempt.StartedAt),
		KeySentAt: nullable(p.KeySent.DB), KeySentClock: sqlrow.SentClock(p.KeySent),
		KeyLifetimeMicros: p.KeyLifetime.Microseconds(), Events: p.Events, Async: sqlrow.Flag(p.Async),
		CreatedAt: micros(p.CreatedAt), UpdatedAt: micros(p.UpdatedAt),
	})
	if err != nil {
		return fmt.Errorf("insert the operation: %w", err)
	}
	return nil
}

func toOperationUpdate(u queries.UpdatePaymentParams, id payment.OperationID) queries.UpdateOperationParams {
	return queries.UpdateOperationParams{
		State: u.State, GatewayKey: u.GatewayKey, Gateway: u.Gateway,
		Fence: u.Fence, ClaimToken: u.ClaimToken, Replica: u.Replica, DueAt: u.DueAt,
		AttemptNumber: u.AttemptNumber, AttemptFence: u.AttemptFence, AttemptReplica: u.AttemptReplica,
		AttemptGatewayKey: u.AttemptGatewayKey, AttemptStartedAt: u.AttemptStartedAt, AttemptEndedAt: u.AttemptEndedAt,
		AttemptClass: u.AttemptClass, AttemptCode: u.AttemptCode, AttemptMessage: u.AttemptMessage,
		KeySentAt: u.KeySentAt, KeySentClock: u.KeySentClock, KeyLifetimeMicros: u.KeyLifetimeMicros,
		DoubtAnswered: u.DoubtAnswered, DoubtNamed: u.DoubtNamed,
		DoubtUnansweredAt: u.DoubtUnansweredAt, DoubtUnansweredClock: u.DoubtUnansweredClock,
		DoubtLatestAt: u.DoubtLatestAt, DoubtLatestClock: u.DoubtLatestClock,
		Retries: u.Retries, Lookups: u.Lookups, LostWorkers: u.LostWorkers, Events: u.Events,
		Async: u.Async, DeferredRetries: u.DeferredRetries,
		TransactionID: u.TransactionID, Code: u.Code, Reason: u.Reason, UpdatedAt: u.UpdatedAt,
		OrderID: u.OrderID, OperationKind: id.Kind, OperationName: id.Name,
		FenceRead: u.FenceRead, StateRead: u.StateRead, AttemptNumberRead: u.AttemptNumberRead,
	}
}

func toOperationAttempt(row queries.InsertAttemptParams, id payment.OperationID) queries.InsertOperationAttemptParams {
	return queries.InsertOperationAttemptParams{
		OrderID: row.OrderID, OperationKind: id.Kind, OperationName: id.Name,
		Number: row.Number, Fence: row.Fence, Replica: row.Replica, GatewayKey: row.GatewayKey,
		StartedAt: row.StartedAt, EndedAt: row.EndedAt, Class: row.Class, Code: row.Code, Message: row.Message,
	}
}

func fromOperationAttempt(row queries.OperationAttempt) (payment.Attempt, error) {
	a, err := fromAttempt(queries.Attempt{
		OrderID: row.OrderID, Number: row.Number, Fence: row.Fence, Replica: row.Replica, GatewayKey: row.GatewayKey,
		StartedAt: row.StartedAt, EndedAt: row.EndedAt, Class: row.Class, Code: row.Code, Message: row.Message,
	})
	return a, sqlrow.OfOperation(err)
}

func toOperationEvent(row queries.InsertEventParams, id payment.OperationID) queries.InsertOperationEventParams {
	return queries.InsertOperationEventParams{
		OrderID: row.OrderID, OperationKind: id.Kind, OperationName: id.Name,
		Number: row.Number, Kind: row.Kind, At: row.At, Replica: row.Replica, Fence: row.Fence, Detail: row.Detail,
	}
}

func fromOperationEvent(row queries.OperationEvent) (payment.Event, error) {
	e, err := fromEvent(queries.Event{
		OrderID: row.OrderID, Number: row.Number, Kind: row.Kind, At: row.At,
		Replica: row.Replica, Fence: row.Fence, Detail: row.Detail,
	})
	return e, sqlrow.OfOperation(err)
}

func toOperationKey(row queries.PutGatewayKeyParams, id payment.OperationID) queries.PutOperationKeyParams {
	return queries.PutOperationKeyParams{
		OrderID: row.OrderID, OperationKind: id.Kind, OperationName: id.Name, GatewayKey: row.GatewayKey,
		Gateway: row.Gateway, GatewayReference: row.GatewayReference, RedirectUrl: row.RedirectUrl,
		SentAt: row.SentAt, SentClock: row.SentClock, LifetimeMicros: row.LifetimeMicros,
		DoubtAnswered: row.DoubtAnswered, DoubtNamed: row.DoubtNamed,
		DoubtUnansweredAt: row.DoubtUnansweredAt, DoubtUnansweredClock: row.DoubtUnansweredClock,
		DoubtLatestAt: row.DoubtLatestAt, DoubtLatestClock: row.DoubtLatestClock,
		RefusedClass: row.RefusedClass, RefusedCode: row.RefusedCode, RefusedMessage: row.RefusedMessage,
		LookAt: row.LookAt, LookClock: row.LookClock, Attempts: row.Attempts, Lookups: row.Lookups, DueAt: row.DueAt,
		Closed: row.Closed, ClosedAt: row.ClosedAt, WatchUntil: row.WatchUntil, TransactionID: row.TransactionID,
	}
}

func fromOperationKey(row queries.OperationKey) (payment.Key, error) {
	k := fromKeyRow(&queries.GatewayKey{
		OrderID: row.OrderID, GatewayKey: row.GatewayKey,
		Gateway: row.Gateway, GatewayReference: row.GatewayReference, RedirectUrl: row.RedirectUrl,
		SentAt: row.SentAt, SentClock: row.SentClock, LifetimeMicros: row.LifetimeMicros,
		DoubtAnswered: row.DoubtAnswered, DoubtNamed: row.DoubtNamed,
		DoubtUnansweredAt: row.DoubtUnansweredAt, DoubtUnansweredClock: row.DoubtUnansweredClock,
		DoubtLatestAt: row.DoubtLatestAt, DoubtLatestClock: row.DoubtLatestClock,
		RefusedClass: row.RefusedClass, RefusedCode: row.RefusedCode, RefusedMessage: row.RefusedMessage,
		LookAt: row.LookAt, LookClock: row.LookClock, Attempts: row.Attempts, Lookups: row.Lookups, DueAt: row.DueAt,
		Closed: row.Closed, ClosedAt: row.ClosedAt, WatchUntil: row.WatchUntil, TransactionID: row.TransactionID,
	})
	return k, sqlrow.OfOperation(k.Validate(row.OrderID))
}
