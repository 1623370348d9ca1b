package app_test

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"paymentd/adapters/fake"
	"paymentd/app"
	"paymentd/app/apptest"
	"paymentd/app/config"
	"paymentd/ports"
)

// TestSwapGateway shows how a test swaps an adapter of the whole service for a fake.
func TestSwapGateway(t *testing.T) {
	t.Parallel()

	cfg, err := config.Defaults()
	require.NoError(t, err)
	cfg.Addr, cfg.Database = "127.0.0.1:0", "sqlite:"+filepath.Join(t.TempDir(), "paymentd.db")
	gateway := fake.NewGateway(fake.Decline("card_declined"))

	var server *app.Server
	service := app.New(cfg, slog.New(slog.DiscardHandler),
		fx.Replace(fx.Annotate(gateway, fx.As(new(ports.Gateway)))),
		fx.Populate(&server),
	)
	require.NoError(t, service.Start(t.Context()))
	defer func() { require.NoError(t, service.Stop(t.Context())) }()

	answer := apptest.Pay(t.Context(), "http://"+server.Addr(), "order-1", "100.00")
	require.Equal(t, http.StatusPaymentRequired, answer.Code, answer)

	// Without fx.As, fx silently leaves the real gateway in place.
	require.Len(t, gateway.Attempts(), 1)
}

// TestContributing_HasTheSwapTest compares the copy of the test above in CONTRIBUTING.md.
func TestContributing_HasTheSwapTest(t *testing.T) {
	t.Parallel()

	code, err := os.ReadFile("swap_test.go")
	require.NoError(t, err)
	contributing, err := os.ReadFile("../CONTRIBUTING.md")
	require.NoError(t, err)
	_, swap, found := strings.Cut(string(code), "func TestSwapGateway")
	require.True(t, found)
	swap, _, _ = strings.Cut(swap, "\n}\n")
	require.Contains(t, string(contributing), "func TestSwapGateway"+swap)
}
