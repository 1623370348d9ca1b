package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
)

// Resolve implements ports.Payments.
func (s *Payments) Resolve(ctx context.Context, r payment.Resolution) error {
	if _, err := s.update(ctx, newKeyUpdate(payment.Ref{OrderID: r.OrderID, Operation: r.Operation}, r.Apply)); err != nil {
		return fmt.Errorf("resolve payment: %w", err)
	}
	return nil
}

// Import implements ports.Payments. As with a claim, the INSERT comes first. The update shares its
// transaction, because neither may be stored without the other.
func (s *Payments) Import(ctx context.Context, i payment.Import) (payment.Verdict, error) {
	if !i.Operation.IsCharge() {
		return s.importOperation(ctx, i)
	}
	u := newKeyUpdate(payment.Ref{OrderID: i.OrderID}, i.Apply)
	exists := false
	ctx, err := s.withSubscribers(ctx)
	if err != nil {
		return "", fmt.Errorf("import payment: %w", err)
	}
	err = s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		if !exists {
			err := transact(ctx, conn, func(q *queries.Queries) error {
				row := textModeOf(ctx).insert(toInsert(i.Open(anyTime), anyTime, 0))
				if _, err := q.InsertPayment(ctx, row); err != nil {
					exists = hasNumber(err, errDuplicateKey)
					return fmt.Errorf("insert the payment: %w", err)
				}
				return u.apply(ctx, q)
			})
			if !exists {
				return err
			}
		}
		return u.write(ctx, conn)
	})
	if err != nil {
		return "", fmt.Errorf("import payment: %w", err)
	}
	return u.decision.Verdict, nil
}

// importOperation is Import for an operation other than a charge.
func (s *Payments) importOperation(ctx context.Context, i payment.Import) (payment.Verdict, error) {
	u := newKeyUpdate(payment.Ref{OrderID: i.OrderID, Operation: i.Operation}, nil)
	u.imported = &i
	d, err := s.update(ctx, u)
	if err != nil {
		return "", fmt.Errorf("import the operation: %w", err)
	}
	return d.Verdict, nil
}
