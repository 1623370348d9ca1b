package httpgateway

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHost: a host is asked for, and named in the request, as DNS and HTTP have it.
func TestHost(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"http://gateway.example":     "gateway.example",
		"http://gateway.example:":    "gateway.example",
		"http://Bücher.example:8080": "xn--bcher-kva.example:8080",
		"http://[::1]:4000":          "[::1]:4000",
		"http://[fe80::1%25eth0]":    "[fe80::1%eth0]",
		"http://a_b.example":         "a_b.example",
	} {
		u, err := parseBase(base)
		require.NoError(t, err, base)
		require.Equal(t, want, u.Host, base)
	}
}
