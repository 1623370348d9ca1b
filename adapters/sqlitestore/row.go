package sqlitestore

import (
	"database/sql"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
)

// fromRow returns a payment as it was read at now, or says why the row makes none.
func fromRow(row queries.Payment, now time.Time) (payment.Payment, error) {
	currency, err := payment.ParseCurrency(row.Currency)
	if err != nil {
		return payment.Payment{}, unreadable(row, err)
	}
	money, err := payment.MoneyFromMinor(row.AmountMinor, currency)
	if err != nil {
		return payment.Payment{}, unreadable(row, err)
	}
	p := payment.Payment{
		OrderID: row.OrderID, Money: money, State: row.State, GatewayKey: row.GatewayKey,
		Fence: row.Fence, Replica: row.Replica, DueAt: orZero(row.DueAt),
		Attempt: payment.Attempt{
			Number: row.AttemptNumber, Fence: row.AttemptFence, Replica: row.AttemptReplica,
			GatewayKey: row.AttemptGatewayKey,
			StartedAt:  orZero(row.AttemptStartedAt), EndedAt: orZero(row.AttemptEndedAt),
			Class: row.AttemptClass, Code: row.AttemptCode, Message: row.AttemptMessage,
		},
		Doubt:   payment.Doubt{Answered: row.DoubtAnswered, UnansweredAt: orZero(row.DoubtUnansweredAt)},
		Lookups: row.Lookups, Strikes: row.Strikes, Events: row.Events,
		Async: row.Async, LaterRetries: row.LaterRetries,
		TransactionID: row.TransactionID, Code: row.Code, Reason: row.Reason,
		CreatedAt: fromMicros(row.CreatedAt), UpdatedAt: fromMicros(row.UpdatedAt), SeenAt: now,
	}
	if err := check(p); err != nil {
		return payment.Payment{}, unreadable(row, err)
	}
	return p, nil
}

func unreadable(row queries.Payment, err error) error {
	return fmt.Errorf("read the row of order %q: %w", row.OrderID, err)
}

// check holds what is true of every stored payment. It is asked before writing and after
// reading, so that neither the program nor the table can break it unseen.
func check(p payment.Payment) error {
	_, err := payment.ParseState(string(p.State))
	switch {
	case err != nil:
		return fmt.Errorf("%q: %w", p.State, err)
	case p.State == payment.StateSucceeded && p.TransactionID == "":
		return fmt.Errorf("the payment is %s and has no transaction id", p.State)
	case p.State.Known() != p.DueAt.IsZero():
		return fmt.Errorf("the payment is %s and due at %v", p.State, p.DueAt)
	}
	return nil
}

func toRow(p payment.Payment) (queries.Payment, error) {
	if err := check(p); err != nil {
		return queries.Payment{}, fmt.Errorf("write the row of order %q: %w", p.OrderID, err)
	}
	return queries.Payment{
		OrderID: p.OrderID, AmountMinor: p.Money.Minor(), Currency: p.Money.Currency().Code(),
		State: p.State, GatewayKey: p.GatewayKey,
		Fence: p.Fence, Replica: p.Replica, DueAt: nullable(p.DueAt),
		AttemptNumber: p.Attempt.Number, AttemptFence: p.Attempt.Fence,
		AttemptReplica: p.Attempt.Replica, AttemptGatewayKey: p.Attempt.GatewayKey,
		AttemptStartedAt: nullable(p.Attempt.StartedAt), AttemptEndedAt: nullable(p.Attempt.EndedAt),
		AttemptClass: p.Attempt.Class, AttemptCode: p.Attempt.Code, AttemptMessage: p.Attempt.Message,
		DoubtAnswered: p.Doubt.Answered, DoubtUnansweredAt: nullable(p.Doubt.UnansweredAt),
		Lookups: p.Lookups, Strikes: p.Strikes, Events: p.Events,
		Async: p.Async, LaterRetries: p.LaterRetries,
		TransactionID: p.TransactionID, Code: p.Code, Reason: p.Reason,
		CreatedAt: p.CreatedAt.UnixMicro(), UpdatedAt: p.UpdatedAt.UnixMicro(),
	}, nil
}

// toUpdate returns what replaces the row that was read with the fencing number fenceRead.
func toUpdate(row queries.Payment, fenceRead int64) queries.UpdatePaymentParams {
	return queries.UpdatePaymentParams{
		State: row.State, GatewayKey: row.GatewayKey, Fence: row.Fence,
		Replica: row.Replica, DueAt: row.DueAt,
		AttemptNumber: row.AttemptNumber, AttemptFence: row.AttemptFence,
		AttemptReplica: row.AttemptReplica, AttemptGatewayKey: row.AttemptGatewayKey,
		AttemptStartedAt: row.AttemptStartedAt, AttemptEndedAt: row.AttemptEndedAt,
		AttemptClass: row.AttemptClass, AttemptCode: row.AttemptCode, AttemptMessage: row.AttemptMessage,
		DoubtAnswered: row.DoubtAnswered, DoubtUnansweredAt: row.DoubtUnansweredAt,
		Lookups: row.Lookups, Strikes: row.Strikes, Events: row.Events,
		Async: row.Async, LaterRetries: row.LaterRetries,
		TransactionID: row.TransactionID, Code: row.Code, Reason: row.Reason,
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

func fromAttempt(row queries.Attempt) payment.Attempt {
	return payment.Attempt{
		Number: row.Number, Fence: row.Fence, Replica: row.Replica, GatewayKey: row.GatewayKey,
		StartedAt: fromMicros(row.StartedAt), EndedAt: orZero(row.EndedAt),
		Class: row.Class, Code: row.Code, Message: row.Message,
	}
}

func toEvent(id payment.OrderID, e payment.Event) queries.InsertEventParams {
	return queries.InsertEventParams{
		OrderID: id, Number: e.Number, Kind: e.Kind, At: e.At.UnixMicro(),
		Replica: e.Replica, Fence: e.Fence, Detail: e.Detail,
	}
}

func fromEvent(row queries.Event) payment.Event {
	return payment.Event{
		Number: row.Number, Kind: row.Kind, At: fromMicros(row.At),
		Replica: row.Replica, Fence: row.Fence, Detail: row.Detail,
	}
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
