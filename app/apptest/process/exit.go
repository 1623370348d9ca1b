package process

import (
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
)

// ExitHook runs a shell script when this process exits for any reason. Deferred calls and test
// cleanups do not run when a process panics or is killed. The shell reads a pipe, which the kernel
// closes when this process is gone.
type ExitHook struct {
	shell *exec.Cmd
	pipe  io.Closer
}

// hooks keeps every hook reachable: Go closes a pipe that nothing refers to, and the shell would
// take that for the exit of this process.
var hooks sync.Map

// RemoveOnExit removes a folder when this process exits.
func RemoveOnExit(folder string) (*ExitHook, error) { return onExit(`rm -rf -- "$1"`, folder) }

func killOnExit(pid int) (*ExitHook, error) { return onExit(`kill -9 "$1"`, strconv.Itoa(pid)) }

// onExit runs the script when this process exits, with argument as its $1.
func onExit(script, argument string) (*ExitHook, error) {
	// Not CommandContext: the shell has to outlive this process.
	shell := exec.Command("/bin/sh", "-c", "read -r _; "+script, "exit-hook", argument) //nolint:noctx,gosec // see above; the scripts are constants
	// In a process group of its own, because Ctrl-C signals the whole group.
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := shell.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("connect an exit hook: %w", err)
	}
	if err := shell.Start(); err != nil {
		return nil, fmt.Errorf("start an exit hook: %w", err)
	}
	h := &ExitHook{shell: shell, pipe: pipe}
	hooks.Store(h, nil)
	return h, nil
}

// Cancel stops the hook without running its script.
func (h *ExitHook) Cancel() {
	_ = h.shell.Process.Kill()
	_ = h.shell.Wait()
	_ = h.pipe.Close()
	hooks.Delete(h)
}
