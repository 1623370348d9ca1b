package subscribers_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/endpoint"
	"paymentd/internal/subscribers"
	"paymentd/ports"
)

func TestCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			reads int
			fault error
			list  ports.EndpointList
		)
		c := subscribers.New(func(context.Context) (ports.EndpointList, error) {
			reads++
			return list, fault
		})
		fault = errors.New("unavailable")
		_, err := c.Get(t.Context())
		require.ErrorIs(t, err, fault, "they were never read")

		fault = nil
		for range 3 {
			found, err := c.Get(t.Context())
			require.NoError(t, err)
			require.Empty(t, found)
		}
		require.Equal(t, 2, reads)

		list.Endpoints = []endpoint.Endpoint{{ID: "ep_1"}}
		time.Sleep(ports.EndpointsMaxAge)
		found, err := c.Get(t.Context())
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Equal(t, 3, reads)

		fault = errors.New("unavailable")
		time.Sleep(ports.EndpointsMaxAge)
		found, err = c.Get(t.Context())
		require.NoError(t, err, "an outcome is stored with the endpoints that are known")
		require.Len(t, found, 1)
		failed := reads
		_, err = c.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, failed, reads, "not every caller waits for a read that fails")
		time.Sleep(time.Second)

		fault = nil
		reads = 0
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(func() {
				if _, err := c.Get(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		require.Equal(t, 1, reads, "one reads, and the others use what it has found")
	})
}

func TestOf_WithoutEndpointsIsAnError(t *testing.T) {
	t.Parallel()
	_, err := subscribers.Of(t.Context())
	require.Error(t, err)
	s, err := subscribers.Of(subscribers.In(t.Context(), nil))
	require.NoError(t, err, "no endpoint is none that is unknown")
	require.Empty(t, s)
}
