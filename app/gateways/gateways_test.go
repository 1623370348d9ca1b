package gateways_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/gateways"
	"paymentd/core/payment"
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
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("sk_test_0123456789"), 0o600))
	for _, kind := range gateways.Kinds {
		address := ""
		if len(kind.Schemes) > 0 {
			address = kind.Schemes[0] + "gateway.example"
		}
		if kind.File != nil {
			address = kind.Schemes[0] + filepath.Join(t.TempDir(), "ledger")
			require.Equal(t, address, kind.Schemes[0]+kind.File(address))
			require.NotEmpty(t, kind.File(kind.Schemes[0]), "the default")
		}
		gateway, err := kind.Open(gateways.Options{
			Address: address, Timeout: time.Second, Connections: 1, KeyLifetime: kind.Capabilities.KeyLifetime,
			SecretFile: secret, Environment: "sandbox", Location: "L88917AVBK2S5", Log: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		got := gateway.Capabilities()
		got.Gateway = ""
		require.Equal(t, kind.Capabilities, got, kind.Name)
		require.NoError(t, gateway.Close())
	}
}

// A gateway has the identity of the settings, and the page to which customers return.
func TestKinds_IdentityOfSettings_IsDeclared(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("sk_test_0123456789\n"), 0o600))
	for _, kind := range gateways.Kinds {
		o := gateways.Options{
			Timeout: time.Second, Connections: 1, ID: "shop", SecretFile: secret, Environment: "sandbox", Location: "L88917AVBK2S5",
			ReturnURL: "https://shop.example/paid", Log: slog.New(slog.DiscardHandler),
		}
		switch kind.Name {
		case "sandbox":
			o.Address = "sandbox:" + filepath.Join(t.TempDir(), "ledger")
		case "http":
			o.Address = "https://gateway.example"
		}
		gateway, err := kind.Open(o)
		require.NoError(t, err, kind.Name)
		can := gateway.Capabilities()
		require.Equal(t, payment.GatewayID("shop"), can.Gateway, kind.Name)
		require.Equal(t, kind.Name == "stripe", can.ReturnURL == o.ReturnURL, kind.Name)
		require.NoError(t, gateway.Close())
	}
}

// An address names the system, and nothing that may change beside it.
func TestGateway_Address(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, secret string
		options      gateways.Options
		want         string
	}{
		{"sandbox", "", gateways.Options{Address: "sandbox:" + filepath.Join(t.TempDir(), "ledger")}, ""},
		{"http", "", gateways.Options{Address: "https://Gateway.example:443/v1/"}, "https://gateway.example/v1"},
		{"stripe", "sk_test_1", gateways.Options{}, "https://api.stripe.com test"},
		{"stripe", "rk_live_1", gateways.Options{Account: "acct_1"}, "https://api.stripe.com acct_1 live"},
		{"stripe", "sk_test_1", gateways.Options{Address: "http://127.0.0.1:9/"}, "http://127.0.0.1:9 test"},
		{"square", "token", gateways.Options{Location: "L1", Environment: "production"}, "https://connect.squareup.com L1"},
		{"square", "token", gateways.Options{Location: "L2", Environment: "sandbox"}, "https://connect.squareupsandbox.com L2"},
	} {
		kind, found := gateways.FindName(c.kind)
		require.True(t, found)
		c.options.SecretFile = filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(c.options.SecretFile, []byte(c.secret), 0o600))
		c.options.ID, c.options.Timeout, c.options.Connections, c.options.Log = "bank", time.Second, 1, slog.New(slog.DiscardHandler)
		g, err := kind.Open(c.options)
		require.NoError(t, err)
		require.Equal(t, c.want, g.Address())
		require.NoError(t, g.Close())
	}
}
