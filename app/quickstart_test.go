package app_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// TestQuickstart_Replays follows the first steps of the README.
func TestQuickstart_Replays(t *testing.T) {
	t.Parallel()

	p := serve(t, nil)
	first := apptest.Pay(t.Context(), p.URL, "order-123", "100.00")
	require.Equal(t, http.StatusOK, first.Code, first)
	require.JSONEq(t, `{"status":"success","transaction_id":"txn-1"}`, first.Raw)
	require.Empty(t, first.Header.Get("Idempotent-Replayed"))

	second := apptest.Pay(t.Context(), p.URL, "order-123", "100.00")
	require.Equal(t, first.Raw, second.Raw)
	require.Equal(t, "true", second.Header.Get("Idempotent-Replayed"))

	p.Kill()
	p = p.Restart(t)
	p.WaitReady(t)
	third := apptest.Pay(t.Context(), p.URL, "order-123", "100")
	require.Equal(t, first.Raw, third.Raw)
	require.Equal(t, "true", third.Header.Get("Idempotent-Replayed"))
	other := apptest.Pay(t.Context(), p.URL, "order-124", "100")
	require.Equal(t, "txn-2", other.Body.TransactionID, "the sandbox charged more than once: %s", other)
}
