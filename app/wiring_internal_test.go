package app

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/goleak"
)

func TestWiringIsWhole(t *testing.T) {
	t.Parallel()

	require.NoError(t, fx.ValidateApp(module(Config{}, slog.New(slog.DiscardHandler))))
}

//nolint:paralleltest // it looks for goroutines, and those of other tests are none of its concern
func TestStartAndStopLeaveNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for range 5 {
		service := New(testConfig(t), slog.New(slog.DiscardHandler))
		require.NoError(t, service.Start(t.Context()))
		require.NoError(t, service.Stop(t.Context()))
	}
}

// testConfig is the default configuration on files of the test's own and on a free port.
func testConfig(t *testing.T) Config {
	t.Helper()
	cfg, err := Defaults()
	require.NoError(t, err)
	cfg.Addr = "127.0.0.1:0"
	cfg.Database = "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db")
	cfg.Gateway = "sandbox:" + filepath.Join(t.TempDir(), "ledger")
	return cfg
}
