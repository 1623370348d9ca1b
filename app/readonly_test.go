package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// requireDatabase are the commands that need an existing database.
var requireDatabase = []string{
	"migrate status", "migrate down --dry-run", "migrate down", "stuck", "keys list", "history", "keys revoke shop",
	"keys create --name=shop --scopes=pay", "keys create --name=shop --scopes=pay --to=shop.key", "resolve order-1 --succeeded=txn-1",
	"archive --to=archive.jsonl", "archive --dry-run --to=archive.jsonl", "import -", "import --dry-run -",
	"audit --from=2026-01-01",
}

// TestCommands_NoDatabase_CreateNothing covers a missing database and a missing folder.
func TestCommands_NoDatabase_CreateNothing(t *testing.T) {
	t.Parallel()

	for _, command := range append(requireDatabase, "doctor", "version", "health http://127.0.0.1:1/readyz", "--help", "serve --help") {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			for _, database := range []string{"", "sqlite:other.db", "sqlite:nowhere/paymentd.db"} {
				folder := t.TempDir()
				variables := env{}
				if database != "" {
					variables["PAYMENTD_DATABASE"] = database
				}
				out := apptest.RunIn(t, folder, apptest.Build(t), variables, strings.Fields(command)...)
				files, err := os.ReadDir(folder)
				require.NoError(t, err)
				require.Empty(t, files, "%s with %q: %s", command, database, out)
				if !strings.Contains(strings.Join(requireDatabase, ","), command) {
					continue
				}
				require.NotZero(t, out.Code, out)
				require.Equal(t, 1, strings.Count(out.Stderr, "\n"), out.Stderr)
				if strings.Contains(database, "nowhere") {
					require.Equal(t, 2, out.Code, out)
					require.Contains(t, out.Stderr, "nowhere, which is not a folder: make it first")
				} else {
					require.Equal(t, 1, out.Code, out)
					require.Contains(t, out.Stdout+out.Stderr, "there is no database at "+folder)
				}
			}
		})
	}
}

func TestReadOnlyCommands_ChangeNoFile(t *testing.T) {
	t.Parallel()

	folder := t.TempDir()
	run := func(args ...string) apptest.Output { return apptest.RunIn(t, folder, apptest.Build(t), nil, args...) }
	require.Zero(t, run("migrate", "up").Code)
	before := snapshot(t, folder)
	for _, command := range []string{
		"migrate status", "migrate down --dry-run", "stuck", "keys list", "history", "archive --dry-run --to=archive.jsonl", "import --dry-run -", "doctor",
	} {
		out := run(strings.Fields(command)...)
		if command != "doctor" {
			require.Zero(t, out.Code, "%s: %s", command, out)
		}
		require.Equal(t, before, snapshot(t, folder), command)
	}
}

// snapshot returns the names and contents of the files in a folder.
func snapshot(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	found := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(folder, file.Name()))
		require.NoError(t, err)
		found[file.Name()] = string(text)
	}
	return found
}

// TestCommands_ForeignFile_IsRefusedUnchanged uses databases and ledgers of other programs.
func TestCommands_ForeignFile_IsRefusedUnchanged(t *testing.T) {
	t.Parallel()

	folder := t.TempDir()
	change(t, filepath.Join(folder, "other.db"), "CREATE TABLE notes (text)")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("notes\n"), 0o600))
	before := snapshot(t, folder)
	for _, command := range append(requireDatabase, "serve", "migrate up", "doctor") {
		for name, want := range map[string]string{"other.db": "is a SQLite database of another program", "notes.txt": "is not a SQLite database"} {
			out := apptest.RunIn(t, folder, apptest.Build(t), env{"PAYMENTD_DATABASE": "sqlite:" + name}, strings.Fields(command)...)
			require.Equal(t, 2, out.Code, "%s: %s", command, out)
			require.Contains(t, out.Stderr, want)
			require.Equal(t, before, snapshot(t, folder), command)
		}
	}
	for _, name := range []string{"other.db", "notes.txt"} {
		for _, args := range [][]string{{"sandbox", "--ledger=" + name}, {"serve", "--gateway=sandbox:" + name}} {
			out := apptest.RunIn(t, folder, apptest.Build(t), nil, args...)
			require.Equal(t, 2, out.Code, out)
			require.Contains(t, out.Stderr, "is not a sandbox ledger")
			require.Equal(t, before, snapshot(t, folder), args)
		}
	}
}

// TestKeysCreate_ToFile checks that the file has mode 0600 and that no file is overwritten.
func TestKeysCreate_ToFile(t *testing.T) {
	t.Parallel()

	folder := t.TempDir()
	run := func(args ...string) apptest.Output { return apptest.RunIn(t, folder, apptest.Build(t), nil, args...) }
	require.Zero(t, run("migrate", "up").Code)
	out := run("keys", "create", "--name=shop", "--scopes=pay", "--out=shop.key")
	require.Zero(t, out.Code, out)
	require.Empty(t, out.Stdout)
	key, err := os.ReadFile(filepath.Join(folder, "shop.key"))
	require.NoError(t, err)
	require.Regexp(t, `^paymentd_[0-9A-Za-z]{49}\n$`, string(key))
	info, err := os.Stat(filepath.Join(folder, "shop.key"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	for _, to := range []string{"shop.key", ".", "nowhere/shop.key"} {
		out := run("keys", "create", "--name=books", "--scopes=read", "--out="+to)
		require.Equal(t, 2, out.Code, out)
		require.Contains(t, out.Stderr, "--out: ")
	}
	require.NotContains(t, run("keys", "list").Stdout, "books", "a key that cannot be written is not created")
	taken := run("keys", "create", "--name=shop", "--scopes=pay", "--to=again.key")
	require.Equal(t, 1, taken.Code, taken)
	require.NoFileExists(t, filepath.Join(folder, "again.key"))

	last := run("keys", "revoke", "shop")
	require.Zero(t, last.Code, last)
	require.Contains(t, last.Stderr, "It was the last active key of the database")
}

// TestCommands_UnreachableDatabase_ExitWithOne covers a wrong port and a wrong host.
func TestCommands_UnreachableDatabase_ExitWithOne(t *testing.T) {
	t.Parallel()

	for address, want := range map[string]string{
		apptest.FreeAddress(t): "connection refused", "no-such-host.invalid:3306": "the name no-such-host.invalid ",
	} {
		for _, command := range append(requireDatabase, "migrate up") {
			out := apptest.Run(t, apptest.Build(t), env{
				"PAYMENTD_DATABASE": fmt.Sprintf("mysql://user:sesame@%s/payments", address),
			}, strings.Fields(command)...)
			require.Equal(t, 1, out.Code, "%s: %s", command, out)
			require.Contains(t, out.Stderr, "paymentd: the database cannot be reached: "+want, command)
			require.Equal(t, 1, strings.Count(out.Stderr, "\n"), out.Stderr)
			for _, word := range []string{"sesame", "dial tcp", "lookup"} {
				require.NotContains(t, out.Stderr, word)
			}
		}
	}
}
