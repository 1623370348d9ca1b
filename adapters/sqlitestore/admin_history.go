package sqlitestore

import (
	"context"
	"fmt"
	"math"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/admin"
	"paymentd/ports"
)

// AdminHistory is ports.AdminHistory on SQLite.
type AdminHistory struct{ s *Payments }

// AdminHistory returns the repository of what people do with keys and endpoints, in the same file.
func (s *Payments) AdminHistory() ports.AdminHistory { return &AdminHistory{s} }

// Record implements ports.AdminHistory.
func (r *AdminHistory) Record(ctx context.Context, a admin.Act) error {
	err := r.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		return insertAct(ctx, q, now, a)
	})
	if err != nil {
		return fmt.Errorf("record an act: %w", err)
	}
	return nil
}

// insertAct stores acts in the transaction of the change.
func insertAct(ctx context.Context, q *queries.Queries, now time.Time, acts ...admin.Act) error {
	for _, a := range acts {
		err := q.InsertAct(ctx, queries.InsertActParams{
			ActID: a.ID, Now: now.UnixMicro(), Actor: a.By, ActKind: a.Kind, ActSubject: a.Subject,
			FieldsBefore: a.Before.Encode(), FieldsAfter: a.After.Encode(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// List implements ports.AdminHistory.
func (r *AdminHistory) List(ctx context.Context, query ports.AdminQuery) (acts []admin.Act, err error) {
	before, id, limit := int64(math.MaxInt64), query.BeforeID, int64(max(0, query.Limit))
	if !query.Before.IsZero() {
		before = query.Before.UnixMicro()
	}
	err = r.s.read(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) (err error) {
		var rows []queries.AdminHistory
		if query.Subject == "" {
			rows, err = q.ListActs(ctx, queries.ListActsParams{Before: before, BeforeID: id, MaxRows: limit})
		} else {
			rows, err = q.ListActsOf(ctx, queries.ListActsOfParams{ActSubject: query.Subject, Before: before, BeforeID: id, MaxRows: limit})
		}
		acts = make([]admin.Act, len(rows))
		for i, row := range rows {
			acts[i] = admin.Act{
				ID: row.ActID, At: fromMicros(row.ActedAt), By: row.Actor, Kind: row.ActKind, Subject: row.ActSubject,
				Before: admin.ReadFields(row.FieldsBefore), After: admin.ReadFields(row.FieldsAfter),
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list acts: %w", err)
	}
	return acts, nil
}
