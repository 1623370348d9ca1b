package filewatch_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/internal/filewatch"
)

func joined(contents [][]byte) (string, error) {
	var parts []string
	for _, c := range contents {
		parts = append(parts, strings.TrimSpace(string(c)))
	}
	all := strings.Join(parts, "+")
	if strings.Contains(all, "bad") {
		return "", errors.New("the content is bad")
	}
	return all, nil
}

// lockedBuilder is a strings.Builder that a log may write while the test reads.
type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuilder) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(line)
}

func (l *lockedBuilder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuilder) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

// A change is read at the next interval. A file that cannot be used is logged once, and the previous value
// remains.
func TestValue_FollowsItsFiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		write := func(name, content string) string {
			path := filepath.Join(folder, name)
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			return path
		}
		a, b := write("a", "one\n"), write("b", "two")
		var log lockedBuilder
		set := filewatch.NewSet(slog.New(slog.NewTextHandler(&log, nil)))
		v, err := filewatch.Open(set, joined, a, b)
		require.NoError(t, err)
		require.Equal(t, "one+two", v.Get())
		go set.Watch(t.Context())
		settle := func() { time.Sleep(filewatch.Interval); synctest.Wait() }

		settle()
		require.Empty(t, log.String(), "nothing changed")
		write("b", "three")
		settle()
		require.Equal(t, "one+three", v.Get())
		require.Contains(t, log.String(), "a changed file of the settings was read")
		log.Reset()

		write("a", "bad")
		settle()
		require.Empty(t, log.String(), "it may be half written")
		for range 5 {
			settle()
		}
		require.Equal(t, "one+three", v.Get())
		require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
		log.Reset()

		require.NoError(t, os.Remove(a))
		for range 3 {
			settle()
		}
		require.Contains(t, log.String(), a+" cannot be read: no such file or directory")
		require.NoError(t, os.Rename(b, a))
		write("b", "four")
		settle()
		require.Equal(t, "three+four", v.Get())
	})
}

func TestOpen_Refusals(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	large := filepath.Join(folder, "large")
	require.NoError(t, os.WriteFile(large, make([]byte, filewatch.MaxBytes+1), 0o600))
	_, err := filewatch.Open(filewatch.NewSet(slog.New(slog.DiscardHandler)), joined, "sk_live_0123456789")
	require.EqualError(t, err, "the value looks like a secret, and must be the path of a file that holds it")
	for path, message := range map[string]string{
		filepath.Join(folder, "missing"): "cannot be read: no such file or directory",
		folder:                           "cannot be read: it is no regular file",
		os.DevNull:                       "cannot be read: it is no regular file",
		large:                            "must have at most 65536 bytes",
	} {
		_, err := filewatch.Open(filewatch.NewSet(slog.New(slog.DiscardHandler)), joined, path)
		require.ErrorContains(t, err, path+" "+message)
	}
}
