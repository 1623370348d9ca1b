package fake

import (
	"context"
	"slices"
	"time"

	"paymentd/core/admin"
	"paymentd/core/endpoint"
	"paymentd/ports"
)

// Endpoints is ports.Endpoints in memory. Changes are respected at once.
type Endpoints struct{ s *Payments }

// Endpoints returns the webhook endpoints of the repository.
func (s *Payments) Endpoints() *Endpoints { return &Endpoints{s} }

// Create implements ports.Endpoints.
func (r *Endpoints) Create(ctx context.Context, e endpoint.Endpoint) error {
	return r.s.transact(ctx, func(now time.Time) error {
		kept := 0
		for _, other := range r.s.endpoints {
			if other.ID == e.ID {
				return nil
			}
			if other.State != endpoint.StateDeleted {
				kept++
			}
		}
		if kept >= endpoint.MaxEndpoints {
			return ports.ErrTooManyEndpoints
		}
		e.CreatedAt, e.ChangedAt = now, now
		r.s.endpoints = append(r.s.endpoints, e)
		r.s.Acts.add(now, admin.CreateEndpoint(e))
		return nil
	})
}

// Current implements ports.Endpoints.
func (r *Endpoints) Current(ctx context.Context) (list ports.EndpointList, err error) {
	err = r.s.transact(ctx, func(now time.Time) error {
		for _, e := range r.s.endpoints {
			if e.State != endpoint.StateDeleted {
				e.SeenAt = now
				list.Endpoints = append(list.Endpoints, e)
			}
		}
		return nil
	})
	return list, err
}

// Deleted implements ports.Endpoints.
func (r *Endpoints) Deleted(ctx context.Context, limit int) (ids []endpoint.ID, err error) {
	err = r.s.transact(ctx, func(time.Time) error {
		for _, e := range slices.Backward(r.s.endpoints) {
			if e.State == endpoint.StateDeleted && len(ids) < limit {
				ids = append(ids, e.ID)
			}
		}
		return nil
	})
	return ids, err
}

// Change implements ports.Endpoints.
func (r *Endpoints) Change(ctx context.Context, id endpoint.ID, change endpoint.Change) (e endpoint.Endpoint, err error) {
	err = r.s.transact(ctx, func(now time.Time) error {
		i := slices.IndexFunc(r.s.endpoints, func(e endpoint.Endpoint) bool { return e.ID == id })
		if i < 0 {
			return ports.ErrNoSuchEndpoint
		}
		e = r.s.endpoints[i]
		e.SeenAt = now
		changed, write, err := change.Apply(e, now)
		if e = changed; write && err == nil {
			if act, byPerson := admin.ChangeEndpoint(r.s.endpoints[i], e, change); byPerson {
				r.s.Acts.add(now, act)
			}
			r.s.endpoints[i] = e
		}
		return err
	})
	return e, err
}
