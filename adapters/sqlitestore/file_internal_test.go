package sqlitestore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// replaceByCopy replaces the file by a copy, as an editor or mv does.
func replaceByCopy(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".copy", content, fileMode); err != nil {
		return err
	}
	return os.Rename(path+".copy", path)
}

// damages are changes to the files of an open database. After each, a commit would be lost at the next
// start.
var damages = map[string]func(path string) error{
	"the file is removed":             os.Remove,
	"the file is renamed":             func(path string) error { return os.Rename(path, path+".old") },
	"the file is truncated":           func(path string) error { return os.Truncate(path, 0) },
	"the file lacks its last page":    cutPage,
	"the log is removed":              func(path string) error { return os.Remove(path + "-wal") },
	"the log is truncated":            func(path string) error { return os.Truncate(path+"-wal", 0) },
	"the index of the log is removed": func(path string) error { return os.Remove(path + "-shm") },
	"all three are removed": func(path string) error {
		return errors.Join(os.Remove(path), os.Remove(path+"-wal"), os.Remove(path+"-shm"))
	},
	"the file is replaced by a copy": replaceByCopy,
	"the log is replaced by a copy":  func(path string) error { return replaceByCopy(path + "-wal") },
	"the file is renamed and a link names it": func(path string) error {
		return errors.Join(os.Rename(path, path+".old"), os.Symlink(path+".old", path))
	},
	"the folder is renamed": func(path string) error {
		return errors.Join(os.Rename(filepath.Dir(path), filepath.Dir(path)+".old"), os.Mkdir(filepath.Dir(path), 0o700))
	},
	"the file is removed and another one created": func(path string) error {
		return errors.Join(os.Remove(path), os.WriteFile(path, nil, fileMode))
	},
}

// cutPage removes the last page.
func cutPage(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-4096)
}

// After any damage, nothing is claimed, and the service is not ready.
func TestFile_DamageStopsClaims(t *testing.T) {
	t.Parallel()
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL, s := migrated(t)
			path := strings.TrimPrefix(databaseURL, "sqlite:")
			_, _, err := s.Claim(t.Context(), request(t, "order-before"))
			require.NoError(t, err)
			require.NoError(t, s.Ready(t.Context()))

			require.NoError(t, damage(path))
			_, _, err = s.Claim(t.Context(), request(t, "order-after"))
			require.ErrorIs(t, err, ports.ErrNotWritable)
			require.NotErrorIs(t, err, ports.ErrInDoubt)
			require.ErrorContains(t, err, "restart the service")
			require.ErrorIs(t, s.Heartbeat(t.Context(), "replica-a"), ports.ErrNotWritable)
			require.ErrorIs(t, s.TryWrite(t.Context()), ports.ErrNotWritable)
			require.ErrorIs(t, s.Ready(t.Context()), ports.ErrNotWritable)
		})
	}
}

func TestFile_RestoredFileIsUsable(t *testing.T) {
	t.Parallel()
	databaseURL, s := migrated(t)
	path := strings.TrimPrefix(databaseURL, "sqlite:")
	_, _, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.NoError(t, os.Rename(path, path+".old"))
	require.ErrorIs(t, s.Heartbeat(t.Context(), "replica-a"), ports.ErrNotWritable)
	require.NoError(t, os.Rename(path+".old", path))
	require.NoError(t, s.Heartbeat(t.Context(), "replica-a"))
}

func TestFile_RemovedDuringATransactionRollsBack(t *testing.T) {
	t.Parallel()
	databaseURL, s := migrated(t)
	path := strings.TrimPrefix(databaseURL, "sqlite:")
	require.NoError(t, s.Heartbeat(t.Context(), "replica-a"))
	_, err := s.Heartbeats(t.Context(), "replica-a") // opens a connection that stays open
	require.NoError(t, err)
	err = s.write(t.Context(), func(ctx context.Context, q *queries.Queries, now time.Time) error {
		require.NoError(t, os.Remove(path))
		return q.Heartbeat(ctx, queries.HeartbeatParams{Name: "replica-b", Now: now.UnixMicro()})
	})
	require.ErrorIs(t, err, ports.ErrNotWritable)
	beats, err := s.Heartbeats(t.Context(), "replica-a")
	require.NoError(t, err)
	require.Empty(t, beats)
}

// The path may be a symbolic link, while it names the same file.
func TestFile_Links(t *testing.T) {
	t.Parallel()
	databaseURL, first := migrated(t)
	target := strings.TrimPrefix(databaseURL, "sqlite:")
	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(target, link))
	s, err := Open("sqlite:"+link, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, _, err = s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	_, verdict, err := first.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictBusy, verdict)

	hard := filepath.Join(t.TempDir(), "hard.db") // the same file, with a log in another folder
	require.NoError(t, os.Link(target, hard))
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink(hard, link))
	_, _, err = s.Claim(t.Context(), request(t, "order-2"))
	require.ErrorIs(t, err, ports.ErrNotWritable)
	_, _, err = first.Claim(t.Context(), request(t, "order-2"))
	require.NoError(t, err)
}

// Other processes may empty the log, or shrink the database.
func TestFile_OtherProcessesEmptyTheLog(t *testing.T) {
	t.Parallel()
	databaseURL, s := migrated(t)
	other, err := Open(databaseURL, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	for i := range 300 {
		_, _, err := s.Claim(t.Context(), request(t, "order-"+strings.Repeat("x", 100)+string(rune('a'+i%26))+string(rune('a'+i/26))))
		require.NoError(t, err)
	}
	for _, statement := range []string{
		"PRAGMA wal_checkpoint(TRUNCATE)", "DELETE FROM payments WHERE order_id > 'order-xxxxx'", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)",
	} {
		_, err = other.writer.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
		require.NoError(t, s.Heartbeat(t.Context(), "replica-a"), statement)
	}
	_, _, err = s.Claim(t.Context(), request(t, "order-last"))
	require.NoError(t, err)
}

// A new connection is opened to the same file, and to no other.
func TestFile_Reconnect(t *testing.T) {
	t.Parallel()
	databaseURL, s := migrated(t)
	path := strings.TrimPrefix(databaseURL, "sqlite:")
	for range 3 {
		require.NoError(t, s.Heartbeat(t.Context(), "replica-a"))
		s.writer.SetMaxIdleConns(-1) // closes the idle ones; the last one deletes the log
		s.readers.SetMaxIdleConns(-1)
	}
	require.NoError(t, replaceByCopy(path))
	require.ErrorIs(t, s.Heartbeat(t.Context(), "replica-a"), ports.ErrNotWritable)
	_, err := s.Heartbeats(t.Context(), "replica-a")
	require.ErrorIs(t, err, ports.ErrUnavailable)
}

// The log of another database at the same path is not deleted.
func TestClose_KeepsTheLogOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "payments.db")
	path := strings.TrimPrefix(databaseURL, "sqlite:")
	schema, err := Schema(databaseURL)
	require.NoError(t, err)
	require.NoError(t, schema.Up(t.Context()))
	s, err := Open(databaseURL, Options{})
	require.NoError(t, err)
	require.NoError(t, s.Heartbeat(t.Context(), "replica-a"))
	require.NoError(t, replaceByCopy(path))
	require.NoError(t, os.WriteFile(path+"-wal", []byte("payments"), fileMode))
	require.NoError(t, s.Close())
	require.FileExists(t, path+"-wal")
}

// New files have mode 0600 from the first byte on, with any umask, and existing files keep their mode.
func TestFile_Mode(t *testing.T) { //nolint:paralleltest // the umask is the process's
	for _, mask := range []int{0, 0o022} {
		before := syscall.Umask(mask)
		t.Cleanup(func() { syscall.Umask(before) })
		databaseURL, s := migrated(t)
		path := strings.TrimPrefix(databaseURL, "sqlite:")
		require.NoError(t, s.Heartbeat(t.Context(), "replica-a"))
		for _, suffix := range []string{"", "-wal", "-shm"} {
			info, err := os.Stat(path + suffix)
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), suffix)
		}
		require.NoError(t, os.Chmod(path, 0o640))
		require.NoError(t, create(path))
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o640), info.Mode().Perm())
	}
}
