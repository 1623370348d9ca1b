package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/apikey"
	"paymentd/ports"
)

// Keys is ports.Keys on MySQL.
type Keys struct{ s *Payments }

// Keys returns the repository of the API keys, in the same database and on the same connections.
func (s *Payments) Keys() ports.Keys { return &Keys{s} }

// Create implements ports.Keys.
func (k *Keys) Create(ctx context.Context, key apikey.Key) error {
	err := k.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return insertKey(ctx, queries.New(conn), key)
	})
	if err != nil {
		return fmt.Errorf("create API key: %w", err)
	}
	return nil
}

// insertKey is several statements, each by itself, so that none holds a lock for another. The
// unique names are what decides between two that are created at once.
func insertKey(ctx context.Context, q *queries.Queries, key apikey.Key) error {
	if known, err := knowsKey(ctx, q, key.ID); err != nil || known {
		return err // stored already, and the answer to that was lost
	}
	active, err := q.CountActiveKeys(ctx)
	if err != nil {
		return err
	}
	if active >= apikey.MaxActive {
		return ports.ErrTooManyKeys
	}
	err = q.InsertKey(ctx, queries.InsertKeyParams{
		ID: key.ID, Name: key.Name, ActiveName: sql.NullString{String: string(key.Name), Valid: true},
		Scopes: key.Scopes.String(), Hash: key.Hash[:],
	})
	if !hasNumber(err, errDuplicateKey) {
		return atCommit(err)
	}
	if known, err := knowsKey(ctx, q, key.ID); err != nil || known {
		return err // an earlier try has come late
	}
	return ports.ErrKeyNameTaken
}

func knowsKey(ctx context.Context, q *queries.Queries, id apikey.ID) (bool, error) {
	// A key that has the id as its name is not this one, and neither is a damaged row without a name.
	row, err := q.FindKey(ctx, queries.FindKeyParams{ID: id, Name: apikey.Name(id)})
	if noRows(err) {
		return false, nil
	}
	return err == nil && row.ApiKey.ID == id, err
}

// Revoke implements ports.Keys.
func (k *Keys) Revoke(ctx context.Context, idOrName string) (key apikey.Key, err error) {
	lost := false // the answer to an earlier try
	err = k.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		q := queries.New(conn)
		if key, err = findKey(ctx, q, idOrName); err != nil {
			return err
		}
		if !key.Active() {
			return revokedAlready(lost)
		}
		revoked, err := q.RevokeKey(ctx, key.ID)
		if err = atCommit(err); err != nil {
			_, unanswered := errors.AsType[*unansweredError](err)
			lost = lost || unanswered
			return err
		}
		idOrName = string(key.ID) // its name is free from here on
		if key, err = findKey(ctx, q, idOrName); err != nil {
			return err
		}
		return revokedAlready(revoked > 0)
	})
	if err != nil {
		return key, fmt.Errorf("revoke API key: %w", err)
	}
	return key, nil
}

func revokedAlready(byUs bool) error {
	if byUs {
		return nil
	}
	return ports.ErrKeyRevoked
}

func findKey(ctx context.Context, q *queries.Queries, idOrName string) (apikey.Key, error) {
	row, err := q.FindKey(ctx, queries.FindKeyParams{ID: apikey.ID(idOrName), Name: apikey.Name(idOrName)})
	if noRows(err) {
		return apikey.Key{}, ports.ErrNoSuchKey
	}
	if err != nil {
		return apikey.Key{}, err
	}
	return fromKey(row.ApiKey)
}

// List implements ports.Keys.
func (k *Keys) List(ctx context.Context, limit int) (list ports.KeyList, err error) {
	err = k.s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		listed, err := q.ListKeys(ctx, int32(max(0, min(limit, maxKeys))))
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

// maxKeys is the longest list of keys that is ever asked for.
const maxKeys = 1 << 20

// Active implements ports.Keys. While there is an active key it is one statement.
func (k *Keys) Active(ctx context.Context) (active ports.ActiveKeys, err error) {
	err = k.s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
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
func (k *Keys) NoteUse(ctx context.Context, ids []apikey.ID, grain time.Duration) error {
	if len(ids) == 0 {
		return nil
	}
	err := k.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		params := queries.NoteKeysUsedParams{Ids: ids, GrainMicros: grain.Microseconds()}
		return atCommit(queries.New(conn).NoteKeysUsed(ctx, params))
	})
	if err != nil {
		return fmt.Errorf("note the use of API keys: %w", err)
	}
	return nil
}

// fromKey returns a key as it was read, or the *apikey.StoredRowError that says why the row makes none.
func fromKey(row queries.ApiKey) (apikey.Key, error) {
	hash, err := apikey.ReadHash(row.ID, row.Hash)
	if err != nil {
		return apikey.Key{}, err
	}
	key := apikey.Key{
		ID: row.ID, Name: row.Name, Scopes: apikey.ReadScopes(row.Scopes), Hash: hash,
		CreatedAt: row.CreatedAt, LastUsedAt: row.LastUsedAt.Time, RevokedAt: row.RevokedAt.Time,
	}
	return key, key.Validate()
}

// readKeys returns the keys that the rows make, and why the others make none.
func readKeys(rows []queries.ApiKey) (keys []apikey.Key, unreadable []*apikey.StoredRowError, err error) {
	for _, row := range rows {
		key, err := fromKey(row)
		if damaged, ok := errors.AsType[*apikey.StoredRowError](err); ok {
			unreadable = append(unreadable, damaged)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, key)
	}
	return keys, unreadable, nil
}
