package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// move is one change of one payment: lock its row, let the domain decide, write, commit.
type move struct {
	orderID payment.OrderID
	decide  func(payment.Payment, time.Time) (payment.Decision, error)
	// token is stored with each new fencing number. It outlives a lost answer: a row that
	// has it was written by an earlier try of this very move.
	token int64
	// keys says that the decision needs the records of the order's keys.
	keys bool
	// decision is that of the latest try.
	decision payment.Decision
}

func newMove(
	id payment.OrderID, decide func(payment.Payment, time.Time) (payment.Decision, error),
) *move {
	return &move{orderID: id, decide: decide, token: newToken()}
}

// newKeyMove is newMove for a decision that needs the records of the order's keys.
func newKeyMove(
	id payment.OrderID, decide func(payment.Payment, time.Time) (payment.Decision, error),
) *move {
	m := newMove(id, decide)
	m.keys = true
	return m
}

// newToken returns a number that no other claim has.
func newToken() int64 { return rand.Int64() } //nolint:gosec // must differ, and may be guessed

// Import implements ports.Payments. As with a claim, the INSERT comes first; here the change that
// follows shares its transaction, for there is none without the other.
func (s *Payments) Import(ctx context.Context, i payment.Import) (payment.Verdict, error) {
	m := newKeyMove(i.OrderID, i.Apply)
	known := false
	err := s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		if known {
			return m.make(ctx, conn)
		}
		err := transact(ctx, conn, func(q *queries.Queries) error {
			someTime := time.Unix(0, 0) // any will do: the row's times are counted from the server's now
			row := wordingOf(ctx).insert(toInsert(i.Open(someTime), someTime, 0))
			if _, err := q.InsertPayment(ctx, row); err != nil {
				known = hasNumber(err, errDuplicateKey)
				return fmt.Errorf("insert the payment: %w", err)
			}
			return m.change(ctx, q)
		})
		if known {
			return m.make(ctx, conn)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("import payment: %w", err)
	}
	return m.decision.Verdict, nil
}

// move makes the move until it is known what became of it.
func (s *Payments) move(ctx context.Context, m *move) (payment.Decision, error) {
	err := s.write(ctx, m.make)
	return m.decision, err
}

// make is one try, and one transaction.
func (m *move) make(ctx context.Context, conn *sql.Conn) error {
	return transact(ctx, conn, func(q *queries.Queries) error { return m.change(ctx, q) })
}

// change is what is done in the transaction.
func (m *move) change(ctx context.Context, q *queries.Queries) error {
	row, err := q.LockPayment(ctx, m.orderID)
	if noRows(err) {
		return ports.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("lock the payment: %w", err)
	}
	p, err := fromRow(row.Payment, row.Now)
	if err != nil {
		return err
	}
	if row.Payment.ClaimToken == m.token {
		p.TakenOver = m.decision.Payment.TakenOver
		m.decision.Payment = p
		return nil
	}
	if m.keys {
		if p.Keys, err = listKeys(ctx, q, m.orderID); err != nil {
			return err
		}
	}
	if m.decision, err = m.decide(p, row.Now); err != nil {
		return err
	}
	return store(ctx, q, row.Payment, m.decision, m.token)
}

// store writes a decision about a locked row.
func store(
	ctx context.Context, q *queries.Queries, row queries.Payment, d payment.Decision, token int64,
) error {
	for _, key := range d.Keys {
		if err := q.PutGatewayKey(ctx, toKeyRow(row.OrderID, key, wordingOf(ctx))); err != nil {
			return fmt.Errorf("keep the key: %w", err)
		}
	}
	if !d.Write {
		return nil
	}
	if d.Payment.Fence == row.Fence {
		token = row.ClaimToken // still the claim of whoever holds it
	}
	words := wordingOf(ctx)
	update, err := toUpdate(d.Payment, row.Fence, token)
	if err != nil {
		return err
	}
	updated, err := q.UpdatePayment(ctx, words.update(update))
	if err != nil {
		return fmt.Errorf("update the payment: %w", err)
	}
	if updated != 1 {
		return fmt.Errorf("update the payment: %d rows of order %q, and it was locked", updated, row.OrderID)
	}
	if d.PriorAttempt != nil {
		if err := q.InsertAttempt(ctx, words.attempt(toAttempt(row.OrderID, *d.PriorAttempt))); err != nil {
			return fmt.Errorf("keep the attempt: %w", err)
		}
	}
	if d.Event != nil {
		if err := q.InsertEvent(ctx, words.event(toEvent(row.OrderID, *d.Event))); err != nil {
			return fmt.Errorf("keep the event: %w", err)
		}
	}
	return nil
}
