package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/admin"
	"paymentd/core/endpoint"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// Endpoints is ports.Endpoints on SQLite.
type Endpoints struct{ s *Payments }

// Endpoints returns the repository of the webhook endpoints, in the same file.
func (s *Payments) Endpoints() ports.Endpoints { return &Endpoints{s} }

// Create implements ports.Endpoints.
func (r *Endpoints) Create(ctx context.Context, e endpoint.Endpoint) error {
	err := r.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		if _, err := q.FindEndpoint(ctx, e.ID); !isNotFound(err) {
			return err // nil: an earlier try was stored, and its answer lost
		}
		n, err := q.CountEndpoints(ctx)
		if err != nil {
			return err
		}
		if n >= endpoint.MaxEndpoints {
			return ports.ErrTooManyEndpoints
		}
		err = q.InsertEndpoint(ctx, queries.InsertEndpointParams{
			ID: e.ID, Url: e.URL, Patterns: e.Events.String(), EndpointState: e.State, Secret: e.Secret.Reveal(),
			Now: now.UnixMicro(),
		})
		if err != nil {
			return err
		}
		return insertAct(ctx, q, now, admin.CreateEndpoint(e))
	})
	if err != nil {
		return fmt.Errorf("create endpoint: %w", err)
	}
	_, _ = r.s.subscribers.Read(ctx) // if it fails, the endpoint is known later
	return nil
}

// Current implements ports.Endpoints.
func (r *Endpoints) Current(ctx context.Context) (ports.EndpointList, error) {
	list, err := r.s.subscribers.Read(ctx)
	if err != nil {
		return ports.EndpointList{}, fmt.Errorf("list the endpoints: %w", err)
	}
	return list, nil
}

// readEndpoints reads the endpoints that are not deleted.
func (s *Payments) readEndpoints(ctx context.Context) (list ports.EndpointList, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		rows, err := q.ListEndpoints(ctx, 2*endpoint.MaxEndpoints)
		if err != nil {
			return err
		}
		list = ports.EndpointList{}
		for _, row := range rows {
			e := fromEndpoint(row.Endpoint, now)
			if err := sqlrow.Collect(&list.Endpoints, &list.Unreadable, e, e.Validate()); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// Deleted implements ports.Endpoints.
func (r *Endpoints) Deleted(ctx context.Context, limit int) (ids []endpoint.ID, err error) {
	err = r.s.read(ctx, func(ctx context.Context, q *queries.Queries, _ time.Time) error {
		ids, err = q.ListDeletedEndpoints(ctx, int64(max(0, limit)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the deleted endpoints: %w", err)
	}
	return ids, nil
}

// Change implements ports.Endpoints.
func (r *Endpoints) Change(ctx context.Context, id endpoint.ID, change endpoint.Change) (e endpoint.Endpoint, err error) {
	err = r.s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		e, err = changeEndpoint(ctx, q, id, change, now)
		return err
	})
	if err != nil {
		return endpoint.Endpoint{}, fmt.Errorf("change endpoint %s: %w", id, err)
	}
	if !change.Attempted {
		_, _ = r.s.subscribers.Read(ctx) // if it fails, the change is known later
	}
	return e, nil
}

// changeEndpoint runs in a transaction.
func changeEndpoint(
	ctx context.Context, q *queries.Queries, id endpoint.ID, change endpoint.Change, now time.Time,
) (endpoint.Endpoint, error) {
	row, err := q.FindEndpoint(ctx, id)
	if isNotFound(err) {
		return endpoint.Endpoint{}, ports.ErrNoSuchEndpoint
	}
	if err != nil {
		return endpoint.Endpoint{}, fmt.Errorf("find the endpoint: %w", err)
	}
	found := fromEndpoint(row.Endpoint, now)
	e, changed, err := change.Apply(found, now)
	if err != nil || !changed {
		return e, err
	}
	if act, byPerson := admin.ChangeEndpoint(found, e, change); byPerson {
		if err := insertAct(ctx, q, now, act); err != nil {
			return e, err
		}
	}
	return e, q.UpdateEndpoint(ctx, queries.UpdateEndpointParams{
		EndpointState: e.State, Secret: e.Secret.Reveal(), PreviousSecret: e.Previous.Reveal(),
		PreviousUntil: nullable(e.PreviousUntil), FailingSince: nullable(e.FailingSince), ChangedAt: e.ChangedAt.UnixMicro(), ID: id,
	})
}

func fromEndpoint(row queries.Endpoint, now time.Time) endpoint.Endpoint {
	return endpoint.Endpoint{
		ID: row.ID, URL: row.Url, Events: endpoint.ReadPatterns(row.Patterns), State: row.EndpointState,
		Secret: endpoint.ReadSecret(row.Secret), Previous: endpoint.ReadSecret(row.PreviousSecret),
		PreviousUntil: orZero(row.PreviousUntil), FailingSince: orZero(row.FailingSince),
		CreatedAt: fromMicros(row.CreatedAt), ChangedAt: fromMicros(row.ChangedAt), SeenAt: now,
	}
}
