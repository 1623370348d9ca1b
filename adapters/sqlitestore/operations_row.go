package sqlitestore

import (
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
)

// Rows of operations are mapped by way of the rows of payments, attempts, events and gateway keys, which have the
// same columns.

func operationRef(id payment.OrderID, kind payment.Kind, name string) payment.Ref {
	return payment.Ref{OrderID: id, Operation: payment.OperationID{Kind: kind, Name: name}}
}

// fromOperationRow returns the operation that was read at now. It returns a *payment.StoredRowError if the row is
// damaged.
func fromOperationRow(row queries.Operation, now time.Time) (payment.Payment, error) {
	p, err := toPayment(queries.Payment{
		OrderID: row.OrderID, AmountMinor: row.AmountMinor, Currency: row.Currency,
		State: row.State, GatewayKey: row.GatewayKey, Gateway: row.Gateway,
		Fence: row.Fence, Replica: row.Replica, DueAt: row.DueAt,
		AttemptNumber: row.AttemptNumber, AttemptFence: row.AttemptFence,
		AttemptReplica: row.AttemptReplica, AttemptGatewayKey: row.AttemptGatewayKey,
		AttemptStartedAt: row.AttemptStartedAt, AttemptEndedAt: row.AttemptEndedAt,
		AttemptClass: row.AttemptClass, AttemptCode: row.AttemptCode, AttemptMessage: row.AttemptMessage,
		KeySentAt: row.KeySentAt, KeySentClock: row.KeySentClock, KeyLifetimeMicros: row.KeyLifetimeMicros,
		DoubtAnswered: row.DoubtAnswered, DoubtNamed: row.DoubtNamed,
		DoubtUnansweredAt: row.DoubtUnansweredAt, DoubtUnansweredClock: row.DoubtUnansweredClock,
		DoubtLatestAt: row.DoubtLatestAt, DoubtLatestClock: row.DoubtLatestClock,
		Retries: row.Retries, Lookups: row.Lookups, LostWorkers: row.LostWorkers, Events: row.Events,
		Async: row.Async, DeferredRetries: row.DeferredRetries,
		TransactionID: row.TransactionID, Code: row.Code, Reason: row.Reason,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}, now)
	if err != nil {
		return payment.Payment{}, sqlrow.OfOperation(err)
	}
	p.Operation = payment.OperationID{Kind: row.OperationKind, Name: row.OperationName}
	p.Of = payment.ChargeID{Key: row.ChargeKey, Gateway: row.ChargeGateway, TransactionID: row.ChargeTransactionID}
	p.Note = row.Note
	if err := p.Validate(); err != nil {
		return payment.Payment{}, sqlrow.OfOperation(err)
	}
	return p, nil
}

func toOperationRow(p payment.Payment) (queries.Operation, error) {
	row, err := toRow(p)
	if err != nil {
		return queries.Operation{}, err
	}
	return queries.Operation{
		OrderID: row.OrderID, OperationKind: p.Operation.Kind, OperationName: p.Operation.Name,
		ChargeKey: p.Of.Key, ChargeGateway: p.Of.Gateway, ChargeTransactionID: p.Of.TransactionID, Note: p.Note,
		AmountMinor: row.AmountMinor, Currency: row.Currency,
		State: row.State, GatewayKey: row.GatewayKey, Gateway: row.Gateway,
		Fence: row.Fence, Replica: row.Replica, DueAt: row.DueAt,
		AttemptNumber: row.AttemptNumber, AttemptFence: row.AttemptFence,
		AttemptReplica: row.AttemptReplica, AttemptGatewayKey: row.AttemptGatewayKey,
		AttemptStartedAt: row.AttemptStartedAt, AttemptEndedAt: row.AttemptEndedAt,
		AttemptClass: row.AttemptClass, AttemptCode: row.AttemptCode, AttemptMessage: row.AttemptMessage,
		KeySentAt: row.KeySentAt, KeySentClock: row.KeySentClock, KeyLifetimeMicros: row.KeyLifetimeMicros,
		DoubtAnswered: row.DoubtAnswered, DoubtNamed: row.DoubtNamed,
		DoubtUnansweredAt: row.DoubtUnansweredAt, DoubtUnansweredClock: row.DoubtUnansweredClock,
		DoubtLatestAt: row.DoubtLatestAt, DoubtLatestClock: row.DoubtLatestClock,
		Retries: row.Retries, Lookups: row.Lookups, LostWorkers: row.LostWorkers, Events: row.Events,
		Async: row.Async, DeferredRetries: row.DeferredRetries,
		TransactionID: row.TransactionID, Code: row.Code, Reason: row.Reason,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}, nil
}

func toOperationAttempt(ref payment.Ref, a payment.Attempt) queries.InsertOperationAttemptParams {
	row := toAttempt(ref.OrderID, a)
	return queries.InsertOperationAttemptParams{
		OrderID: ref.OrderID, OperationKind: ref.Operation.Kind, OperationName: ref.Operation.Name,
		Number: row.Number, Fence: row.Fence, Replica: row.Replica, GatewayKey: row.GatewayKey,
		StartedAt: row.StartedAt, EndedAt: row.EndedAt, Class: row.Class, Code: row.Code, Message: row.Message,
	}
}

func fromOperationAttempt(row queries.OperationAttempt) (payment.Ref, payment.Attempt, error) {
	a, err := fromAttempt(queries.Attempt{
		OrderID: row.OrderID, Number: row.Number, Fence: row.Fence, Replica: row.Replica, GatewayKey: row.GatewayKey,
		StartedAt: row.StartedAt, EndedAt: row.EndedAt, Class: row.Class, Code: row.Code, Message: row.Message,
	})
	return operationRef(row.OrderID, row.OperationKind, row.OperationName), a, sqlrow.OfOperation(err)
}

func toOperationEvent(ref payment.Ref, e payment.Event) queries.InsertOperationEventParams {
	row := toEvent(ref.OrderID, e)
	return queries.InsertOperationEventParams{
		OrderID: ref.OrderID, OperationKind: ref.Operation.Kind, OperationName: ref.Operation.Name,
		Number: row.Number, Kind: row.Kind, At: row.At, Replica: row.Replica, Fence: row.Fence, Detail: row.Detail,
	}
}

func fromOperationEvent(row queries.OperationEvent) (payment.Ref, payment.Event, error) {
	e, err := fromEvent(queries.Event{
		OrderID: row.OrderID, Number: row.Number, Kind: row.Kind, At: row.At,
		Replica: row.Replica, Fence: row.Fence, Detail: row.Detail,
	})
	return operationRef(row.OrderID, row.OperationKind, row.OperationName), e, sqlrow.OfOperation(err)
}

func toOperationKeyRow(ref payment.Ref, k payment.Key) queries.PutOperationKeyParams {
	row := toKeyRow(ref.OrderID, k)
	return queries.PutOperationKeyParams{
		OrderID: ref.OrderID, OperationKind: ref.Operation.Kind, OperationName: ref.Operation.Name,
		GatewayKey: row.GatewayKey, Gateway: row.Gateway, GatewayReference: row.GatewayReference, RedirectUrl: row.RedirectUrl,
		SentAt: row.SentAt, SentClock: row.SentClock, LifetimeMicros: row.LifetimeMicros,
		DoubtAnswered: row.DoubtAnswered, DoubtNamed: row.DoubtNamed,
		DoubtUnansweredAt: row.DoubtUnansweredAt, DoubtUnansweredClock: row.DoubtUnansweredClock,
		DoubtLatestAt: row.DoubtLatestAt, DoubtLatestClock: row.DoubtLatestClock,
		RefusedClass: row.RefusedClass, RefusedCode: row.RefusedCode, RefusedMessage: row.RefusedMessage,
		LookAt: row.LookAt, LookClock: row.LookClock, Attempts: row.Attempts, Lookups: row.Lookups,
		DueAt: row.DueAt, Closed: row.Closed, ClosedAt: row.ClosedAt, WatchUntil: row.WatchUntil,
		TransactionID: row.TransactionID,
	}
}

func fromOperationKeyRow(row queries.OperationKey) (payment.Ref, payment.Key, error) {
	k := fromKeyRow(&queries.GatewayKey{
		OrderID: row.OrderID, GatewayKey: row.GatewayKey, Gateway: row.Gateway,
		GatewayReference: row.GatewayReference, RedirectUrl: row.RedirectUrl,
		SentAt: row.SentAt, SentClock: row.SentClock, LifetimeMicros: row.LifetimeMicros,
		DoubtAnswered: row.DoubtAnswered, DoubtNamed: row.DoubtNamed,
		DoubtUnansweredAt: row.DoubtUnansweredAt, DoubtUnansweredClock: row.DoubtUnansweredClock,
		DoubtLatestAt: row.DoubtLatestAt, DoubtLatestClock: row.DoubtLatestClock,
		RefusedClass: row.RefusedClass, RefusedCode: row.RefusedCode, RefusedMessage: row.RefusedMessage,
		LookAt: row.LookAt, LookClock: row.LookClock, Attempts: row.Attempts, Lookups: row.Lookups,
		DueAt: row.DueAt, Closed: row.Closed, ClosedAt: row.ClosedAt, WatchUntil: row.WatchUntil,
		TransactionID: row.TransactionID,
	})
	return operationRef(row.OrderID, row.OperationKind, row.OperationName), k, sqlrow.OfOperation(k.Validate(row.OrderID))
}
