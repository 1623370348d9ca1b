package app

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"paymentd/app/config"
	"paymentd/internal/leaktest"
)

func TestModule_ValidatesDependencies(t *testing.T) {
	t.Parallel()

	require.NoError(t, fx.ValidateApp(module(config.Config{}, slog.New(slog.DiscardHandler))))
}

//nolint:paralleltest // goroutines of other tests would look like leaks
func TestNew_StartAndStop_LeavesNoGoroutine(t *testing.T) {
	leaktest.Check(t)
	for range 5 {
		service := New(testConfig(t), slog.New(slog.DiscardHandler))
		require.NoError(t, service.Start(t.Context()))
		require.NoError(t, service.Stop(t.Context()))
	}
}

// testConfig returns the default configuration with files in a temporary folder and a free port.
func testConfig(t *testing.T) config.Config {
	t.Helper()
	cfg, err := config.Defaults()
	require.NoError(t, err)
	cfg.Addr = "127.0.0.1:0"
	cfg.Database = "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db")
	cfg.Gateway = "sandbox:" + filepath.Join(t.TempDir(), "ledger")
	return cfg
}
