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
	ctx context.Context, terms payment.PickUpPolicy, limit int,
) (decisions []payment.Decision, err error) {
	for range maxPutOff {
		var putOff int
		decisions, putOff, err = s.claimDue(ctx, terms, limit)
		if err != nil || len(decisions) > 0 || putOff == 0 {
			break
		}
	}
	if free := limit - len(decisions); err == nil && terms.Work == payment.WorkLookups && free > 0 {
		var keys []payment.Decision
		keys, err = s.claimDueKeys(ctx, terms, atMost(free))
		decisions = append(decisions, keys...)
	}
	if err != nil && len(decisions) == 0 { // what was claimed is worked on; the rest stays due
		return nil, fmt.Errorf("claim due payments: %w", err)
	}
	return decisions, nil
}

// claimDue claims a batch, and returns how many rows it has put off because they cannot be read.
func (s *Payments) claimDue(
	ctx context.Context, terms payment.PickUpPolicy, limit int,
) (decisions []payment.Decision, putOff int, err error) {
	due, err := s.listDue(ctx, terms, atMost(limit))
	if err != nil || len(due) == 0 {
		return nil, 0, err
	}
	b := &batch{terms: terms, due: due, token: newToken()}
	err = s.write(ctx, b.claim)
	switch {
	case err == nil:
		for _, unreadable := range b.unreadable {
			s.logPutOff(ctx, unreadable.OrderID, unreadable)
		}
		return b.decisions, len(b.unreadable), nil
	case errors.Is(err, ports.ErrUnavailable), errors.Is(err, ports.ErrInDoubt):
		return nil, 0, err
	}
	s.log.LogAttrs(ctx, slog.LevelError, "due payments cannot be claimed together; claiming them one by one",
		slog.String("error", err.Error()))
	decisions, err = s.claimSingly(ctx, terms, due)
	if len(decisions) > 0 {
		err = nil // what was claimed is worked on; the rest stays due
	}
	return decisions, 0, err
}

func (s *Payments) listDue(ctx context.Context, terms payment.PickUpPolicy, limit int32) (due []payment.OrderID, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		due, err = q.ListDuePayments(ctx, queries.ListDuePaymentsParams{
			WithinMicros: within(terms), State: terms.Work.State(), Gateway: terms.Rules.Gateway, Limit: limit,
		})
		return err
	})
	return due, err
}

// batch is one run of ClaimDue.
type batch struct {
	terms payment.PickUpPolicy
	due   []payment.OrderID
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
	rows, err := q.LockDuePayments(ctx, queries.LockDuePaymentsParams{
		OrderIds: b.due, State: b.terms.Work.State(), WithinMicros: within(b.terms),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("lock due payments: %w", err)
	}
	for _, row := range rows {
		p, err := fromRow(row.Payment, row.Now)
		if damaged, ok := errors.AsType[*payment.StoredRowError](err); ok {
			unreadable = append(unreadable, damaged)
			err = putOff(ctx, q, b.terms, row.Payment.OrderID, damaged)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return nil, nil, err
		}
		if p.Attempts() > 0 {
			if p.Keys, err = listKeys(ctx, q, p.OrderID); err != nil {
				return nil, nil, err
			}
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
	ctx context.Context, terms payment.PickUpPolicy, due []payment.OrderID,
) (decisions []payment.Decision, err error) {
	pickUp := func(p payment.Payment, now time.Time) (payment.Decision, error) {
		return terms.PickUp(p, now), nil
	}
	for _, id := range due {
		d, err := s.move(ctx, newKeyMove(id, pickUp))
		switch {
		case errors.Is(err, ports.ErrUnavailable), errors.Is(err, ports.ErrInDoubt):
			return decisions, err
		case err != nil:
			s.putOff(ctx, terms, id, err)
		case d.Write:
			decisions = append(decisions, d)
		}
	}
	return decisions, nil
}

// putOff takes a payment that cannot be worked on out of the way of the others, with the
// reason in its row.
func (s *Payments) putOff(ctx context.Context, terms payment.PickUpPolicy, id payment.OrderID, why error) {
	s.logPutOff(ctx, id, why)
	err := s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return atCommit(putOff(ctx, queries.New(conn), terms, id, why))
	})
	if err != nil { // it stays due, and the others are not to wait for that
		s.log.LogAttrs(ctx, slog.LevelError, "a due payment could not be put off",
			slog.String("order_id", string(id)), slog.String("error", err.Error()))
	}
}

func putOff(ctx context.Context, q *queries.Queries, terms payment.PickUpPolicy, id payment.OrderID, why error) error {
	reason := "put off: " + why.Error()
	reason = strings.ToValidUTF8(reason[:min(len(reason), payment.MaxMessageBytes)], "")
	params := queries.PutOffPaymentParams{
		PutOffMicros: terms.Postponement().Microseconds(), Reason: wordingOf(ctx).text(reason), OrderID: id, WithinMicros: within(terms),
	}
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
	s.log.LogAttrs(ctx, slog.LevelError, "a due payment is put off: it cannot be claimed",
		append(attributes, slog.String("error", why.Error()))...)
}

// NextDue implements ports.Payments.
func (s *Payments) NextDue(
	ctx context.Context, terms payment.PickUpPolicy,
) (in time.Duration, found bool, err error) {
	var payments, keys time.Duration
	var somePayment, someKey bool
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		if terms.Ahead {
			ahead, err := q.AnyDueAhead(ctx, queries.AnyDueAheadParams{
				WithinMicros: within(terms), State: terms.Work.State(), Gateway: terms.Rules.Gateway,
			})
			if payments, somePayment = 0, ahead; ahead || err != nil {
				return err
			}
		}
		params := queries.NextDueParams{State: terms.Work.State(), Gateway: terms.Rules.Gateway}
		micros, err := q.NextDue(ctx, params)
		if payments, somePayment, err = dueIn(micros, err); err != nil || terms.Work != payment.WorkLookups {
			return err
		}
		micros, err = q.NextDueGatewayKey(ctx, terms.Rules.Gateway)
		keys, someKey, err = dueIn(micros, err)
		return err
	})
	switch {
	case err != nil:
		return 0, false, fmt.Errorf("find what is due next: %w", err)
	case somePayment && someKey:
		return min(payments, keys), true, nil
	case someKey:
		return keys, true, nil
	}
	return payments, somePayment, nil
}

// dueIn is how long it is until something is due, if anything is.
func dueIn(micros int64, err error) (time.Duration, bool, error) {
	if noRows(err) {
		return 0, false, nil
	}
	return max(0, time.Duration(micros)*time.Microsecond), err == nil, err
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
