package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/admin"
	"paymentd/core/apikey"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// Keys is ports.Keys on SQLite. Its changes are made under the write lock, so that what a change has
// read is still true when it writes.
type Keys struct{ s *Payments }

// Keys returns the repository of the API keys, in the same file.
func (s *Payments) Keys() ports.Keys { return &Keys{s} }

// Create implements ports.Keys.
func (k *Keys) Create(ctx context.Context, key apikey.Key) error {
	err := k.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		return insertKey(ctx, q, key, now)
	})
	if err != nil {
		return fmt.Errorf("create API key: %w", err)
	}
	return nil
}

func insertKey(ctx context.Context, q *queries.Queries, key apikey.Key, now time.Time) error {
	switch found, err := q.FindKey(ctx, queries.FindKeyParams{ID: key.ID, Name: key.Name}); {
	case isNotFound(err):
	case err != nil:
		return err
	case found.ApiKey.ID == key.ID:
		return nil // an earlier try was stored, and its answer lost
	case found.ApiKey.ActiveName.String == string(key.Name):
		return ports.ErrKeyNameTaken
	}
	if err := addKey(ctx, q, key, now); err != nil {
		return err
	}
	return insertAct(ctx, q, now, admin.CreateKey(key))
}

// addKey inserts a key unless there are too many.
func addKey(ctx context.Context, q *queries.Queries, key apikey.Key, now time.Time) error {
	active, err := q.CountActiveKeys(ctx, keptSince(now))
	if err != nil {
		return err
	}
	if active >= apikey.MaxActive {
		return ports.ErrTooManyKeys
	}
	return q.InsertKey(ctx, queries.InsertKeyParams{
		ID: key.ID, Name: key.Name, ActiveName: sql.NullString{String: string(key.Name), Valid: true},
		Scopes: key.StoredScopes(), Hash: key.Hash[:], Now: now.UnixMicro(), ExpiresAt: nullable(key.ExpiresAt),
		OrderPrefixes: apikey.JoinLimits(key.Limits.OrderPrefixes), Gateways: apikey.JoinLimits(key.Limits.Gateways),
		CreatedBy: apikey.Actor(key.CreatedBy),
	})
}

// keptSince is the expiry of the oldest key that is listed as an active one.
func keptSince(now time.Time) sql.NullInt64 { return nullable(now.Add(-apikey.KeepExpired)) }

// Revoke implements ports.Keys.
func (k *Keys) Revoke(ctx context.Context, idOrName, by string) (key apikey.Key, err error) {
	err = k.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		if key, _, err = findKey(ctx, q, idOrName); err != nil {
			return err
		}
		if !key.Active() {
			return ports.ErrKeyRevoked
		}
		key.RevokedAt, key.RevokedBy = now, apikey.Actor(by)
		if err := q.RevokeKey(ctx, queries.RevokeKeyParams{ID: key.ID, Now: nullable(now), RevokedBy: key.RevokedBy}); err != nil {
			return err
		}
		return insertAct(ctx, q, now, admin.RevokeKey(key, by))
	})
	if err != nil {
		return key, fmt.Errorf("revoke API key: %w", err)
	}
	return key, nil
}

// findKey returns a key, and the name that it has now.
func findKey(ctx context.Context, q *queries.Queries, idOrName string) (apikey.Key, apikey.Name, error) {
	row, err := q.FindKey(ctx, queries.FindKeyParams{ID: apikey.ID(idOrName), Name: apikey.Name(idOrName)})
	if isNotFound(err) {
		return apikey.Key{}, "", ports.ErrNoSuchKey
	}
	if err != nil {
		return apikey.Key{}, "", err
	}
	key, err := fromKey(row.ApiKey)
	return key, apikey.Name(row.ApiKey.ActiveName.String), err
}

// Rotate implements ports.Keys.
func (k *Keys) Rotate(
	ctx context.Context, idOrName string, next apikey.Key, overlap time.Duration,
) (before, after apikey.Key, err error) {
	err = k.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		found, name, err := findKey(ctx, q, idOrName)
		if err != nil {
			return err
		}
		switch stored, _, err := findKey(ctx, q, string(next.ID)); {
		case err == nil: // an earlier try was stored, and its answer lost
			before, after = found, stored
			return nil
		case !errors.Is(err, ports.ErrNoSuchKey):
			return err
		case !found.Active():
			return ports.ErrKeyRevoked
		case name != found.Name:
			return apikey.ErrSuperseded
		}
		if before, after, err = found.Rotate(next, overlap, now); err != nil {
			return err
		}
		after.CreatedAt, after.CreatedBy = now, apikey.Actor(after.CreatedBy)
		if err := supersede(ctx, q, before, after, now); err != nil {
			return err
		}
		return insertAct(ctx, q, now, admin.RotateKey(found, before, after)...)
	})
	if err != nil {
		return before, after, fmt.Errorf("rotate API key: %w", err)
	}
	return before, after, nil
}

// supersede gives the name of a key to its successor.
func supersede(ctx context.Context, q *queries.Queries, before, after apikey.Key, now time.Time) error {
	err := q.SupersedeKey(ctx, queries.SupersedeKeyParams{
		ID: before.ID, ExpiresAt: nullable(before.ExpiresAt), Scopes: before.StoredScopes(),
	})
	if err != nil {
		return err
	}
	return addKey(ctx, q, after, now)
}

// List implements ports.Keys.
func (k *Keys) List(ctx context.Context, limit int) (list ports.KeyList, err error) {
	err = k.s.read(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) error {
		listed, err := q.ListKeys(ctx, int64(max(0, limit)))
		if err != nil {
			return err
		}
		rows := make([]queries.ApiKey, len(listed))
		for i := range listed {
			rows[i] = listed[i].ApiKey
		}
		list.Keys, list.Unreadable, err = readKeys(rows)
		return err
	})
	if err != nil {
		return ports.KeyList{}, fmt.Errorf("list API keys: %w", err)
	}
	return list, nil
}

// Active implements ports.Keys. It is one statement while there is an active key.
func (k *Keys) Active(ctx context.Context) (active ports.ActiveKeys, err error) {
	err = k.s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		listed, err := q.ListActiveKeys(ctx, keptSince(now))
		if err != nil {
			return err
		}
		rows := make([]queries.ApiKey, len(listed))
		for i := range listed {
			rows[i] = listed[i].ApiKey
		}
		active = ports.ActiveKeys{Ever: len(rows) > 0}
		if active.Keys, active.Unreadable, err = readKeys(rows); err != nil {
			return err
		}
		if !active.Ever {
			active.Ever, err = q.AnyKey(ctx)
		}
		return err
	})
	if err != nil {
		return ports.ActiveKeys{}, fmt.Errorf("read the active API keys: %w", err)
	}
	return active, nil
}

// NoteUse implements ports.Keys.
func (k *Keys) NoteUse(ctx context.Context, ids []apikey.ID, resolution time.Duration) error {
	if len(ids) == 0 {
		return nil
	}
	err := k.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		for _, id := range ids {
			params := queries.NoteKeyUsedParams{ID: id, Now: nullable(now), NotedBefore: nullable(now.Add(-resolution))}
			if err := q.NoteKeyUsed(ctx, params); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record the use of API keys: %w", err)
	}
	return nil
}

// fromKey returns a *apikey.StoredRowError if the row is damaged.
func fromKey(row queries.ApiKey) (apikey.Key, error) {
	return apikey.Row{
		ID: row.ID, Name: row.Name, Scopes: row.Scopes, Hash: row.Hash,
		OrderPrefixes: row.OrderPrefixes, Gateways: row.Gateways, CreatedBy: row.CreatedBy, RevokedBy: row.RevokedBy,
		CreatedAt: fromMicros(row.CreatedAt), LastUsedAt: orZero(row.LastUsedAt), RevokedAt: orZero(row.RevokedAt),
		ExpiresAt: orZero(row.ExpiresAt),
	}.Key()
}

// readKeys returns the keys of the rows, and the errors of those that are damaged.
func readKeys(rows []queries.ApiKey) (keys []apikey.Key, unreadable []*apikey.StoredRowError, err error) {
	for _, row := range rows {
		key, err := fromKey(row)
		if err := sqlrow.Collect(&keys, &unreadable, key, err); err != nil {
			return nil, nil, err
		}
	}
	return keys, unreadable, nil
}
