package mysqlstore

import (
	"context"
	"fmt"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// SumOutstanding implements ports.OutstandingWork. It is one statement.
func (s *Payments) SumOutstanding(ctx context.Context) (sum ports.Outstanding, err error) {
	t, err := s.known(ctx)
	if err != nil {
		return ports.Outstanding{}, fmt.Errorf("sum up what is outstanding: %w", err)
	}
	limit := min(ports.MaxOutstanding, t.engine.maxCounted())
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		n := atMost(limit)
		rows, err := q.SumOutstanding(ctx, queries.SumOutstandingParams{Limit: n, Limit_2: n, Limit_3: n, Limit_4: n})
		if err != nil {
			return err
		}
		sum, err = outstanding(rows, limit)
		return err
	})
	if err != nil {
		return ports.Outstanding{}, fmt.Errorf("sum up what is outstanding: %w", err)
	}
	return sum, nil
}

// outstanding maps the groups of a statement that reads at most limit rows of each table.
func outstanding(rows []queries.SumOutstandingRow, limit int) (sum ports.Outstanding, err error) {
	type table struct{ charges, keys bool }
	read := make(map[table]int)
	parts := make([]ports.OutstandingGroup, 0, len(rows))
	for _, row := range rows {
		part, err := sqlrow.OutstandingRow{
			Kind: payment.Kind(row.OperationKind), State: row.State, Gateway: row.Gateway, Currency: row.Currency,
			HasAmount: row.HasAmount, InDoubt: row.InDoubt, Operations: row.Operations,
			Thousands: row.Thousands, Rest: row.Rest, FirstDue: row.FirstDue, FirstCreated: row.FirstCreated,
		}.Group(time.UnixMicro(row.NowMicros).UTC())
		if err != nil {
			return ports.Outstanding{}, err
		}
		of := table{part.Kind == payment.KindCharge, part.State == "" && part.Currency == ""}
		read[of] += part.Operations
		sum.More = sum.More || read[of] >= limit
		parts = append(parts, part)
	}
	sum.Groups = ports.SumGroups(parts)
	return sum, nil
}
