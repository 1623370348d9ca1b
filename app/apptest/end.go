package apptest

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// watcher runs a line of shell when this process ends, whatever ends it. Cleanups do not run
// when a test binary panics, times out, or is killed; the shell reads a pipe, and is told of
// that by its end.
type watcher struct {
	shell *exec.Cmd
	pipe  io.Closer
}

// atEnd has the script run at the end of this process, with argument as its $1.
func atEnd(script, argument string) (*watcher, error) {
	// Not CommandContext: it must outlive everything that could be cancelled.
	shell := exec.Command("/bin/sh", "-c", "read -r _; "+script, "apptest-watcher", argument) //nolint:noctx,gosec // see above; the scripts are ours
	// A group of its own, which the terminal's Ctrl-C does not reach.
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := shell.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("connect a watcher: %w", err)
	}
	if err := shell.Start(); err != nil {
		return nil, fmt.Errorf("start a watcher: %w", err)
	}
	return &watcher{shell: shell, pipe: pipe}, nil
}

// dismiss ends the watcher, and its script is not run.
func (w *watcher) dismiss() {
	_ = w.shell.Process.Kill()
	_ = w.shell.Wait()
	_ = w.pipe.Close()
}
