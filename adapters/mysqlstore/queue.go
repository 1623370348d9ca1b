package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// maxPutOff bounds the batches of rows that cannot be read which one call passes over.
const maxPutOff = 100

// ClaimDue implements ports.Payments. The payments are claimed in one transaction, in which rows that
// cannot be read are put off. If one cannot be written, the transaction fails for the others as well;
// then each is claimed in its own, and that one put off.
func (s *Payments) ClaimDue(
	ctx context.Context, terms payment.Terms, limit int,
) (decisions []payment.Decision, err error) {
	for range maxPutOff {
		var putOff int
		decisions, putOff, err = s.claimDue(ctx, terms, limit)
		if err != nil || len(decisions) > 0 || putOff == 0 {
			break
		}
	}
	return decisions, err
}

// claimDue claims a batch, and returns how many rows it has put off because they cannot be read.
func (s *Payments) claimDue(
	ctx context.Context, terms payment.Terms, limit int,
) (decisions []payment.Decision, putOff int, err error) {
	b := &batch{terms: terms, limit: atMost(limit), token: newToken()}
	err = s.write(ctx, b.claim)
	switch {
	case err == nil:
		for _, unreadable := range b.unreadable {
			s.logPutOff(ctx, unreadable.OrderID, unreadable)
		}
		return b.decisions, len(b.unreadable), nil
	case errors.Is(err, ports.ErrUnavailable), errors.Is(err, ports.ErrInDoubt):
		return nil, 0, fmt.Errorf("claim due payments: %w", err)
	}
	s.log.LogAttrs(ctx, slog.LevelError, "due payments cannot be claimed together; claiming them one by one",
		slog.String("error", err.Error()))
	decisions, err = s.claimSingly(ctx, terms, atMost(limit))
	if err != nil && len(decisions) == 0 { // what was claimed is worked on; the rest stays due
		return nil, 0, fmt.Errorf("claim due payments: %w", err)
	}
	return decisions, 0, nil
}

// batch is one run of ClaimDue.
type batch struct {
	terms payment.Terms
	limit int32
	token int64
	// Of the latest try that got as far as its commit.
	decisions  []payment.Decision
	unreadable []*payment.StoredRowError // of the rows that were put off
}

// claim is one try, and one transaction.
func (b *batch) claim(ctx context.Context, conn *sql.Conn) error {
	return transact(ctx, conn, func(q *queries.Queries) error {
		written, err := b.writtenBefore(ctx, q)
		if written || err != nil {
			return err
		}
		b.decisions, b.unreadable, err = b.decide(ctx, q)
		return err
	})
}

// writtenBefore reports whether an earlier try was committed and its answer lost. Its
// payments were written together, so one of them tells of all.
func (b *batch) writtenBefore(ctx context.Context, q *queries.Queries) (bool, error) {
	if len(b.decisions) == 0 {
		return false, nil
	}
	row, err := q.LockPayment(ctx, b.decisions[0].Payment.OrderID)
	if err != nil {
		return false, fmt.Errorf("lock the payment: %w", err)
	}
	return row.Payment.ClaimToken == b.token, nil
}

// decide locks due payments, decides about each and stores the decisions.
func (b *batch) decide(
	ctx context.Context, q *queries.Queries,
) (decisions []payment.Decision, unreadable []*payment.StoredRowError, err error) {
	rows, err := q.LockDuePayments(ctx, b.limit)
	if err != nil {
		return nil, nil, fmt.Errorf("lock due payments: %w", err)
	}
	for _, row := range rows {
		p, err := fromRow(row.Payment, row.Now)
		if damaged, ok := errors.AsType[*payment.StoredRowError](err); ok {
			unreadable = append(unreadable, damaged)
			err = putOff(ctx, q, row.Payment.OrderID, damaged)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return nil, nil, err
		}
		d := b.terms.PickUp(p, row.Now)
		if err := store(ctx, q, row.Payment, d, b.token); err != nil {
			return nil, nil, err
		}
		if d.Write {
			decisions = append(decisions, d)
		}
	}
	return decisions, unreadable, nil
}

// claimSingly claims due payments one by one, and puts off those that cannot be.
func (s *Payments) claimSingly(
	ctx context.Context, terms payment.Terms, limit int32,
) (decisions []payment.Decision, err error) {
	var due []payment.OrderID
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		due, err = q.ListDuePayments(ctx, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	pickUp := func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return terms.PickUp(p, now), nil
	}
	for _, id := range due {
		d, err := s.move(ctx, newMove(id, pickUp))
		switch {
		case errors.Is(err, ports.ErrUnavailable), errors.Is(err, ports.ErrInDoubt):
			return decisions, err
		case err != nil:
			s.putOff(ctx, id, err)
		case d.Write:
			decisions = append(decisions, d)
		}
	}
	return decisions, nil
}

// putOff takes a payment that cannot be worked on out of the way of the others, with the
// reason in its row.
func (s *Payments) putOff(ctx context.Context, id payment.OrderID, why error) {
	s.logPutOff(ctx, id, why)
	err := s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return atCommit(putOff(ctx, queries.New(conn), id, why))
	})
	if err != nil { // it stays due, and the others are not to wait for that
		s.log.LogAttrs(ctx, slog.LevelError, "a due payment could not be put off",
			slog.String("order_id", string(id)), slog.String("error", err.Error()))
	}
}

func putOff(ctx context.Context, q *queries.Queries, id payment.OrderID, why error) error {
	reason := "put off: " + why.Error()
	reason = strings.ToValidUTF8(reason[:min(len(reason), payment.MaxMessageBytes)], "")
	params := queries.PutOffPaymentParams{Reason: wordingOf(ctx).text(reason), OrderID: id}
	if err := q.PutOffPayment(ctx, params); err != nil {
		return fmt.Errorf("put off the payment: %w", err)
	}
	return nil
}

func (s *Payments) logPutOff(ctx context.Context, id payment.OrderID, why error) {
	attributes := []slog.Attr{slog.String("order_id", string(id))}
	if damaged, ok := errors.AsType[*payment.StoredRowError](why); ok {
		attributes = append(attributes, slog.String("table", damaged.Table), slog.String("column", damaged.Column))
	}
	s.log.LogAttrs(ctx, slog.LevelError, "a due payment is put off for an hour: it cannot be claimed",
		append(attributes, slog.String("error", why.Error()))...)
}

// NextDue implements ports.Payments.
func (s *Payments) NextDue(ctx context.Context) (in time.Duration, found bool, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		micros, err := q.NextDue(ctx)
		switch {
		case noRows(err):
			return nil
		case err != nil:
			return err
		}
		in, found = max(0, time.Duration(micros)*time.Microsecond), true
		return nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("find the next due payment: %w", err)
	}
	return in, found, nil
}

// Backlog implements ports.Payments.
func (s *Payments) Backlog(ctx context.Context) (backlog []ports.Backlog, err error) {
	var rows []queries.BacklogRow
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		rows, err = q.Backlog(ctx, ports.MaxBacklog)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count the backlog: %w", err)
	}
	parts := make([]ports.BacklogRow, 0, len(rows))
	for _, row := range rows {
		parts = append(parts, ports.BacklogRow{Currency: row.Currency, HasAmount: row.HasAmount != 0, Backlog: ports.Backlog{
			State: row.State, Payments: int(row.Payments), Due: int(row.Due),
			LongestDue: max(0, time.Duration(row.LongestDueMicros)*time.Microsecond),
			Oldest:     max(0, time.Duration(row.OldestMicros)*time.Microsecond),
		}})
	}
	return ports.SumBacklog(parts), nil
}

// atMost returns a limit as MySQL takes it.
func atMost(limit int) int32 { return int32(max(0, min(limit, math.MaxInt32))) }
