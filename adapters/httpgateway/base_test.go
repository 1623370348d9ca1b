package httpgateway_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway"
)

func TestNew_ValidURL_Succeeds(t *testing.T) {
	t.Parallel()
	for _, base := range []string{
		"http://127.0.0.1:4000", "http://gateway", "https://gateway.example/", "HTTPS://gateway.example/v1/pay/",
		"http://[::1]:4000/", "http://gateway:65535",
	} {
		g, err := httpgateway.New(base, time.Second)
		require.NoError(t, err, base)
		require.True(t, g.Capabilities().HonoursKeys())
	}
}

func TestNew_InvalidSetting_ReturnsError(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"":                                  "must begin with http:// or https://",
		"gateway.example":                   "must begin with http:// or https://",
		"localhost:4000":                    "must begin with http:// or https://",
		"ftp://gateway.example":             "must begin with http:// or https://",
		"http:gateway":                      "must name a host",
		"http://":                           "must name a host",
		"http:///charges":                   "must name a host",
		"http://:4000":                      "must name a host",
		"http://gateway:0":                  "port 0; it must be 1 to 65535",
		"http://gateway:65536":              "port 65536; it must be 1 to 65535",
		"http://gateway:http":               "cannot be read",
		"http://gate way":                   "cannot be read",
		"http://secret.bücher.example":      "write an internationalized one in its xn-- form",
		"http://user:secret@gateway":        "no user name or password",
		"http://user:secret@gateway:secret": "cannot be read",
		"http://gateway?key=secret":         "without ? or #",
		"http://gateway?":                   "without ? or #",
		"http://gateway#secret":             "without ? or #",
	}
	for base, want := range tests {
		_, err := httpgateway.New(base, time.Second)
		require.ErrorContains(t, err, want, base)
		require.NotContains(t, err.Error(), "secret")
		require.NotContains(t, err.Error(), "\n")
	}
	_, err := httpgateway.New("http://gateway", 0)
	require.ErrorContains(t, err, "timeout must be above zero")
	_, err = httpgateway.New("http://gateway", time.Second, httpgateway.WithConnections(0))
	require.ErrorContains(t, err, "connections must be at least 1")
}
