package httpgateway

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The host is normalized for DNS and the Host header.
func TestParseBase_Host_IsNormalized(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"http://gateway.example":  "gateway.example",
		"http://gateway.example:": "gateway.example",
		"http://[::1]:4000":       "[::1]:4000",
		"http://[fe80::1%25eth0]": "[fe80::1%eth0]",
		"http://a_b.example":      "a_b.example",
	} {
		u, err := parseBase(base)
		require.NoError(t, err, base)
		require.Equal(t, want, u.Host, base)
	}
}
