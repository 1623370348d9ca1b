package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
)

// beginBatch begins operations of several payments in one transaction, which locks the payments, and stores what
// the domain decides on each. A batch of one is written as on its own.
func (s *Payments) beginBatch(batch []*rowUpdate) []error {
	ctx, err := s.withSubscribers(context.Background())
	if err != nil {
		return batchResults(batch, nil, err)
	}
	if len(batch) < s.minBatchRows {
		return []error{s.onConn(ctx, ctx, batch[0].write)}
	}
	var begun []*rowUpdate
	err = s.onConn(ctx, ctx, func(ctx context.Context, conn *sql.Conn) error {
		err := transactOn(ctx, conn, func(tx *sql.Tx) (err error) {
			begun, err = beginNew(ctx, tx, firstPerOrder(slices.Clone(batch)))
			return err
		})
		if t := s.topology.Load(); err != nil && t != nil && t.engine.commitsInParts() {
			return s.classifyBatch(err, len(begun))
		}
		return err
	})
	return batchResults(batch, begun, err)
}

// beginNew returns the operations that it tried to store, at most one per order. The others have begun before, are
// refused, or need a row that another transaction has locked.
func beginNew(ctx context.Context, tx queries.DBTX, batch []*rowUpdate) ([]*rowUpdate, error) {
	q := queries.New(tx)
	charges, err := lockCharges(ctx, q, batch)
	if err != nil {
		return nil, err
	}
	known, err := listBegun(ctx, q, batch, charges)
	if err != nil {
		return nil, err
	}
	var begun []*rowUpdate
	var read []payment.Payment
	for _, u := range batch {
		charge, locked := charges[u.order()]
		u.exists = known[u.ref]
		if !locked || u.exists {
			continue
		}
		d, err := u.decideOn(newOperation(charge))
		if err != nil || !d.Write || d.Charge == nil || d.Event != nil {
			continue
		}
		u.decision = d
		begun, read = append(begun, u), append(read, charge.payment)
	}
	if len(begun) == 0 {
		return nil, errNotBatched // nothing to commit
	}
	if err := reserve(ctx, tx, begun, read); err != nil {
		return begun, fmt.Errorf("update the payments: %w", err)
	}
	if err := insertOperations(ctx, tx, begun); err != nil {
		return begun, fmt.Errorf("insert the operations: %w", err)
	}
	return begun, nil
}

// lockCharges locks the payments that no other transaction has locked, and returns those that can be read.
func lockCharges(ctx context.Context, q *queries.Queries, batch []*rowUpdate) (map[payment.OrderID]lockedRow, error) {
	rows, err := q.LockFreePayments(ctx, ordersOf(batch))
	if err != nil {
		return nil, fmt.Errorf("lock the payments: %w", err)
	}
	charges := make(map[payment.OrderID]lockedRow, len(rows))
	for _, row := range rows {
		if p, err := fromRow(row.Payment, row.ReadAt); err == nil {
			charges[p.OrderID] = lockedRow{payment: p, claimToken: row.Payment.ClaimToken, readAt: row.ReadAt, exists: true}
		}
	}
	return charges, nil
}

// listBegun returns which of the operations were begun. It asks for those of payments that have any: the previous
// version does not count them, and reserves amounts.
func listBegun(
	ctx context.Context, q *queries.Queries, batch []*rowUpdate, charges map[payment.OrderID]lockedRow,
) (map[payment.Ref]bool, error) {
	var params queries.ListBegunParams
	for _, u := range batch {
		if c := charges[u.order()].payment; c.Operations > 0 || c.RefundReserved > 0 || c.HoldClaimedBy != payment.KindCharge {
			params.OrderIds = append(params.OrderIds, u.order())
			params.OperationNames = append(params.OperationNames, u.ref.Operation.Name)
		}
	}
	begun := make(map[payment.Ref]bool)
	if len(params.OrderIds) == 0 {
		return begun, nil
	}
	rows, err := q.ListBegun(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("look for the operations: %w", err)
	}
	for _, row := range rows {
		begun[payment.Ref{OrderID: row.OrderID, Operation: payment.OperationID{Kind: row.OperationKind, Name: row.OperationName}}] = true
	}
	return begun, nil
}

// The statements below have many rows, which sqlc cannot generate. Tests compare each with its generated statement of
// one row.

// reserve is [queries.Queries.UpdatePayment] for payments of which operations begin, in the columns that this changes.
// read has the payments as they were read.
func reserve(ctx context.Context, db queries.DBTX, begun []*rowUpdate, read []payment.Payment) error {
	u := newMultiUpdate(begun, (*rowUpdate).order)
	charge := func(i int) *payment.Payment { return u.rows[i].decision.Charge }
	u.add("UPDATE payments FORCE INDEX (PRIMARY)\nSET refund_reserved_minor = ")
	addPerRow(u, func(i int) int64 { return charge(i).RefundReserved })
	u.add(", hold_claimed_by = ")
	addPerRow(u, func(i int) payment.Kind { return charge(i).HoldClaimedBy })
	u.add(",\n    operation_count = ")
	addPerRow(u, func(i int) int { return charge(i).Operations })
	u.add(", updated_at = ")
	addPerRow(u, func(i int) time.Time { return micros(charge(i).UpdatedAt) })
	u.add("\nWHERE ")
	u.addOrders()
	u.add(" AND fence = ")
	addPerRow(u, func(i int) int64 { return read[i].Fence })
	u.add(" AND state = ")
	addPerRow(u, func(i int) payment.State { return read[i].State })
	u.add(" AND attempt_number = ")
	addPerRow(u, func(i int) int { return read[i].Attempt.Number })
	u.add("\n    AND operation_count = ")
	addPerRow(u, func(i int) int { return read[i].Operations })
	u.add(" AND refund_reserved_minor = ")
	addPerRow(u, func(i int) int64 { return read[i].RefundReserved })
	u.add(" AND hold_claimed_by = ")
	addPerRow(u, func(i int) payment.Kind { return read[i].HoldClaimedBy })
	matched, err := u.exec(ctx, db)
	if err == nil && matched != int64(len(begun)) {
		err = errRowChanged
	}
	return err
}

// insertOperations is [queries.Queries.InsertOperation] for many operations, all or none.
func insertOperations(ctx context.Context, db queries.DBTX, begun []*rowUpdate) error {
	into, values, _ := strings.Cut(queries.InsertOperation, "VALUES ")
	var args arguments
	for _, u := range begun {
		row, err := toOperationInsert(u.decision.Payment, u.token, fullText)
		if err != nil {
			return err
		}
		if err := queries.New(&args).InsertOperation(ctx, row); err != nil {
			return err
		}
	}
	_, err := db.ExecContext(ctx, into+"VALUES "+values+strings.Repeat(","+values, len(begun)-1), args...)
	return err
}

// arguments is a queries.DBTX that appends the arguments of generated statements, and executes none.
type arguments []any

// ExecContext implements queries.DBTX.
func (a *arguments) ExecContext(_ context.Context, _ string, args ...any) (sql.Result, error) {
	*a = append(*a, args...)
	return nil, nil //nolint:nilnil // an :exec query does not look at its result
}

// PrepareContext implements queries.DBTX.
func (*arguments) PrepareContext(context.Context, string) (*sql.Stmt, error) {
	return nil, sql.ErrConnDone
}

// QueryContext implements queries.DBTX.
func (*arguments) QueryContext(context.Context, string, ...any) (*sql.Rows, error) {
	return nil, sql.ErrConnDone
}

// QueryRowContext implements queries.DBTX.
func (*arguments) QueryRowContext(context.Context, string, ...any) *sql.Row { return &sql.Row{} }
