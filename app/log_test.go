package app_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// fullPipe returns the writing end of a full pipe.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	fds := make([]int, 2)
	require.NoError(t, syscall.Pipe2(fds, syscall.O_CLOEXEC))
	require.NoError(t, syscall.SetNonblock(fds[1], true))
	for size := 4096; size > 0; { // writes of up to 4096 bytes are atomic
		if _, err := syscall.Write(fds[1], make([]byte, size)); err != nil {
			require.ErrorIs(t, err, syscall.EAGAIN)
			size /= 2
		}
	}
	require.NoError(t, syscall.SetNonblock(fds[1], false))
	reader, writer := os.NewFile(uintptr(fds[0]), "reader"), os.NewFile(uintptr(fds[1]), "writer")
	t.Cleanup(func() { _ = reader.Close(); _ = writer.Close() })
	return writer
}

// closedPipe returns the writing end of a pipe without a reader.
func closedPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func device(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func droppedLines(t *testing.T, base string) int {
	t.Helper()
	answer := apptest.Get(t.Context(), base, "/metrics")
	found := regexp.MustCompile(`(?m)^paymentd_log_lines_dropped_total (\d+)$`).FindStringSubmatch(answer.Raw)
	require.NotNil(t, found, answer)
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

// TestLog_BlockedOrClosed_DoesNotDelayPayments starts, charges and stops with logs that accept no bytes.
func TestLog_BlockedOrClosed_DoesNotDelayPayments(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		output func(*testing.T) *os.File
		drops  bool // whether lines are dropped immediately, because writes fail instead of blocking
		signal func(*apptest.Process, testing.TB)
	}{
		"a full pipe":       {fullPipe, false, (*apptest.Process).Terminate},
		"a full pipe, HUP":  {fullPipe, false, (*apptest.Process).HangUp},
		"a closed pipe":     {closedPipe, true, (*apptest.Process).Terminate},
		"a closed terminal": {closedPipe, true, (*apptest.Process).HangUp},
		"a full disk":       {func(t *testing.T) *os.File { t.Helper(); return device(t, "/dev/full") }, true, (*apptest.Process).Terminate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			release := make(chan struct{})
			gateway := apptest.StartGateway(t)
			p := apptest.StartWriting(t, c.output(t), apptest.Build(t), env{
				"PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_LOG_LEVEL": "debug", "PAYMENTD_SHUTDOWN": "10s",
			}, "serve")
			p.WaitReady(t)
			for i := range 20 {
				order := fmt.Sprintf("order-%d", i)
				requireChargedOnce(t, gateway, order, apptest.Pay(t.Context(), p.URL, order, "5.00"))
			}
			if c.drops {
				require.Greater(t, droppedLines(t, p.URL), 20)
			}

			gateway.Do(holdFirst(release))
			asked := pay(t, p.URL, "last", "5.00")
			waitCalls(t, gateway, "last", 1)
			began := time.Now()
			c.signal(p, t)
			waitReadyz(t, p, http.StatusServiceUnavailable)
			close(release)
			requireChargedOnce(t, gateway, "last", <-asked)
			require.Zero(t, p.Wait(t))
			require.Less(t, time.Since(began), 10*time.Second)
		})
	}
}

// TestLog_FullPipe_StopIsBounded also has a gateway that does not answer.
func TestLog_FullPipe_StopIsBounded(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	gateway.Do(holdFirst(nil))
	w := fullPipe(t)
	p := apptest.StartWriting(t, w, apptest.Build(t), env{
		"PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_SHUTDOWN": "5s",
	}, "serve")
	p.WaitReady(t)
	pay(t, p.URL, "order-1", "5.00")
	waitCalls(t, gateway, "order-1", 1)
	began := time.Now()
	require.Zero(t, p.Stop(t))
	require.Less(t, time.Since(began), 6*time.Second)
}

// TestLog_ReaderReturns_ReportsDroppedLines has a reader that closes the pipe and opens it again.
func TestLog_ReaderReturns_ReportsDroppedLines(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	first, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = first.Close() })
	p := apptest.StartWriting(t, device(t, path), apptest.Build(t), nil, "serve")
	p.WaitReady(t)
	require.NoError(t, first.Close())
	for i := range 5 {
		answer := apptest.Pay(t.Context(), p.URL, fmt.Sprintf("order-%d", i), "5.00")
		require.Equal(t, http.StatusOK, answer.Code, answer)
	}
	apptest.Eventually(t, 10*time.Second, func() error {
		if droppedLines(t, p.URL) < 5 {
			return errNotYet
		}
		return nil
	})

	again, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = again.Close() })
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-9", "5.00").Code)
	lines := bufio.NewScanner(again)
	for lines.Scan() && !strings.Contains(lines.Text(), "dropped") {
		continue
	}
	var line struct {
		Level, Msg string
		Dropped    int
	}
	require.NoError(t, json.Unmarshal(lines.Bytes(), &line), lines.Text())
	require.Equal(t, "WARN", line.Level)
	require.GreaterOrEqual(t, line.Dropped, 5)
	require.Equal(t, fmt.Sprintf("%d log lines were dropped", line.Dropped), line.Msg)
	go func() { _, _ = io.Copy(io.Discard, again) }()
	require.Zero(t, p.Stop(t))
}

// TestExitCode_StderrWithoutReader_IsUnchanged covers a wrong setting and a lost output.
func TestExitCode_StderrWithoutReader_IsUnchanged(t *testing.T) {
	t.Parallel()

	wrong := env{"PAYMENTD_LEASE": "1s"}
	w := fullPipe(t)
	p := apptest.StartWriting(t, w, apptest.Build(t), wrong, "serve")
	require.Equal(t, 2, p.Wait(t))
	p = apptest.StartWriting(t, closedPipe(t), apptest.Build(t), wrong, "serve")
	require.Equal(t, 2, p.Wait(t))
	p = apptest.StartWriting(t, closedPipe(t), apptest.Build(t), nil, "version")
	require.Equal(t, 141, p.Wait(t), "as a command that SIGPIPE ends")
	changed := env{"PAYMENTD_DATABASE": "sqlite:" + filepath.Join(t.TempDir(), "a.db")}
	p = apptest.StartWriting(t, closedPipe(t), apptest.Build(t), changed, "migrate", "up")
	require.Equal(t, 1, p.Wait(t), "the output of a change is lost")
}

func TestSandbox_LogWithoutReader_Charges(t *testing.T) {
	t.Parallel()

	full := fullPipe(t)
	for _, output := range []*os.File{full, closedPipe(t)} {
		sandbox := apptest.StartWriting(t, output, apptest.Build(t), nil, "sandbox")
		sandbox.WaitReady(t)
		p := serve(t, env{"PAYMENTD_GATEWAY": sandbox.URL})
		answer := apptest.Pay(t.Context(), p.URL, "order-1", "5.00")
		require.Equal(t, "txn-1", answer.Body.TransactionID, answer)
		require.Zero(t, p.Stop(t))
		sandbox.HangUp(t)
		require.Zero(t, sandbox.Wait(t))
	}
}

// TestStop_SecondHangUp_HasNoEffect exists because a closing terminal sends several SIGHUPs.
func TestStop_SecondHangUp_HasNoEffect(t *testing.T) {
	t.Parallel()

	release := make(chan struct{})
	gateway := apptest.StartGateway(t)
	gateway.Do(holdFirst(release))
	p := serve(t, env{"PAYMENTD_GATEWAY": gateway.URL})
	asked := pay(t, p.URL, "order-1", "5.00")
	waitCalls(t, gateway, "order-1", 1)
	p.HangUp(t)
	p.WaitLog(t, "paymentd stops")
	p.HangUp(t)
	close(release)
	requireChargedOnce(t, gateway, "order-1", <-asked)
	require.Zero(t, p.Wait(t))
}
