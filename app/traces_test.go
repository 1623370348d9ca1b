package app_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"paymentd/adapters/tracing"
	"paymentd/app"
	"paymentd/app/apptest"
	"paymentd/app/config"
)

// TestTraces_OnlyIfConfigured runs the service with and without a collector.
func TestTraces_OnlyIfConfigured(t *testing.T) {
	t.Parallel()

	var exports atomic.Int32
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/traces" {
			exports.Add(1)
		}
	}))
	defer collector.Close()
	for _, tt := range []struct {
		name, traces string
		want         int32
	}{{"off", "", 0}, {"on", collector.URL, 1}} {
		cfg, err := config.Defaults()
		require.NoError(t, err)
		cfg.Addr, cfg.Database = "127.0.0.1:0", "sqlite:"+filepath.Join(t.TempDir(), "paymentd.db")
		cfg.Gateway = "sandbox:" + filepath.Join(t.TempDir(), "ledger")
		cfg.Traces = tt.traces

		var server *app.Server
		var traces *tracing.Tracing
		service := app.New(cfg, slog.New(slog.DiscardHandler), fx.Populate(&server, &traces))
		require.NoError(t, service.Start(t.Context()))
		answer := apptest.Pay(t.Context(), "http://"+server.Addr(), "order-1", "100.00")
		require.Equal(t, http.StatusOK, answer.Code, answer)
		require.NoError(t, service.Stop(t.Context()))
		require.Equal(t, tt.want > 0, traces != nil, tt.name)
		require.Equal(t, tt.want, exports.Load(), tt.name)
	}
}
