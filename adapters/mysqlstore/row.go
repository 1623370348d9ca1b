package mysqlstore

import (
	"database/sql"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
)

// fromRow returns the payment that was read at now. It returns a *payment.StoredRowError if the row is
// damaged.
func fromRow(row queries.Payment, now time.Time) (payment.Payment, error) {
	p, err := mapRow(row, now)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return payment.Payment{}, err
	}
	return p, nil
}

// mapRow is fromRow without the validation.
func mapRow(row queries.Payment, now time.Time) (payment.Payment, error) {
	money, err := payment.StoredMoney(row.OrderID, row.AmountMinor, row.Currency)
	if err != nil {
		return payment.Payment{}, err
	}
	p := payment.Payment{
		OrderID: row.OrderID, Money: money, State: row.State, GatewayKey: row.GatewayKey,
		Fence: row.Fence, Replica: row.Replica, DueAt: row.DueAt.Time,
		Attempt: payment.Attempt{
			Number: row.AttemptNumber, Fence: row.AttemptFence, Replica: row.AttemptReplica,
			GatewayKey: row.AttemptGatewayKey,
			StartedAt:  row.AttemptStartedAt.Time, EndedAt: row.AttemptEndedAt.Time,
			Class: row.AttemptClass, Code: row.AttemptCode, Message: row.AttemptMessage,
		},
		Method: row.PaymentMethod, ReturnURL: row.ReturnUrl,
		Gateway: row.Gateway, KeySent: keySent(row),
		KeyLifetime: time.Duration(row.KeyLifetimeMicros) * time.Microsecond,
		Doubt: payment.Doubt{
			Answered: row.DoubtAnswered != 0, Named: row.DoubtNamed != 0,
			Unanswered: instant(row.DoubtUnansweredAt, row.DoubtUnansweredClock),
			Latest:     instant(row.DoubtLatestAt, row.DoubtLatestClock),
		},
		Retries: row.Retries,
		Lookups: row.Lookups, LostWorkers: row.LostWorkers, Events: row.Events,
		Async: row.Async != 0, DeferredRetries: row.DeferredRetries,
		TransactionID: string(row.TransactionID), Code: row.Code, Reason: row.Reason,
		RefundReserved: row.RefundReservedMinor, Capture: row.Capture, CapturedMinor: row.CapturedMinor,
		HoldClaimedBy: row.HoldClaimedBy, HoldExpires: row.HoldExpiresAt.Time, Operations: row.OperationCount,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt, SeenAt: now,
	}
	if !row.KeySentClock.Valid || p.SentUnrecorded() {
		p = p.Upgraded()
	}
	return p, nil
}

// keySent is when the key was first sent: when the payment was created, if the row has only the
// worker's time.
func keySent(row queries.Payment) payment.Instant {
	sent := sqlrow.KeySent(row.KeySentClock, instant(row.KeySentAt, row.KeySentClock))
	if row.KeySentClock.Int64 != 0 && sent.DB.IsZero() {
		sent.DB = row.CreatedAt
	}
	return sent
}

// instant is a moment by both clocks; a time that is NULL is zero.
func instant(at sql.NullTime, clock sql.NullInt64) payment.Instant {
	var i payment.Instant
	if at.Valid {
		i.DB = at.Time
	}
	if clock.Valid {
		i.Worker = time.UnixMicro(clock.Int64).UTC()
	}
	return i
}

// workerMicros stores the worker's time, and the zero time as NULL.
func workerMicros(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// toInsert returns the row of a payment that is opened at now. Its times are stored as offsets from
// the server's now.
func toInsert(p payment.Payment, now time.Time, token int64) queries.InsertPaymentParams {
	var starts sql.NullInt64
	if at := p.Attempt.StartedAt; !at.IsZero() {
		starts = sql.NullInt64{Int64: at.Sub(now).Microseconds(), Valid: true}
	}
	return queries.InsertPaymentParams{
		OrderID: p.OrderID, AmountMinor: p.Money.Minor(), Currency: p.Money.Currency().Code(),
		State: p.State, GatewayKey: p.GatewayKey, Fence: p.Fence, ClaimToken: token, Replica: p.Replica,
		DueInMicros:   p.DueAt.Sub(now).Microseconds(),
		AttemptNumber: p.Attempt.Number, AttemptFence: p.Attempt.Fence,
		AttemptReplica: p.Attempt.Replica, AttemptGatewayKey: p.Attempt.GatewayKey,
		StartsInMicros: starts, Async: sqlrow.Flag(p.Async),
		PaymentMethod: p.Method, ReturnUrl: p.ReturnURL, Capture: p.Capture,
		Gateway: p.Gateway, KeySentClock: sqlrow.SentClock(p.KeySent), KeyLifetimeMicros: p.KeyLifetime.Microseconds(),
	}
}

// toUpdate returns the update of a row that was read.
func toUpdate(p, read payment.Payment, token int64) (queries.UpdatePaymentParams, error) {
	if err := sqlrow.CheckWrite(p); err != nil {
		return queries.UpdatePaymentParams{}, err
	}
	return queries.UpdatePaymentParams{
		State: p.State, GatewayKey: p.GatewayKey, Fence: p.Fence, ClaimToken: token,
		Replica: p.Replica, DueAt: nullable(p.DueAt),
		AttemptNumber: p.Attempt.Number, AttemptFence: p.Attempt.Fence,
		AttemptReplica: p.Attempt.Replica, AttemptGatewayKey: p.Attempt.GatewayKey,
		AttemptStartedAt: nullable(p.Attempt.StartedAt), AttemptEndedAt: nullable(p.Attempt.EndedAt),
		AttemptClass: p.Attempt.Class, AttemptCode: p.Attempt.Code, AttemptMessage: p.Attempt.Message,
		DoubtAnswered: sqlrow.Flag(p.Doubt.Answered), DoubtNamed: sqlrow.Flag(p.Doubt.Named),
		DoubtUnansweredAt: nullable(p.Doubt.Unanswered.DB), DoubtUnansweredClock: workerMicros(p.Doubt.Unanswered.Worker),
		DoubtLatestAt: nullable(p.Doubt.Latest.DB), DoubtLatestClock: workerMicros(p.Doubt.Latest.Worker),
		PaymentMethod: p.Method, ReturnUrl: p.ReturnURL,
		Gateway: p.Gateway, KeySentAt: nullable(p.KeySent.DB), KeySentClock: sqlrow.SentClock(p.KeySent),
		KeyLifetimeMicros: p.KeyLifetime.Microseconds(), Retries: p.Retries,
		Lookups: p.Lookups, LostWorkers: p.LostWorkers, Events: p.Events,
		Async: sqlrow.Flag(p.Async), DeferredRetries: p.DeferredRetries,
		TransactionID: []byte(p.TransactionID), Code: p.Code, Reason: p.Reason,
		RefundReservedMinor: p.RefundReserved, CapturedMinor: p.CapturedMinor,
		HoldClaimedBy: p.HoldClaimedBy, HoldExpiresAt: nullable(p.HoldExpires), OperationCount: p.Operations,
		UpdatedAt: micros(p.UpdatedAt),
		OrderID:   p.OrderID, FenceRead: read.Fence, StateRead: read.State, AttemptNumberRead: read.Attempt.Number,
		OperationCountRead: read.Operations, RefundReservedRead: read.RefundReserved, HoldClaimedByRead: read.HoldClaimedBy,
	}, nil
}

func toAttempt(id payment.OrderID, a payment.Attempt) queries.InsertAttemptParams {
	return queries.InsertAttemptParams{
		OrderID: id, Number: a.Number, Fence: a.Fence, Replica: a.Replica, GatewayKey: a.GatewayKey,
		StartedAt: micros(a.StartedAt), EndedAt: nullable(a.EndedAt),
		Class: a.Class, Code: a.Code, Message: a.Message,
	}
}

func fromAttempt(row queries.Attempt) (payment.Attempt, error) {
	a := payment.Attempt{
		Number: row.Number, Fence: row.Fence, Replica: row.Replica, GatewayKey: row.GatewayKey,
		StartedAt: row.StartedAt, EndedAt: row.EndedAt.Time,
		Class: row.Class, Code: row.Code, Message: row.Message,
	}
	return a, a.Validate(row.OrderID)
}

func toEvent(id payment.OrderID, e payment.Event) queries.InsertEventParams {
	return queries.InsertEventParams{
		OrderID: id, Number: e.Number, Kind: e.Kind, At: micros(e.At),
		Replica: e.Replica, Fence: e.Fence, Detail: e.Detail,
	}
}

func fromEvent(row queries.Event) (payment.Event, error) {
	e := payment.Event{
		Number: row.Number, Kind: row.Kind, At: row.At,
		Replica: row.Replica, Fence: row.Fence, Detail: row.Detail,
	}
	return e, e.Validate(row.OrderID)
}

// nullable stores the zero time as NULL.
func nullable(t time.Time) sql.NullTime {
	return sql.NullTime{Time: micros(t), Valid: !t.IsZero()}
}

// micros truncates t to microseconds, as a DATETIME(6) holds them. The server would round.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
