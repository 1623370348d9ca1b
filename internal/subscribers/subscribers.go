// Package subscribers keeps the webhook endpoints in memory, so that a store finds out without a query whether a
// change of a payment is an event for any of them.
package subscribers

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"paymentd/core/endpoint"
	"paymentd/ports"
)

// Cache has the endpoints as of the latest read. It is safe for concurrent use.
type Cache struct {
	read func(context.Context) (ports.EndpointList, error)

	reading sync.Mutex // one reads at a time, and the others use what it has found
	latest  atomic.Pointer[snapshot]
}

// snapshot is the result of one read, which began at a time. It does not change.
type snapshot struct {
	endpoints endpoint.Subscribers
	at        time.Time
}

// New returns an empty cache; read reads the endpoints from the database.
func New(read func(context.Context) (ports.EndpointList, error)) *Cache { return &Cache{read: read} }

// Read reads the endpoints, and keeps them.
func (c *Cache) Read(ctx context.Context) (ports.EndpointList, error) {
	at := time.Now()
	list, err := c.read(ctx)
	if err == nil {
		c.latest.Store(&snapshot{list.Endpoints, at})
	}
	return list, err
}

// Get returns the endpoints as of at most [ports.EndpointsMaxAge] ago, and reads them if the cache is older. If that
// fails, it returns the older ones: to record an outcome is more important than its event. It fails if the endpoints
// were never read.
func (c *Cache) Get(ctx context.Context) (endpoint.Subscribers, error) {
	if s := c.latest.Load(); s.fresh() {
		return s.endpoints, nil
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	s := c.latest.Load()
	if s.fresh() {
		return s.endpoints, nil
	}
	list, err := c.Read(ctx)
	switch {
	case err == nil:
		return list.Endpoints, nil
	case s != nil:
		// The other callers do not wait for a read of their own, each for its timeout.
		c.latest.Store(&snapshot{s.endpoints, time.Now().Add(retryAfter - ports.EndpointsMaxAge)})
		return s.endpoints, nil
	}
	return nil, err
}

// retryAfter is how long the older endpoints are used after a read that failed.
const retryAfter = time.Second

func (s *snapshot) fresh() bool { return s != nil && time.Since(s.at) < ports.EndpointsMaxAge }

// In returns a context for a change whose events these endpoints receive.
func In(ctx context.Context, s endpoint.Subscribers) context.Context {
	return context.WithValue(ctx, contextKey{}, s)
}

type contextKey struct{}

// errUnknown: the program is at fault.
var errUnknown = errors.New("a payment is changed without the endpoints that receive its events")

// Of returns the endpoints of the context. Without any, a change must not be stored, because its event would be lost.
func Of(ctx context.Context) (endpoint.Subscribers, error) {
	if s, known := ctx.Value(contextKey{}).(endpoint.Subscribers); known {
		return s, nil
	}
	return nil, errUnknown
}
