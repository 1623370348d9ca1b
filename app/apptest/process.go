package apptest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const (
	startLimit = time.Minute // to be ready: several processes may start on a busy machine
	stopLimit  = time.Minute // above any PAYMENTD_SHUTDOWN that a test has patience for
)

// Process is one run of paymentd. Its methods are for any goroutine, but for those that take a
// testing.TB: they may fail the test.
type Process struct {
	// URL is where it serves, such as http://127.0.0.1:12345; with https where it has a certificate.
	URL string
	// Folder is where it works, and where relative paths lead.
	Folder string

	binary  string
	env     map[string]string
	args    []string
	command *exec.Cmd
	output  *os.File // in place of log, unless it is nil
	log     *log
	over    chan struct{} // closed at its end, after which code may be read
	code    int
}

// Start runs `paymentd args...` until the test ends, with the variables of env and no others.
// It does not wait: see WaitReady and WaitLog.
//
// `serve` and `sandbox` get a free port of the loopback interface, unless env has their
// PAYMENTD_ADDR or PAYMENTD_SANDBOX_ADDR.
func Start(t testing.TB, binary string, env map[string]string, args ...string) *Process {
	t.Helper()
	return StartWriting(t, nil, binary, env, args...)
}

// StartWriting is Start with output as stdout and stderr, such as a pipe without a reader. Log then
// returns nothing.
func StartWriting(t testing.TB, output *os.File, binary string, env map[string]string, args ...string) *Process {
	t.Helper()
	env = maps.Clone(env)
	if env == nil {
		env = make(map[string]string)
	}
	variable := "PAYMENTD_ADDR"
	if len(args) > 0 && args[0] == "sandbox" {
		variable = "PAYMENTD_SANDBOX_ADDR"
	}
	if env[variable] == "" {
		env[variable] = FreeAddress(t)
	}
	scheme := "http://"
	if env["PAYMENTD_TLS_CERTIFICATE"] != "" {
		scheme = "https://"
	}
	return run(t, &Process{
		URL: scheme + env[variable], Folder: t.TempDir(), binary: binary, env: env, args: args, output: output,
	})
}

// Restart runs the process again, with the same settings, in the same folder and on the same
// address. One that still runs is killed first.
func (p *Process) Restart(t testing.TB) *Process {
	t.Helper()
	p.Kill()
	return run(t, &Process{
		URL: p.URL, Folder: p.Folder, binary: p.binary, env: p.env, args: p.args,
	})
}

func run(t testing.TB, p *Process) *Process {
	t.Helper()
	// Not the test's context: that is over before the cleanups, which may want an exit code.
	p.command = exec.Command(p.binary, p.args...) //nolint:noctx,gosec // see above; it is our own binary
	p.command.Dir = p.Folder
	p.command.Env = []string{} // nil would be the test's own
	for name, value := range p.env {
		p.command.Env = append(p.command.Env, name+"="+value)
	}
	p.log = newLog()
	p.command.Stdout, p.command.Stderr = p.log, p.log
	if p.output != nil {
		p.command.Stdout, p.command.Stderr = p.output, p.output
	}
	// A group of its own, so that Ctrl-C leaves it to us.
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.command.Start(); err != nil {
		t.Fatalf("apptest: start paymentd: %v", err)
	}
	watch, err := atEnd(`kill -9 "$1"`, strconv.Itoa(p.command.Process.Pid))
	p.over = make(chan struct{})
	go func() {
		_ = p.command.Wait() // how it ended is in its state
		p.code = p.command.ProcessState.ExitCode()
		if watch != nil {
			watch.dismiss()
		}
		close(p.over)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("paymentd %v at %s, exit code %d, said at last:\n%s", p.args, p.URL, p.code, p.log.tail())
		}
	})
	if err != nil {
		t.Fatalf("apptest: %v", err)
	}
	return p
}

// Log returns what the process has written so far: JSON lines.
func (p *Process) Log() string { return p.log.String() }

// WaitLog waits until the process has written the words.
func (p *Process) WaitLog(t testing.TB, words string) {
	t.Helper()
	Eventually(t, startLimit, func() error {
		if p.log.has(words) {
			return nil
		}
		return fmt.Errorf("paymentd at %s has not written %q", p.URL, words)
	})
}

// WaitReady waits until the service takes requests, or the sandbox does.
func (p *Process) WaitReady(t testing.TB) {
	t.Helper()
	path := "/readyz"
	if p.args[0] == "sandbox" {
		path = "/healthz"
	}
	Eventually(t, startLimit, func() error {
		select {
		case <-p.over:
			t.Fatalf("apptest: paymentd at %s ended with code %d before it was ready", p.URL, p.code)
		default:
		}
		if code := Status(t.Context(), p.URL+path); code != http.StatusOK {
			return fmt.Errorf("%s answers %d", p.URL+path, code)
		}
		return nil
	})
}

// Kill ends the process with SIGKILL, and returns when it is gone. One that has ended already
// stays so.
func (p *Process) Kill() {
	_ = p.command.Process.Kill() // it may be over
	<-p.over
}

// HangUp sends SIGHUP and does not wait.
func (p *Process) HangUp(t testing.TB) { t.Helper(); p.signal(t, syscall.SIGHUP) }

// Terminate sends SIGTERM and does not wait.
func (p *Process) Terminate(t testing.TB) { t.Helper(); p.signal(t, syscall.SIGTERM) }

// Stop sends SIGTERM, waits for the end, and returns the exit code.
func (p *Process) Stop(t testing.TB) int {
	t.Helper()
	p.Terminate(t)
	return p.Wait(t)
}

// Wait waits for the end and returns the exit code; -1 where a signal has ended it.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.over:
		return p.code
	case <-time.After(stopLimit):
		t.Fatalf("apptest: paymentd at %s does not end", p.URL)
		return -1
	}
}

// Pause stops the process with SIGSTOP, and returns when it stands still: it lives, holds its
// connections, and does nothing.
func (p *Process) Pause(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGSTOP)
	Eventually(t, stopLimit, p.paused)
}

// paused returns nil when all threads have stopped: they do so one by one (proc_pid_stat(5),
// "state"). Where there is no /proc, it takes the signal's word.
func (p *Process) paused() error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.command.Process.Pid))
	if err != nil {
		return err
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread) //nolint:gosec // from /proc
		if err != nil {
			return err
		}
		_, state, _ := bytes.Cut(stat, []byte(") "))
		if !bytes.HasPrefix(state, []byte("T")) {
			return fmt.Errorf("paymentd at %s has a thread in state %.1s", p.URL, state)
		}
	}
	return nil
}

// Resume lets a paused process go on, with SIGCONT.
func (p *Process) Resume(t testing.TB) { t.Helper(); p.signal(t, syscall.SIGCONT) }

func (p *Process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := p.command.Process.Signal(s); err != nil {
		t.Fatalf("apptest: send %v to paymentd at %s: %v", s, p.URL, err)
	}
}

// Output is what a command has said and how it ended.
type Output struct {
	Code           int
	Stdout, Stderr string
}

// Run runs `paymentd args...` to its end, with the variables of env and no others.
func Run(t testing.TB, binary string, env map[string]string, args ...string) Output {
	t.Helper()
	return RunIn(t, t.TempDir(), binary, env, args...)
}

// RunIn is Run in the folder.
func RunIn(t testing.TB, folder, binary string, env map[string]string, args ...string) Output {
	t.Helper()
	stdout, stderr := newLog(), newLog()
	command := exec.CommandContext(t.Context(), binary, args...) //nolint:gosec // it is our own binary
	command.Dir = folder
	command.Env = []string{}
	for name, value := range env {
		command.Env = append(command.Env, name+"="+value)
	}
	command.Stdout, command.Stderr = stdout, stderr
	timer := time.AfterFunc(stopLimit, func() { _ = command.Process.Kill() })
	defer timer.Stop()
	var exit *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("apptest: run paymentd: %v", err)
	}
	return Output{Code: command.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}

// FreeAddress returns a host:port that nobody listens on.
//
// The port is from below the range that Linux gives to outgoing connections (32768 and up).
// Where a process was killed and comes back, its port could otherwise have been given to a
// connection meanwhile: even to that of a client that tries to reach the process, and then
// reaches itself.
func FreeAddress(t testing.TB) string {
	t.Helper()
	const lowest, highest, tries = 12000, 32000, 20
	var err error
	for range tries {
		var l net.Listener
		port := lowest + rand.IntN(highest-lowest) //nolint:gosec // a port is no secret
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if l, err = new(net.ListenConfig).Listen(t.Context(), "tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatalf("apptest: find a free port: %v", err)
	return ""
}
