package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/config"
)

// TestStaticKeys_FileChanges checks that an invalid file invalidates no key and is logged once.
func TestStaticKeys_FileChanges(t *testing.T) {
	t.Parallel()

	const configured, a, b = "0123456789-configured", "0123456789abcdef", "fedcba9876543210"
	path := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(path, []byte(a), 0o600))
	var log bytes.Buffer
	keys := &staticKeys{
		cfg: config.Config{APIKeys: []string{configured}, APIKeysFile: path}, log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	require.Equal(t, []string{configured, a}, keys.all())
	require.NoError(t, os.WriteFile(path, []byte(b), 0o600))
	require.Equal(t, []string{configured, b}, keys.all())
	require.Equal(t, 1, strings.Count(log.String(), "has changed"))

	for _, invalidate := range []func() error{
		func() error { return os.WriteFile(path, nil, 0o600) },
		func() error { return os.WriteFile(path, []byte(a+"\nshort"), 0o600) },
		func() error { return os.Remove(path) },
	} {
		log.Reset()
		require.NoError(t, invalidate())
		for range 3 {
			require.Equal(t, []string{configured, b}, keys.all())
		}
		require.Equal(t, 1, strings.Count(log.String(), "is invalid"), log.String())
	}
	require.NoError(t, os.WriteFile(path, []byte(a), 0o600))
	require.Equal(t, []string{configured, a}, keys.all())
	require.NotContains(t, log.String(), a)
}
