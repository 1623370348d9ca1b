package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeysFile(t *testing.T) {
	t.Parallel()

	const a, b = "0123456789abcdef", "fedcba9876543210"
	for text, want := range map[string]apiKeys{
		a:                                  {a},
		a + "\n":                           {a},
		a + "\r\n" + b + "\r\n":            {a, b},
		a + "," + b + ",\n":                {a, b},
		"# all\n\n  " + a + " # one\n" + b: {a, b},
		"#" + a + "\n" + b:                 {b},
	} {
		keys, err := readKeysFile(keysFile(t, text))
		require.NoError(t, err, "%q", text)
		require.Equal(t, want, keys, "%q", text)
	}
	for text, says := range map[string]string{
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
		_, err := readKeysFile(path)
		require.ErrorContains(t, err, path, "%.40q", text)
		require.ErrorContains(t, err, says, "%.40q", text)
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

// TestKeysFileIsReadAgain holds that a wrong one takes no key away, and is told once.
func TestKeysFileIsReadAgain(t *testing.T) {
	t.Parallel()

	const configured, a, b = "0123456789-configured", "0123456789abcdef", "fedcba9876543210"
	path := keysFile(t, a)
	var log bytes.Buffer
	keys := &staticKeys{
		cfg: Config{APIKeys: apiKeys{configured}, APIKeysFile: path}, log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	require.Equal(t, []string{configured, a}, keys.all())
	require.NoError(t, os.WriteFile(path, []byte(b), 0o600))
	require.Equal(t, []string{configured, b}, keys.all())
	require.Equal(t, 1, strings.Count(log.String(), "has changed"))

	for _, wrong := range []func() error{
		func() error { return os.WriteFile(path, nil, 0o600) },
		func() error { return os.WriteFile(path, []byte(a+"\nshort"), 0o600) },
		func() error { return os.Remove(path) },
	} {
		log.Reset()
		require.NoError(t, wrong())
		for range 3 {
			require.Equal(t, []string{configured, b}, keys.all())
		}
		require.Equal(t, 1, strings.Count(log.String(), "is wrong"), log.String())
	}
	require.NoError(t, os.WriteFile(path, []byte(a), 0o600))
	require.Equal(t, []string{configured, a}, keys.all())
	require.NotContains(t, log.String(), a)
}
