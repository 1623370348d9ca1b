package mysqlstore

import (
	"database/sql"
	"errors"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
)

// fromRow returns a payment as it was read at now, or the *payment.StoredRowError that says why the row
// makes none.
func fromRow(row queries.Payment, now time.Time) (payment.Payment, error) {
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
		Doubt:   payment.Doubt{Answered: row.DoubtAnswered != 0, UnansweredAt: row.DoubtUnansweredAt.Time},
		Lookups: row.Lookups, Strikes: row.Strikes, Events: row.Events,
		Async: row.Async != 0, LaterRetries: row.LaterRetries,
		TransactionID: string(row.TransactionID), Code: row.Code, Reason: row.Reason,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt, SeenAt: now,
	}
	if err := p.Validate(); err != nil {
		return payment.Payment{}, err
	}
	return p, nil
}

// check keeps a payment from being written that could not be read. That is a fault of the program, and
// not of a row.
func check(p payment.Payment) error {
	if err := p.Validate(); err != nil {
		return errors.New("refuse to write what could not be read: " + err.Error())
	}
	return nil
}

// flag stores a bool, and reads it as SQL does.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// toInsert returns the row of a payment that is opened at the time that now stands for: its
// times are stored by their distance from it.
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
		StartsInMicros: starts, Async: flag(p.Async),
	}
}

// toUpdate returns what replaces the row of a payment that was read with the fencing number
// fenceRead.
func toUpdate(p payment.Payment, fenceRead, token int64) (queries.UpdatePaymentParams, error) {
	if err := check(p); err != nil {
		return queries.UpdatePaymentParams{}, err
	}
	return queries.UpdatePaymentParams{
		State: p.State, GatewayKey: p.GatewayKey, Fence: p.Fence, ClaimToken: token,
		Replica: p.Replica, DueAt: nullable(p.DueAt),
		AttemptNumber: p.Attempt.Number, AttemptFence: p.Attempt.Fence,
		AttemptReplica: p.Attempt.Replica, AttemptGatewayKey: p.Attempt.GatewayKey,
		AttemptStartedAt: nullable(p.Attempt.StartedAt), AttemptEndedAt: nullable(p.Attempt.EndedAt),
		AttemptClass: p.Attempt.Class, AttemptCode: p.Attempt.Code, AttemptMessage: p.Attempt.Message,
		DoubtAnswered: flag(p.Doubt.Answered), DoubtUnansweredAt: nullable(p.Doubt.UnansweredAt),
		Lookups: p.Lookups, Strikes: p.Strikes, Events: p.Events,
		Async: flag(p.Async), LaterRetries: p.LaterRetries,
		TransactionID: []byte(p.TransactionID), Code: p.Code, Reason: p.Reason,
		UpdatedAt: micros(p.UpdatedAt),
		OrderID:   p.OrderID, FenceRead: fenceRead,
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

// micros cuts t to what a DATETIME(6) holds. The server would round it.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
