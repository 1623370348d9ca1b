package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
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
	case found.ApiKey.ActiveName.Valid:
		return ports.ErrKeyNameTaken
	}
	active, err := q.CountActiveKeys(ctx)
	if err != nil {
		return err
	}
	if active >= apikey.MaxActive {
		return ports.ErrTooManyKeys
	}
	return q.InsertKey(ctx, queries.InsertKeyParams{
		ID: key.ID, Name: key.Name, ActiveName: sql.NullString{String: string(key.Name), Valid: true},
		Scopes: key.Scopes.String(), Hash: key.Hash[:], Now: now.UnixMicro(),
	})
}

// Revoke implements ports.Keys.
func (k *Keys) Revoke(ctx context.Context, idOrName string) (key apikey.Key, err error) {
	err = k.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		row, err := q.FindKey(ctx, queries.FindKeyParams{ID: apikey.ID(idOrName), Name: apikey.Name(idOrName)})
		if isNotFound(err) {
			return ports.ErrNoSuchKey
		}
		if err != nil {
			return err
		}
		if key, err = fromKey(row.ApiKey); err != nil {
			return err
		}
		if !key.Active() {
			return ports.ErrKeyRevoked
		}
		key.RevokedAt = now
		return q.RevokeKey(ctx, queries.RevokeKeyParams{ID: key.ID, Now: nullable(now)})
	})
	if err != nil {
		return key, fmt.Errorf("revoke API key: %w", err)
	}
	return key, nil
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
	err = k.s.read(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) error {
		listed, err := q.ListActiveKeys(ctx)
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
	hash, err := apikey.ReadHash(row.ID, row.Hash)
	if err != nil {
		return apikey.Key{}, err
	}
	key := apikey.Key{
		ID: row.ID, Name: row.Name, Scopes: apikey.ReadScopes(row.Scopes), Hash: hash,
		CreatedAt: fromMicros(row.CreatedAt), LastUsedAt: orZero(row.LastUsedAt), RevokedAt: orZero(row.RevokedAt),
	}
	return key, key.Validate()
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
