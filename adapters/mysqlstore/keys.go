package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/admin"
	"paymentd/core/apikey"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// Keys is ports.Keys on MySQL.
type Keys struct{ s *Payments }

// Keys returns the repository of the API keys, in the same database and on the same connections.
func (s *Payments) Keys() ports.Keys { return &Keys{s} }

// Create implements ports.Keys.
func (k *Keys) Create(ctx context.Context, key apikey.Key) error {
	err := k.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return insertKey(ctx, conn, key)
	})
	if err != nil {
		return fmt.Errorf("create API key: %w", err)
	}
	return nil
}

// insertKey counts outside of the transaction that inserts, so that no lock is held meanwhile. The unique index on the
// name decides between two keys that are created at once.
func insertKey(ctx context.Context, conn *sql.Conn, key apikey.Key) error {
	q := queries.New(conn)
	if known, err := knowsKey(ctx, q, key.ID); err != nil || known {
		return err // an earlier try was stored, and its answer lost
	}
	active, err := q.CountActiveKeys(ctx, apikey.KeepExpired.Microseconds())
	if err != nil {
		return err
	}
	if active >= apikey.MaxActive {
		return ports.ErrTooManyKeys
	}
	err = transact(ctx, conn, func(q *queries.Queries) error {
		if err := q.InsertKey(ctx, newKeyRow(key)); err != nil {
			return err
		}
		return insertAct(ctx, q, admin.CreateKey(key))
	})
	if !hasNumber(err, errDuplicateKey) {
		return err
	}
	if known, err := knowsKey(ctx, q, key.ID); err != nil || known {
		return err // an earlier try was stored meanwhile
	}
	return ports.ErrKeyNameTaken
}

func newKeyRow(key apikey.Key) queries.InsertKeyParams {
	return queries.InsertKeyParams{
		ID: key.ID, Name: key.Name, ActiveName: sql.NullString{String: string(key.Name), Valid: true},
		Scopes: key.StoredScopes(), Hash: key.Hash[:], ExpiresAt: nullable(key.ExpiresAt),
		OrderPrefixes: apikey.JoinLimits(key.Limits.OrderPrefixes), Gateways: apikey.JoinLimits(key.Limits.Gateways),
		CreatedBy: apikey.Actor(key.CreatedBy),
	}
}

func knowsKey(ctx context.Context, q *queries.Queries, id apikey.ID) (bool, error) {
	// FindKey also matches another key with the id as its name, and a damaged row without a name.
	row, err := q.FindKey(ctx, queries.FindKeyParams{ID: id, Name: apikey.Name(id)})
	if isNotFound(err) {
		return false, nil
	}
	return err == nil && row.ApiKey.ID == id, err
}

// Revoke implements ports.Keys.
func (k *Keys) Revoke(ctx context.Context, idOrName, by string) (key apikey.Key, err error) {
	lost := false // the answer to an earlier try was lost
	err = k.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		q := queries.New(conn)
		if key, err = findKey(ctx, q, idOrName); err != nil {
			return err
		}
		if !key.Active() {
			return revokedAlready(lost)
		}
		revoked, err := revokeKey(ctx, conn, key, by)
		if err != nil {
			_, unanswered := errors.AsType[*ambiguousCommitError](err)
			lost = lost || unanswered
			return err
		}
		idOrName = string(key.ID) // because its name is free now
		if key, err = findKey(ctx, q, idOrName); err != nil {
			return err
		}
		return revokedAlready(revoked)
	})
	if err != nil {
		return key, fmt.Errorf("revoke API key: %w", err)
	}
	return key, nil
}

// revokeKey revokes an active key, and returns false if it was revoked meanwhile.
func revokeKey(ctx context.Context, conn *sql.Conn, key apikey.Key, by string) (revoked bool, err error) {
	err = transact(ctx, conn, func(q *queries.Queries) error {
		n, err := q.RevokeKey(ctx, queries.RevokeKeyParams{ID: key.ID, RevokedBy: apikey.Actor(by)})
		if revoked = n > 0; err != nil || !revoked {
			return err
		}
		return insertAct(ctx, q, admin.RevokeKey(key, by))
	})
	return revoked, err
}

// Rotate implements ports.Keys.
func (k *Keys) Rotate(
	ctx context.Context, idOrName string, next apikey.Key, overlap time.Duration,
) (before, after apikey.Key, err error) {
	err = k.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		found, err := findKey(ctx, queries.New(conn), idOrName)
		if err != nil {
			return err
		}
		idOrName = string(found.ID) // of the first try: its name is that of the successor once it is rotated
		return transact(ctx, conn, func(q *queries.Queries) error { return rotateKey(ctx, q, found.ID, next, overlap) })
	})
	if err == nil {
		before, after, err = k.rotated(ctx, apikey.ID(idOrName), next.ID)
	}
	if err != nil {
		return before, after, fmt.Errorf("rotate API key: %w", err)
	}
	return before, after, nil
}

func rotateKey(ctx context.Context, q *queries.Queries, id apikey.ID, next apikey.Key, overlap time.Duration) error {
	row, err := q.LockKey(ctx, id)
	if err != nil {
		return err
	}
	if known, err := knowsKey(ctx, q, next.ID); err != nil || known {
		return err // an earlier try was stored, and its answer lost
	}
	found, err := fromKey(row.ApiKey)
	switch {
	case err != nil:
		return err
	case !found.Active():
		return ports.ErrKeyRevoked
	case row.ApiKey.ActiveName.String != string(found.Name):
		return apikey.ErrSuperseded
	}
	active, err := q.CountActiveKeys(ctx, apikey.KeepExpired.Microseconds())
	if err != nil {
		return err
	}
	if active >= apikey.MaxActive {
		return ports.ErrTooManyKeys
	}
	before, after, err := found.Rotate(next, overlap, row.ReadAt)
	if err != nil {
		return err
	}
	err = q.SupersedeKey(ctx, queries.SupersedeKeyParams{
		ID: before.ID, ExpiresAt: nullable(before.ExpiresAt), Scopes: before.StoredScopes(),
	})
	if err != nil {
		return err
	}
	if err := q.InsertKey(ctx, newKeyRow(after)); err != nil {
		return err
	}
	return insertAct(ctx, q, admin.RotateKey(found, before, after)...)
}

// rotated reads a rotated key and its successor.
func (k *Keys) rotated(ctx context.Context, id, next apikey.ID) (before, after apikey.Key, err error) {
	err = k.s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		if before, err = findKey(ctx, q, string(id)); err != nil {
			return err
		}
		after, err = findKey(ctx, q, string(next))
		return err
	})
	return before, after, err
}

func revokedAlready(byUs bool) error {
	if byUs {
		return nil
	}
	return ports.ErrKeyRevoked
}

func findKey(ctx context.Context, q *queries.Queries, idOrName string) (apikey.Key, error) {
	row, err := q.FindKey(ctx, queries.FindKeyParams{ID: apikey.ID(idOrName), Name: apikey.Name(idOrName)})
	if isNotFound(err) {
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

// maxKeys limits a list of keys.
const maxKeys = 1 << 20

// Active implements ports.Keys. It is one statement while there is an active key.
func (k *Keys) Active(ctx context.Context) (active ports.ActiveKeys, err error) {
	err = k.s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		listed, err := q.ListActiveKeys(ctx, apikey.KeepExpired.Microseconds())
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
	err := k.s.write(ctx, func(ctx context.Context, conn *sql.Conn) error {
		params := queries.NoteKeysUsedParams{Ids: ids, ResolutionMicros: resolution.Microseconds()}
		return classifyCommit(queries.New(conn).NoteKeysUsed(ctx, params))
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
		CreatedAt: row.CreatedAt, LastUsedAt: row.LastUsedAt.Time, RevokedAt: row.RevokedAt.Time, ExpiresAt: row.ExpiresAt.Time,
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
