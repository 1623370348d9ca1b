package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
)

// roleVariable makes the test binary do something else than run tests.
const roleVariable = "WITHMYSQL_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "":
		os.Exit(m.Run())
	case "main": // withmysql itself; it runs this binary again
		if err := os.Setenv(roleVariable, os.Getenv(roleVariable+"_COMMAND")); err != nil {
			panic(err)
		}
		main()
	case "ask": // prints the server's version, and exits with a code of its own
		version, err := mysqltest.Version(context.Background(), os.Getenv(mysqltest.URLVariable))
		fmt.Println(version, err)
		os.Exit(42)
	case "wait": // prints the server's URL and the signal that ends it
		signals := make(chan os.Signal, 2)
		signal.Notify(signals, syscall.SIGTERM)
		fmt.Println(os.Getenv(mysqltest.URLVariable))
		fmt.Println(<-signals)
		os.Exit(43)
	}
}

// withmysql returns the command that runs this binary in the given role, under withmysql.
func withmysql(t *testing.T, role string, arguments ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], arguments...)
	command.Env = append(os.Environ(), roleVariable+"=main", roleVariable+"_COMMAND="+role)
	return command
}

func TestCommandGetsAServer(t *testing.T) {
	t.Parallel()

	var out, output bytes.Buffer
	command := withmysql(t, "ask", "--", os.Args[0])
	command.Env = append(command.Env, mysqltest.URLVariable+"=")
	command.Stdout, command.Stderr = &out, &output
	require.Error(t, command.Run())
	require.Equal(t, 42, command.ProcessState.ExitCode(), "the command's exit code")
	require.Regexp(t, `^\d+\.\d+\.\d+.* <nil>\n$`, out.String())
	require.Regexp(t, `^withmysql: testing against \d+\.\d+\.\d+.*, started for this run\n$`, output.String())
}

func TestCommandGetsTheServerThatIsThere(t *testing.T) {
	t.Parallel()

	there, err := mysqltest.Start(t.Context(), mysqltest.Config{Relaxed: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, there.Stop()) })

	var output bytes.Buffer
	command := withmysql(t, "ask", "--", os.Args[0])
	command.Env = append(command.Env, mysqltest.URLVariable+"="+there.URL(""))
	command.Stderr = &output
	require.Error(t, command.Run())
	require.Equal(t, 42, command.ProcessState.ExitCode())
	require.Contains(t, output.String(), "of TEST_MYSQL_URL")

	require.NoError(t, there.Kill())
	output.Reset()
	again := withmysql(t, "ask", "--", os.Args[0])
	again.Env, again.Stderr = command.Env, &output
	require.Error(t, again.Run())
	require.Equal(t, exitFailure, again.ProcessState.ExitCode(), "the command must not be run")
	require.Contains(t, output.String(), "the server of TEST_MYSQL_URL")
}

func TestSignalsArePassedOnAndTheServerGoes(t *testing.T) {
	t.Parallel()

	command := withmysql(t, "wait", "--", os.Args[0])
	command.Env = append(command.Env, mysqltest.URLVariable+"=")
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "the command was not run")
	url := lines.Text()
	_, err = mysqltest.Version(t.Context(), url)
	require.NoError(t, err)

	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	require.True(t, lines.Scan())
	require.Equal(t, "terminated", lines.Text(), "what the command received")
	require.Error(t, command.Wait())
	require.Equal(t, 43, command.ProcessState.ExitCode())
	_, err = mysqltest.Version(t.Context(), url)
	require.Error(t, err, "the server still answers")
}

func TestExitCodes(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name, script string
		want         int
	}{
		{name: "success", script: "exit 0", want: 0},
		{name: "failure", script: "exit 7", want: 7},
		{name: "killed", script: "kill -9 $$", want: 128 + 9},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, err := runCommand([]string{"/bin/sh", "-c", test.script}, []string{"A=b"}, nil)
			require.NoError(t, err)
			require.Equal(t, test.want, code)
		})
	}

	code, err := runCommand([]string{"/no/such/program"}, []string{"A=b"}, nil)
	require.ErrorContains(t, err, "/no/such/program")
	require.Equal(t, exitNotRun, code)
}

// A command may start others, as `go test` starts tests, without forwarding signals
// to them, and may leave them running.
func TestInterruptReachesTheWholeGroup(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name   string
		script string // writes the id of the process that it starts to $0
		want   int
	}{
		{
			name: "the other ends by the signal, and is waited for",
			script: `trap : TERM
				(trap 'exit 0' TERM; while :; do sleep 0.01; done) &
				echo $! >"$0.new"; mv "$0.new" "$0"
				wait # until the signal
				wait # for the other
				exit 9`,
			want: 9,
		},
		{
			name: "the other ignores the signal, and is left behind",
			script: `(trap '' TERM; exec sleep 600) &
				sleep 0.1; echo $! >"$0.new"; mv "$0.new" "$0"; wait`,
			want: 128 + int(syscall.SIGTERM),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			other := filepath.Join(t.TempDir(), "pid")
			signals := make(chan os.Signal, 1)
			go func() {
				for !exists(other) {
					time.Sleep(time.Millisecond)
				}
				signals <- syscall.SIGTERM
			}()
			code, err := runCommand([]string{"/bin/sh", "-c", test.script, other}, []string{"A=b"}, signals)
			require.NoError(t, err)
			require.Equal(t, test.want, code)

			written, err := os.ReadFile(other)
			require.NoError(t, err)
			pid, err := strconv.Atoi(strings.TrimSpace(string(written)))
			require.NoError(t, err)
			require.Eventually(t, func() bool { return isGone(pid) }, 10*time.Second, time.Millisecond)
		})
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// isGone reports whether a process has ended, even if its parent has not waited for it.
func isGone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && bytes.Contains(status, []byte("State:\tZ"))
}

func TestUsage(t *testing.T) {
	t.Parallel()

	for _, arguments := range [][]string{nil, {"--"}} {
		command := withmysql(t, "", arguments...)
		out, err := command.CombinedOutput()
		require.Error(t, err)
		require.Equal(t, exitUsage, command.ProcessState.ExitCode())
		require.Contains(t, string(out), "usage: withmysql [-engine")
	}
}
