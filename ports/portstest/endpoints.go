package portstest

import (
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/endpoint"
	"paymentd/ports"
)

func endpointClauses() []eventClause {
	return []eventClause{
		{"endpoint/it is stored as created", createsEndpoint},
		{"endpoint/there is a maximum", limitsEndpoints},
		{"endpoint/an unknown one is not changed", func(e *events) {
			_, err := e.endpoints.Change(e.t.Context(), "ep_unknown", endpoint.Change{State: endpoint.StateDisabled})
			require.ErrorIs(e.t, err, ports.ErrNoSuchEndpoint)
		}},
		{"endpoint/a rotated secret overlaps with the one before", rotatesSecret},
		{"endpoint/one of concurrent rotations is stored", rotatesOnce},
		{"endpoint/a deleted one is not listed and loses its secrets", deletesEndpoint},
		{"endpoint/failures since a success are recorded", recordsFailures},
	}
}

// find returns an endpoint as it is stored.
func (e *events) find(id endpoint.ID) endpoint.Endpoint {
	e.t.Helper()
	list, err := e.endpoints.Current(e.t.Context())
	require.NoError(e.t, err)
	for _, found := range list.Endpoints {
		if found.ID == id {
			return found
		}
	}
	require.Fail(e.t, "not listed", id)
	return endpoint.Endpoint{}
}

func (e *events) change(id endpoint.ID, change endpoint.Change) endpoint.Endpoint {
	e.t.Helper()
	changed, err := e.endpoints.Change(e.t.Context(), id, change)
	require.NoError(e.t, err)
	return changed
}

func createsEndpoint(e *events) {
	patterns, err := endpoint.ParsePatterns("payment.succeeded,refund.*")
	require.NoError(e.t, err)
	created := endpoint.New("https://shop.example/"+strings.Repeat("a", 1900), patterns)
	for range 2 { // it is safe to repeat
		require.NoError(e.t, e.endpoints.Create(e.t.Context(), created))
	}
	e.subscribe("*")
	list, err := e.endpoints.Current(e.t.Context())
	require.NoError(e.t, err)
	require.Len(e.t, list.Endpoints, 2)
	found := e.find(created.ID)
	require.False(e.t, found.CreatedAt.IsZero())
	require.False(e.t, found.SeenAt.IsZero())
	found.CreatedAt, found.ChangedAt, found.SeenAt = time.Time{}, time.Time{}, time.Time{}
	require.Equal(e.t, created, found)
}

func limitsEndpoints(e *events) {
	for range endpoint.MaxEndpoints {
		e.subscribe("*")
	}
	one := endpoint.New("https://shop.example/", endpoint.Patterns{"*"})
	require.ErrorIs(e.t, e.endpoints.Create(e.t.Context(), one), ports.ErrTooManyEndpoints)
	list, err := e.endpoints.Current(e.t.Context())
	require.NoError(e.t, err)
	e.change(list.Endpoints[0].ID, endpoint.Change{State: endpoint.StateDeleted})
	require.NoError(e.t, e.endpoints.Create(e.t.Context(), one))
}

func rotatesSecret(e *events) {
	created := e.subscribe("*")
	next := endpoint.NewSecret()
	for range 2 { // it is safe to repeat
		e.change(created.ID, endpoint.Change{Secret: next, Overlap: time.Hour})
	}
	found := e.find(created.ID)
	require.Equal(e.t, []endpoint.Secret{next, created.Secret}, found.Secrets())
	e.change(created.ID, endpoint.Change{Secret: endpoint.NewSecret()})
	require.Len(e.t, e.find(created.ID).Secrets(), 1, "without an overlap")
}

// rotatesOnce: a second rotation would end the overlap in which receivers still hold the first secret.
func rotatesOnce(e *events) {
	created := e.subscribe("*")
	const concurrent = 3
	errs := make(chan error, concurrent)
	for range concurrent {
		go func() {
			_, err := e.endpoints.Change(e.t.Context(), created.ID, endpoint.Change{Secret: endpoint.NewSecret(), Overlap: time.Hour})
			errs <- err
		}()
	}
	stored := 0
	for range concurrent {
		err := <-errs
		if err == nil {
			stored++
			continue
		}
		var refused *endpoint.OverlapError
		require.ErrorAs(e.t, err, &refused)
	}
	require.Equal(e.t, 1, stored)
	require.Equal(e.t, created.Secret, e.find(created.ID).Previous)
}

func deletesEndpoint(e *events) {
	created := e.subscribe("*")
	deleted := e.change(created.ID, endpoint.Change{State: endpoint.StateDeleted})
	require.Empty(e.t, deleted.Secret.Reveal())
	list, err := e.endpoints.Current(e.t.Context())
	require.NoError(e.t, err)
	require.Empty(e.t, list.Endpoints)
	ids, err := e.endpoints.Deleted(e.t.Context(), 10)
	require.NoError(e.t, err)
	require.Equal(e.t, []endpoint.ID{created.ID}, ids)
	e.change(created.ID, endpoint.Change{State: endpoint.StateDeleted})
	e.change(created.ID, endpoint.Change{Attempted: true, Failed: true})
	_, err = e.endpoints.Change(e.t.Context(), created.ID, endpoint.Change{State: endpoint.StateActive})
	require.ErrorIs(e.t, err, endpoint.ErrDeleted)
	e.charged("order-1")
	require.Empty(e.t, e.stored(created))
}

func recordsFailures(e *events) {
	created := e.subscribe("*")
	first := e.change(created.ID, endpoint.Change{Attempted: true, Failed: true})
	require.False(e.t, first.FailingSince.IsZero())
	e.change(created.ID, endpoint.Change{Attempted: true, Failed: true})
	require.True(e.t, first.FailingSince.Equal(e.find(created.ID).FailingSince))
	e.change(created.ID, endpoint.Change{Attempted: true})
	require.True(e.t, e.find(created.ID).FailingSince.IsZero())
}
