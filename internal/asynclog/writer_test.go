package asynclog_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/internal/asynclog"
)

func report(dropped uint64) []byte { return fmt.Appendf(nil, "%d dropped\n", dropped) }

// file is the destination of a log: it can block, and fail.
type file struct {
	mu      sync.Mutex
	written bytes.Buffer
	sizes   []int
	fail    func(p []byte) (int, error) // nil to write
}

func (f *file) Write(p []byte) (int, error) {
	f.mu.Lock()
	fail := f.fail
	f.mu.Unlock()
	n, err := len(p), error(nil)
	if fail != nil {
		n, err = fail(p) // which may block
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written.Write(p[:n])
	f.sizes = append(f.sizes, len(p))
	return n, err
}

func (f *file) failing(fail func(p []byte) (int, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *file) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.written.String()
}

func write(t *testing.T, w io.Writer, line string) {
	t.Helper()
	n, err := io.WriteString(w, line)
	require.NoError(t, err)
	require.Equal(t, len(line), n)
}

func TestWriter_Lines_StayInOrderAndWhole(t *testing.T) {
	t.Parallel()
	to := &file{}
	w := asynclog.New(to, report)
	var want strings.Builder
	for i := range 2000 {
		line := fmt.Sprintf("%d %s\n", i, strings.Repeat("x", i%3000))
		want.WriteString(line)
		write(t, w, line)
	}
	require.True(t, w.Close(time.Minute))
	require.Equal(t, want.String(), to.String())
	require.Zero(t, w.Dropped())
	for _, size := range to.sizes {
		require.LessOrEqual(t, size, 4096, "a pipe takes no more as a whole")
	}
}

func TestWriter_LongLine_IsOneWrite(t *testing.T) {
	t.Parallel()
	to := &file{}
	w := asynclog.New(to, report)
	long := strings.Repeat("x", 100_000) + "\n"
	write(t, w, "a\n"+long)
	write(t, w, long)
	require.True(t, w.Close(time.Minute))
	require.Equal(t, "a\n"+long+long, to.String())
	require.Contains(t, to.sizes, len(long))
}

// The queue fills up behind a write that blocks.
func TestWriter_ReaderBlocks_DropsLines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		line string
		most int
	}{
		"lines": {"12345\n", asynclog.MaxLines},
		"bytes": {strings.Repeat("x", 4095) + "\n", asynclog.MaxBytes / 4096},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				to := &file{fail: func(p []byte) (int, error) { <-release; return len(p), nil }}
				w := asynclog.New(to, report)
				write(t, w, "first\n")
				synctest.Wait() // the goroutine has it, and blocks
				for range c.most + 7 {
					write(t, w, c.line)
				}
				require.EqualValues(t, 7, w.Dropped())
				require.False(t, w.Close(time.Second), "the reader stands")
				write(t, w, "late\n")
				require.EqualValues(t, 8, w.Dropped(), "after Close")
				close(release)
				require.True(t, w.Close(time.Second))
				require.Equal(t, "first\n"+strings.Repeat(c.line, c.most)+"8 dropped\n", to.String())
			})
		})
	}
}

// The lines of the outage are lost, and their number is logged.
func TestWriter_ReaderRecovers_ReportsDrops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &file{}
		w := asynclog.New(to, report)
		write(t, w, "one\n")
		synctest.Wait()
		to.failing(func([]byte) (int, error) { return 0, syscall.EPIPE })
		for range 3 {
			write(t, w, "gone\n")
			synctest.Wait()
		}
		require.EqualValues(t, 3, w.Dropped())
		to.failing(nil)
		write(t, w, "two\n")
		synctest.Wait()
		require.Equal(t, "one\ntwo\n3 dropped\n", to.String())
		write(t, w, "three\n")
		require.True(t, w.Close(time.Second))
		require.Equal(t, "one\ntwo\n3 dropped\nthree\n", to.String(), "said once")
	})
}

// A line is written in part; the next one begins on a line of its own.
func TestWriter_FullDisk_StartsANewLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &file{}
		w := asynclog.New(to, report)
		to.failing(func([]byte) (int, error) { return 3, syscall.ENOSPC })
		write(t, w, "abcdef\n")
		synctest.Wait()
		to.failing(nil)
		write(t, w, "next\n")
		require.True(t, w.Close(time.Second))
		require.Equal(t, "abc\nnext\n1 dropped\n", to.String())
		require.EqualValues(t, 1, w.Dropped())
	})
}

// The queue is never empty.
func TestWriter_SlowReader_ReportsDropsMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &file{fail: func(p []byte) (int, error) { time.Sleep(time.Second); return len(p), nil }}
		w := asynclog.New(to, report)
		line := strings.Repeat("x", 4095) + "\n"
		for began := time.Now(); time.Since(began) < 2*time.Minute; time.Sleep(time.Second) {
			for range 100 {
				write(t, w, line)
			}
		}
		reports := strings.Count(to.String(), " dropped\n")
		require.Greater(t, reports, 3)
		require.Less(t, reports, 13)
		to.failing(nil)
		require.True(t, w.Close(time.Hour))
	})
}

// The file is full for a moment.
func TestWriter_NonBlockingFile_IsRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &file{}
		calls := 0
		to.failing(func(p []byte) (int, error) {
			if calls++; calls < 3 {
				return 1, syscall.EAGAIN
			}
			return len(p), nil
		})
		w := asynclog.New(to, report)
		write(t, w, "abcdef\n")
		require.True(t, w.Close(time.Second))
		require.Equal(t, "abcdef\n", to.String())
		require.Zero(t, w.Dropped())
	})
}

func TestWriter_CloseUnused_ReturnsTrue(t *testing.T) {
	t.Parallel()
	w := asynclog.New(&file{fail: func([]byte) (int, error) { return 0, errors.New("not called") }}, report)
	require.True(t, w.Close(0))
	require.True(t, w.Close(0))
	write(t, w, "late\n")
	require.EqualValues(t, 1, w.Dropped())
}
