package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// A read that the database refuses speaks of reading: neither of writes nor of charges.
func TestReads_RefusedByTheDatabase(t *testing.T) {
	t.Parallel()
	refused := fmt.Errorf("%w: a table is missing", ports.ErrNotWritable)
	s := serve(t, &processor{
		history: func(context.Context, payment.OrderID) (ports.History, error) { return ports.History{}, refused },
		list:    func(context.Context, ports.ListQuery) (ports.ListPage, error) { return ports.ListPage{}, refused },
	})
	for _, path := range []string{"/payments/order-1", "/payments?limit=1"} {
		got := s.get(path)
		require.Equal(t, http.StatusServiceUnavailable, got.status, path)
		require.NotEmpty(t, got.header.Get("Retry-After"), path)
		require.JSONEq(t, `{"error":"the database refuses the service to read this; `+
			`send the same request again later, and see the log of the service for the reason"}`, got.body, path)
	}
}
