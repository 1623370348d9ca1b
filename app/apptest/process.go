package apptest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"paymentd/app/apptest/process"
)

const (
	startLimit = 5 * time.Minute // to be ready: several processes may start on a busy machine, and migrate a slow engine
	runLimit   = startLimit      // of a command
	stopLimit  = time.Minute     // above every PAYMENTD_SHUTDOWN that a test sets
	tailLines  = 60              // of the log, shown when a test has failed
)

// Process is one run of paymentd. Methods without a testing.TB may be called from any goroutine; the
// others may fail the test.
type Process struct {
	// URL is where it serves, such as http://127.0.0.1:12345; https with a certificate.
	URL string
	// Folder is the working directory.
	Folder string

	process *process.Process
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

// StartWriting is Start with output as stdout and stderr, such as a pipe that is never read. Log then
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
	return run(t, process.Config{
		URL: scheme + env[variable], Folder: t.TempDir(), Binary: binary, Env: env, Args: args, Output: output,
	})
}

// Restart runs the process again, with the same settings, in the same folder and on the same
// address. A process that still runs is killed first.
func (p *Process) Restart(t testing.TB) *Process {
	t.Helper()
	p.Kill()
	again := p.process.Config
	again.Output = nil
	return run(t, again)
}

func run(t testing.TB, c process.Config) *Process {
	t.Helper()
	started, err := process.Start(c)
	if err != nil {
		t.Fatalf("apptest: %v", err)
	}
	p := &Process{URL: c.URL, Folder: c.Folder, process: started}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("paymentd %v at %s, exit code %d, last lines of its log:\n%s",
				c.Args, p.URL, started.ExitCode(), started.Log.Tail(tailLines))
		}
	})
	return p
}

// PID returns the id of the process.
func (p *Process) PID() int { return p.process.PID() }

// Log returns what the process has written so far: JSON lines.
func (p *Process) Log() string { return p.process.Log.String() }

// WaitLog waits until the process has written the text.
func (p *Process) WaitLog(t testing.TB, text string) {
	t.Helper()
	Eventually(t, startLimit, func() error {
		if p.process.Log.Has(text) {
			return nil
		}
		return fmt.Errorf("paymentd at %s has not written %q", p.URL, text)
	})
}

// WaitReady waits until the service, or the sandbox, accepts requests.
func (p *Process) WaitReady(t testing.TB) {
	t.Helper()
	path := "/readyz"
	if p.process.Args[0] == "sandbox" {
		path = "/healthz"
	}
	Eventually(t, startLimit, func() error {
		select {
		case <-p.process.Exited():
			t.Fatalf("apptest: paymentd at %s exited with code %d before it was ready", p.URL, p.process.ExitCode())
		default:
		}
		if code := Status(t.Context(), p.URL+path); code != http.StatusOK {
			return fmt.Errorf("GET %s: status %d", p.URL+path, code)
		}
		return nil
	})
}

// Kill sends SIGKILL, and returns when the process is gone. It does nothing if the process has exited.
func (p *Process) Kill() { p.process.Kill() }

// HangUp sends SIGHUP and does not wait.
func (p *Process) HangUp(t testing.TB) { t.Helper(); p.signal(t, syscall.SIGHUP) }

// Terminate sends SIGTERM and does not wait.
func (p *Process) Terminate(t testing.TB) { t.Helper(); p.signal(t, syscall.SIGTERM) }

// Stop sends SIGTERM, waits for the process to exit, and returns its exit code.
func (p *Process) Stop(t testing.TB) int {
	t.Helper()
	p.Terminate(t)
	return p.Wait(t)
}

// Wait waits for the process to exit and returns its exit code; -1 if a signal ended it.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	code, err := p.process.Wait(stopLimit)
	if err != nil {
		t.Fatalf("apptest: %v", err)
	}
	return code
}

// Pause sends SIGSTOP, and returns when every thread has stopped: the process keeps its memory and
// its connections, and runs no code.
func (p *Process) Pause(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGSTOP)
	Eventually(t, stopLimit, p.process.Paused)
}

// Resume sends SIGCONT to a paused process.
func (p *Process) Resume(t testing.TB) { t.Helper(); p.signal(t, syscall.SIGCONT) }

func (p *Process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := p.process.Signal(s); err != nil {
		t.Fatalf("apptest: %v", err)
	}
}

// Output is the output and the exit code of a command.
type Output struct {
	Code           int
	Stdout, Stderr string
}

// Run runs `paymentd args...` until it exits, with the variables of env and no others. A server gets a free
// port of the loopback interface, unless env has its address.
func Run(t testing.TB, binary string, env map[string]string, args ...string) Output {
	t.Helper()
	return RunIn(t, t.TempDir(), binary, env, args...)
}

// RunIn is Run in the folder.
func RunIn(t testing.TB, folder, binary string, env map[string]string, args ...string) Output {
	t.Helper()
	var stdout, stderr process.Log
	command := exec.CommandContext(t.Context(), binary, args...) //nolint:gosec // the binary is our own
	command.Dir = folder
	command.Env = []string{"PAYMENTD_ADDR=127.0.0.1:0", "PAYMENTD_SANDBOX_ADDR=127.0.0.1:0"} // the last of a name counts
	for name, value := range env {
		command.Env = append(command.Env, name+"="+value)
	}
	command.Stdout, command.Stderr = &stdout, &stderr
	timer := time.AfterFunc(runLimit, func() { _ = command.Process.Kill() })
	defer timer.Stop()
	var exit *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("apptest: run paymentd: %v", err)
	}
	return Output{Code: command.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}

// FreeAddress returns a host:port of the loopback interface on which no process listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	address, err := process.FreeAddress(t.Context())
	if err != nil {
		t.Fatalf("apptest: %v", err)
	}
	return address
}
