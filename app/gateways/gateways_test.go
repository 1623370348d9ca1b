package gateways_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/gateways"
)

func TestFind(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"sandbox:": "sandbox", "sandbox:x.ledger": "sandbox", "http://h:1": "http", "https://h/v1": "http",
		"": "", "sandbox": "", "ftp://h": "", "stripe:": "",
	} {
		kind, found := gateways.Find(address)
		require.Equal(t, want, kind.Name, address)
		require.Equal(t, want != "", found, address)
	}
	require.Equal(t, "sandbox:, http:// or https://", gateways.Schemes())
}

// TestKinds_Capabilities_EqualThoseOfTheAdapter opens a gateway of each kind.
func TestKinds_Capabilities_EqualThoseOfTheAdapter(t *testing.T) {
	t.Parallel()
	for _, kind := range gateways.Kinds {
		address := kind.Schemes[0] + "gateway.example"
		if kind.File != nil {
			address = kind.Schemes[0] + filepath.Join(t.TempDir(), "ledger")
			require.Equal(t, address, kind.Schemes[0]+kind.File(address))
			require.NotEmpty(t, kind.File(kind.Schemes[0]), "the default")
		}
		gateway, err := kind.Open(gateways.Options{
			Address: address, Timeout: time.Second, Connections: 1, KeyLifetime: kind.Capabilities.KeyLifetime,
			Log: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		got := gateway.Capabilities()
		got.Gateway = ""
		require.Equal(t, kind.Capabilities, got, kind.Name)
		require.NoError(t, gateway.Close())
	}
}
