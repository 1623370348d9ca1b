package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/admin"
	"paymentd/ports"
)

// AdminHistory is ports.AdminHistory on MySQL.
type AdminHistory struct{ s *Payments }

// AdminHistory returns the repository of what people do with keys and endpoints, in the same database and on the same
// connections.
func (s *Payments) AdminHistory() ports.AdminHistory { return &AdminHistory{s} }

// Record implements ports.AdminHistory.
func (r *AdminHistory) Record(ctx context.Context, a admin.Act) error {
	err := r.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		err := insertAct(ctx, queries.New(conn), a)
		if hasNumber(err, errDuplicateKey) {
			return nil // an earlier try was stored, and its answer lost
		}
		return classifyCommit(err)
	})
	if err != nil {
		return fmt.Errorf("record an act: %w", err)
	}
	return nil
}

// insertAct stores acts in the transaction of the change.
func insertAct(ctx context.Context, q *queries.Queries, acts ...admin.Act) error {
	for _, a := range acts {
		err := q.InsertAct(ctx, queries.InsertActParams{
			ActID: a.ID, Actor: a.By, ActKind: a.Kind, ActSubject: a.Subject,
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
	before, id, limit := orTime(query.Before, latest), query.BeforeID, atMost(query.Limit)
	err = r.s.read(ctx, func(ctx context.Context, q *queries.Queries) (err error) {
		var rows []queries.AdminHistory
		if query.Subject == "" {
			rows, err = q.ListActs(ctx, queries.ListActsParams{Before: before, BeforeID: id, Limit: limit})
		} else {
			rows, err = q.ListActsOf(ctx, queries.ListActsOfParams{ActSubject: query.Subject, Before: before, BeforeID: id, Limit: limit})
		}
		acts = make([]admin.Act, len(rows))
		for i, row := range rows {
			acts[i] = admin.Act{
				ID: row.ActID, At: row.ActedAt, By: row.Actor, Kind: row.ActKind, Subject: row.ActSubject,
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
