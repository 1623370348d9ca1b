package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadKeysFile(t *testing.T) {
	t.Parallel()

	const a, b = "0123456789abcdef", "fedcba9876543210"
	for text, want := range map[string][]string{
		a:                                  {a},
		a + "\n":                           {a},
		a + "\r\n" + b + "\r\n":            {a, b},
		a + "," + b + ",\n":                {a, b},
		"# all\n\n  " + a + " # one\n" + b: {a, b},
		"#" + a + "\n" + b:                 {b},
	} {
		keys, err := ReadKeysFile(keysFile(t, text))
		require.NoError(t, err, "%q", text)
		require.Equal(t, want, keys, "%q", text)
	}
	for text, problem := range map[string]string{
		"":                              "must have at least one key",
		"\n# none\n,\n":                 "must have at least one key",
		"short":                         ":1: must be a key of at least 16 characters",
		a + "\n\n" + b + ",short":       ":3: must be a key of at least 16 characters",
		a + "\n" + a + " " + b + "\n":   ":2: must be a key",
		a + "\n0123456789abcdéf\n":      ":2: must be a key",
		a + "\n\x00\n":                  ":2: must be a key",
		strings.Repeat(a+"\n", 64<<10):  "must have at most 65536 bytes",
		"paymentd_x=0123456789\"quoted": ":1: must be a key",
	} {
		path := keysFile(t, text)
		_, err := ReadKeysFile(path)
		require.ErrorContains(t, err, path, "%.40q", text)
		require.ErrorContains(t, err, problem, "%.40q", text)
		require.NotContains(t, err.Error(), a)
		require.NotContains(t, err.Error(), "short")
	}
}

func keysFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
