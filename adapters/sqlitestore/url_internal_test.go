package sqlitestore

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	here, err := os.Getwd()
	require.NoError(t, err)
	for url, want := range map[string]string{
		"sqlite:paymentd.db":                   filepath.Join(here, "paymentd.db"),
		"sqlite:./paymentd.db":                 filepath.Join(here, "paymentd.db"),
		"sqlite:../paymentd.db":                filepath.Join(filepath.Dir(here), "paymentd.db"),
		"sqlite:" + folder + "/paymentd.db":    folder + "/paymentd.db",
		"sqlite://" + folder + "/paymentd.db":  folder + "/paymentd.db",
		"sqlite:" + folder + "/100% #1 & ä.db": folder + "/100% #1 & ä.db",
	} {
		path, err := parseURL(url)
		require.NoError(t, err, url)
		require.Equal(t, want, path, url)
	}
}

func TestParseURL_Errors(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for url, want := range map[string]string{
		"":                               "must have the form sqlite:path",
		"paymentd.db":                    "must have the form sqlite:path",
		"mysql://pay@h/p":                "must have the form sqlite:path",
		"sqlite://paymentd.db":           "must have the form sqlite:path",
		"sqlite:":                        "must name a file",
		"sqlite::memory:":                "must name a file",
		"sqlite:file::memory:":           "must name a file",
		"sqlite:paymentd.db?mode=ro":     "takes no options",
		"sqlite:" + folder:               "which is a folder",
		"sqlite:/dev/null":               "which is a device or a pipe",
		"sqlite:" + folder + "/p.db-wal": "a part of another database",
		"sqlite:" + folder + "/no/p.db":  "which is not a folder: make it first",
	} {
		_, err := Open(url, Options{})
		require.ErrorContains(t, err, want, url)
		require.NotContains(t, err.Error(), "\n")
		_, err = Schema(url)
		require.ErrorContains(t, err, want, url)
	}
}

// Special characters in the path are not interpreted.
func TestOpen_PathWithSpecialCharacters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "100% #1 & ä;x=y.db")
	schema, err := Schema("sqlite:" + path)
	require.NoError(t, err)
	require.NoError(t, schema.Up(t.Context()))
	require.FileExists(t, path)
	s, err := Open("sqlite:"+path, Options{})
	require.NoError(t, err)
	require.NoError(t, s.Ready(t.Context()))
	require.NoError(t, s.Close())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "only the file is left")
}
