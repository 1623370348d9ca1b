package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const pollEvery = time.Millisecond

// ErrStillRunning is returned when a process has not exited in time.
var ErrStillRunning = errors.New("the process has not exited in time")

// Config is what a process is started with.
type Config struct {
	Binary string
	Args   []string
	// Env is the whole environment.
	Env map[string]string
	// Folder is the working directory.
	Folder string
	// URL is where the process serves.
	URL string
	// Output replaces the log as stdout and stderr, unless it is nil.
	Output *os.File
}

// Process is a process that was started. Its methods are safe for concurrent use.
type Process struct {
	Config
	// Log has the output of the process.
	Log *Log
	// Started is when the process was started.
	Started time.Time

	command *exec.Cmd
	exited  chan struct{} // closed when the process has exited; code may then be read
	code    int
}

// Start starts a process, and returns before it is ready.
func Start(c Config) (*Process, error) {
	p := &Process{Config: c, Log: &Log{}, exited: make(chan struct{})}
	// Not CommandContext: its context could be cancelled before the process was stopped in order.
	p.command = exec.Command(c.Binary, c.Args...) //nolint:noctx,gosec // see above; the binary is our own
	p.command.Dir = c.Folder
	p.command.Env = []string{} // nil would be the environment of this process
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		p.command.Env = append(p.command.Env, name+"="+c.Env[name])
	}
	p.command.Stdout, p.command.Stderr = p.Log, p.Log
	if c.Output != nil {
		p.command.Stdout, p.command.Stderr = c.Output, c.Output
	}
	// In a process group of its own, because Ctrl-C signals the whole group.
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.Started = time.Now()
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Binary, err)
	}
	hook, err := killOnExit(p.PID())
	go func() {
		_ = p.command.Wait() // the state has the result
		p.code = p.command.ProcessState.ExitCode()
		if hook != nil {
			hook.Cancel()
		}
		close(p.exited)
	}()
	if err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// PID returns the id of the process.
func (p *Process) PID() int { return p.command.Process.Pid }

// Exited is closed when the process has exited.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// ExitCode returns the exit code, -1 if a signal ended the process. It blocks until the process has
// exited.
func (p *Process) ExitCode() int {
	<-p.exited
	return p.code
}

// WaitReady waits until a GET of the path returns 200.
func (p *Process) WaitReady(ctx context.Context, path string) error {
	for {
		if p.isReady(ctx, path) {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s exited with code %d before it was ready: %s", p.URL, p.code, p.Log.Tail(3))
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready in time: %w: %s", p.URL, ctx.Err(), p.Log.Tail(3))
		case <-time.After(pollEvery):
		}
	}
}

func (p *Process) isReady(ctx context.Context, path string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+path, http.NoBody)
	if err != nil {
		return false
	}
	response, err := Client().Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) error {
	if err := p.command.Process.Signal(s); err != nil {
		return fmt.Errorf("send %v to %s: %w", s, p.URL, err)
	}
	return nil
}

// Kill sends SIGKILL, and returns when the process is gone.
func (p *Process) Kill() {
	_ = p.command.Process.Kill() // fails if it has exited
	<-p.exited
}

// Wait waits for the process to exit and returns its exit code, -1 if a signal ended it. The error is
// [ErrStillRunning] when the limit has passed.
func (p *Process) Wait(limit time.Duration) (int, error) {
	select {
	case <-p.exited:
		return p.code, nil
	case <-time.After(limit):
		return -1, fmt.Errorf("%s: %w: %s", p.URL, ErrStillRunning, p.Log.Tail(3))
	}
}

// Stop sends SIGTERM and waits for the process to exit. It kills a process that has not exited when
// the limit has passed.
func (p *Process) Stop(limit time.Duration) error {
	_ = p.command.Process.Signal(syscall.SIGTERM) // fails if it has exited
	_, err := p.Wait(limit)
	p.Kill()
	return err
}

// Paused returns nil when every thread of the process has stopped: SIGSTOP stops them one by one
// (proc_pid_stat(5), "state"). Without /proc it returns nil.
func (p *Process) Paused() error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.PID()))
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
			return fmt.Errorf("%s has a thread in state %.1s", p.URL, state)
		}
	}
	return nil
}
