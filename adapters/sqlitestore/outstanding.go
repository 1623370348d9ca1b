package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// SumOutstanding implements ports.OutstandingWork. The index of due work has one part for each state, so each
// state is read on its own.
func (s *Payments) SumOutstanding(ctx context.Context) (sum ports.Outstanding, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		o := outstanding{q: q, now: now}
		for _, state := range payment.States() {
			if state.Final() {
				continue
			}
			if err := o.addState(ctx, state); err != nil {
				return err
			}
		}
		if err := o.addKeys(ctx); err != nil {
			return err
		}
		sum = ports.Outstanding{Groups: ports.SumGroups(o.parts), More: o.more}
		return nil
	})
	if err != nil {
		return ports.Outstanding{}, fmt.Errorf("sum up what is outstanding: %w", err)
	}
	return sum, nil
}

// outstanding collects the groups.
type outstanding struct {
	q     *queries.Queries
	now   time.Time
	parts []ports.OutstandingGroup
	more  bool
}

func (o *outstanding) addState(ctx context.Context, state payment.State) error {
	payments, err := o.q.SumOutstandingPayments(ctx, queries.SumOutstandingPaymentsParams{
		Now: nullable(o.now), State: state, MaxRows: ports.MaxOutstanding,
	})
	if err != nil {
		return err
	}
	rows := make([]sqlrow.OutstandingRow, 0, len(payments))
	for _, row := range payments {
		rows = append(rows, sqlrow.OutstandingRow{
			State: row.State, Gateway: row.Gateway, Currency: row.Currency, HasAmount: row.HasAmount, InDoubt: row.InDoubt,
			Operations: row.Operations, Thousands: row.Thousands, Rest: row.Rest,
			FirstDue: row.FirstDue, FirstCreated: row.FirstCreated,
		})
	}
	if err := o.add(rows); err != nil {
		return err
	}
	operations, err := o.q.SumOutstandingOperations(ctx, queries.SumOutstandingOperationsParams{
		Now: nullable(o.now), State: state, MaxRows: ports.MaxOutstanding,
	})
	if err != nil {
		return err
	}
	rows = rows[:0]
	for _, row := range operations {
		rows = append(rows, sqlrow.OutstandingRow{
			Kind: row.OperationKind, State: row.State, Gateway: row.Gateway, Currency: row.Currency, HasAmount: row.HasAmount,
			InDoubt: row.InDoubt, Operations: row.Operations, Thousands: row.Thousands, Rest: row.Rest,
			FirstDue: row.FirstDue, FirstCreated: row.FirstCreated,
		})
	}
	return o.add(rows)
}

func (o *outstanding) addKeys(ctx context.Context) error {
	keys, err := o.q.SumOutstandingKeys(ctx, ports.MaxOutstanding)
	if err != nil {
		return err
	}
	rows := make([]sqlrow.OutstandingRow, 0, len(keys))
	for _, row := range keys {
		rows = append(rows, sqlrow.OutstandingRow{
			Gateway: row.Gateway, Operations: row.LookupsDue, FirstDue: row.FirstDue, FirstCreated: row.FirstSent,
		})
	}
	if err := o.add(rows); err != nil {
		return err
	}
	ofOperations, err := o.q.SumOutstandingOperationKeys(ctx, ports.MaxOutstanding)
	if err != nil {
		return err
	}
	rows = rows[:0]
	for _, row := range ofOperations {
		rows = append(rows, sqlrow.OutstandingRow{
			Kind: row.OperationKind, Gateway: row.Gateway, Operations: row.LookupsDue,
			FirstDue: row.FirstDue, FirstCreated: row.FirstSent,
		})
	}
	return o.add(rows)
}

// add adds the groups of a query that reads at most ports.MaxOutstanding rows.
func (o *outstanding) add(rows []sqlrow.OutstandingRow) error {
	var read int64
	for _, row := range rows {
		part, err := row.Group(o.now)
		if err != nil {
			return err
		}
		o.parts = append(o.parts, part)
		read += row.Operations
	}
	o.more = o.more || read >= ports.MaxOutstanding
	return nil
}
