package sqlitestore

import (
	"database/sql"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
)

// fromRow returns the payment that was read at now. It returns a *payment.StoredRowError if the row is
// damaged.
func fromRow(row queries.Payment, now time.Time) (payment.Payment, error) {
	p, err := toPayment(row, now)
	if err != nil {
		return payment.Payment{}, err
	}
	if !row.KeySentClock.Valid || p.SentUnrecorded() {
		p = p.Upgraded()
	}
	if err := p.Validate(); err != nil {
		return payment.Payment{}, err
	}
	return p, nil
}

// toPayment maps a row, and checks only its amount.
func toPayment(row queries.Payment, now time.Time) (payment.Payment, error) {
	money, err := payment.StoredMoney(row.OrderID, row.AmountMinor, row.Currency)
	if err != nil {
		return payment.Payment{}, err
	}
	return payment.Payment{
		OrderID: row.OrderID, Money: money, State: row.State, GatewayKey: row.GatewayKey,
		RefundReserved: row.RefundReservedMinor, Capture: row.Capture, CapturedMinor: row.CapturedMinor,
		HoldClaimedBy: row.HoldClaimedBy, HoldExpires: orZero(row.HoldExpiresAt), Operations: row.OperationCount,
		Fence: row.Fence, Replica: row.Replica, DueAt: orZero(row.DueAt),
		Attempt: payment.Attempt{
			Number: row.AttemptNumber, Fence: row.AttemptFence, Replica: row.AttemptReplica,
			GatewayKey: row.AttemptGatewayKey,
			StartedAt:  orZero(row.AttemptStartedAt), EndedAt: orZero(row.AttemptEndedAt),
			Class: row.AttemptClass, Code: row.AttemptCode, Message: row.AttemptMessage,
		},
		Method: row.PaymentMethod, ReturnURL: row.ReturnUrl,
		Gateway: row.Gateway, KeySent: sqlrow.KeySent(row.KeySentClock, instant(row.KeySentAt, row.KeySentClock)),
		KeyLifetime: time.Duration(row.KeyLifetimeMicros) * time.Microsecond,
		Doubt: payment.Doubt{
			Answered: row.DoubtAnswered != 0, Named: row.DoubtNamed != 0,
			Unanswered: instant(row.DoubtUnansweredAt, row.DoubtUnansweredClock),
			Latest:     instant(row.DoubtLatestAt, row.DoubtLatestClock),
		},
		Retries: row.Retries,
		Lookups: row.Lookups, LostWorkers: row.LostWorkers, Events: row.Events,
		Async: row.Async != 0, DeferredRetries: row.DeferredRetries,
		TransactionID: row.TransactionID, Code: row.Code, Reason: row.Reason,
		CreatedAt: fromMicros(row.CreatedAt), UpdatedAt: fromMicros(row.UpdatedAt), SeenAt: now,
	}, nil
}

// instant is a moment by both clocks; a time that is NULL is zero.
func instant(at, clock sql.NullInt64) payment.Instant {
	return payment.Instant{DB: orZero(at), Worker: orZero(clock)}
}

func toRow(p payment.Payment) (queries.Payment, error) {
	if err := sqlrow.CheckWrite(p); err != nil {
		return queries.Payment{}, err
	}
	return queries.Payment{
		OrderID: p.OrderID, AmountMinor: p.Money.Minor(), Currency: p.Money.Currency().Code(),
		State: p.State, GatewayKey: p.GatewayKey,
		Fence: p.Fence, Replica: p.Replica, DueAt: nullable(p.DueAt),
		AttemptNumber: p.Attempt.Number, AttemptFence: p.Attempt.Fence,
		AttemptReplica: p.Attempt.Replica, AttemptGatewayKey: p.Attempt.GatewayKey,
		AttemptStartedAt: nullable(p.Attempt.StartedAt), AttemptEndedAt: nullable(p.Attempt.EndedAt),
		AttemptClass: p.Attempt.Class, AttemptCode: p.Attempt.Code, AttemptMessage: p.Attempt.Message,
		DoubtAnswered: sqlrow.Flag(p.Doubt.Answered), DoubtNamed: sqlrow.Flag(p.Doubt.Named),
		DoubtUnansweredAt: nullable(p.Doubt.Unanswered.DB), DoubtUnansweredClock: nullable(p.Doubt.Unanswered.Worker),
		DoubtLatestAt: nullable(p.Doubt.Latest.DB), DoubtLatestClock: nullable(p.Doubt.Latest.Worker),
		PaymentMethod: p.Method, ReturnUrl: p.ReturnURL,
		Gateway: p.Gateway, KeySentAt: nullable(p.KeySent.DB), KeySentClock: sqlrow.SentClock(p.KeySent),
		KeyLifetimeMicros: p.KeyLifetime.Microseconds(), Retries: p.Retries,
		Lookups: p.Lookups, LostWorkers: p.LostWorkers, Events: p.Events,
		Async: sqlrow.Flag(p.Async), DeferredRetries: p.DeferredRetries,
		TransactionID: p.TransactionID, Code: p.Code, Reason: p.Reason,
		CreatedAt: p.CreatedAt.UnixMicro(), UpdatedAt: p.UpdatedAt.UnixMicro(),
		RefundReservedMinor: p.RefundReserved, Capture: p.Capture, CapturedMinor: p.CapturedMinor,
		HoldClaimedBy: p.HoldClaimedBy, HoldExpiresAt: nullable(p.HoldExpires), OperationCount: p.Operations,
	}, nil
}

// toUpdate returns the update of a row that was read with the fencing token fenceRead.
func toUpdate(row queries.Payment, fenceRead int64) queries.UpdatePaymentParams {
	return queries.UpdatePaymentParams{
		State: row.State, GatewayKey: row.GatewayKey, Fence: row.Fence,
		Replica: row.Replica, DueAt: row.DueAt,
		AttemptNumber: row.AttemptNumber, AttemptFence: row.AttemptFence,
		AttemptReplica: row.AttemptReplica, AttemptGatewayKey: row.AttemptGatewayKey,
		AttemptStartedAt: row.AttemptStartedAt, AttemptEndedAt: row.AttemptEndedAt,
		AttemptClass: row.AttemptClass, AttemptCode: row.AttemptCode, AttemptMessage: row.AttemptMessage,
		DoubtAnswered: row.DoubtAnswered, DoubtNamed: row.DoubtNamed,
		DoubtUnansweredAt: row.DoubtUnansweredAt, DoubtUnansweredClock: row.DoubtUnansweredClock,
		DoubtLatestAt: row.DoubtLatestAt, DoubtLatestClock: row.DoubtLatestClock,
		PaymentMethod: row.PaymentMethod, ReturnUrl: row.ReturnUrl,
		Gateway: row.Gateway, KeySentAt: row.KeySentAt, KeySentClock: row.KeySentClock,
		KeyLifetimeMicros: row.KeyLifetimeMicros, Retries: row.Retries,
		Lookups: row.Lookups, LostWorkers: row.LostWorkers, Events: row.Events,
		Async: row.Async, DeferredRetries: row.DeferredRetries,
		TransactionID: row.TransactionID, Code: row.Code, Reason: row.Reason,
		RefundReservedMinor: row.RefundReservedMinor, CapturedMinor: row.CapturedMinor,
		HoldClaimedBy: row.HoldClaimedBy, HoldExpiresAt: row.HoldExpiresAt, OperationCount: row.OperationCount,
		UpdatedAt: row.UpdatedAt,
		OrderID:   row.OrderID, FenceRead: fenceRead,
	}
}

func toAttempt(id payment.OrderID, a payment.Attempt) queries.InsertAttemptParams {
	return queries.InsertAttemptParams{
		OrderID: id, Number: a.Number, Fence: a.Fence, Replica: a.Replica, GatewayKey: a.GatewayKey,
		StartedAt: a.StartedAt.UnixMicro(), EndedAt: nullable(a.EndedAt),
		Class: a.Class, Code: a.Code, Message: a.Message,
	}
}

func fromAttempt(row queries.Attempt) (payment.Attempt, error) {
	a := payment.Attempt{
		Number: row.Number, Fence: row.Fence, Replica: row.Replica, GatewayKey: row.GatewayKey,
		StartedAt: fromMicros(row.StartedAt), EndedAt: orZero(row.EndedAt),
		Class: row.Class, Code: row.Code, Message: row.Message,
	}
	return a, a.Validate(row.OrderID)
}

func toEvent(id payment.OrderID, e payment.Event) queries.InsertEventParams {
	return queries.InsertEventParams{
		OrderID: id, Number: e.Number, Kind: e.Kind, At: e.At.UnixMicro(),
		Replica: e.Replica, Fence: e.Fence, Detail: e.Detail,
	}
}

func fromEvent(row queries.Event) (payment.Event, error) {
	e := payment.Event{
		Number: row.Number, Kind: row.Kind, At: fromMicros(row.At),
		Replica: row.Replica, Fence: row.Fence, Detail: row.Detail,
	}
	return e, e.Validate(row.OrderID)
}

// nullable stores the zero time as NULL.
func nullable(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

func orZero(micros sql.NullInt64) time.Time {
	if !micros.Valid {
		return time.Time{}
	}
	return fromMicros(micros.Int64)
}

func fromMicros(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
