package mysqltest

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// reaper cleans up after this process, whatever ends it.
//
// Deferred calls and test cleanups do not run when a test binary panics, times
// out, or is killed. A pipe does notice: its other end reads end-of-file once
// this process is gone. So the cleaning is left to a shell that waits for
// that. It sits in a process group of its own, where a terminal's Ctrl-C does
// not reach it.
type reaper struct {
	shell *exec.Cmd
	pipe  io.WriteCloser
}

// reaperScript keeps the last line it is sent and, at end-of-file, runs it and
// removes the folder. The second attempt is for a file that the killed server
// was still creating.
const reaperScript = `
last=
while IFS= read -r line; do last=$line; done
eval "$last"
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
`

// newReaper promises to remove folder.
func newReaper(folder string) (*reaper, error) {
	// Not CommandContext: it must outlive everything that could be cancelled.
	shell := exec.Command("/bin/sh", "-c", reaperScript, "mysqltest-reaper", folder) //nolint:noctx // see above
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := shell.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("connect the reaper: %w", err)
	}
	if err := shell.Start(); err != nil {
		return nil, fmt.Errorf("start the reaper: %w", err)
	}
	return &reaper{shell: shell, pipe: pipe}, nil
}

// atEnd replaces the shell command that is run before the folder is removed.
// An empty one means that nothing needs to be killed any more.
func (r *reaper) atEnd(command string) error {
	if _, err := io.WriteString(r.pipe, command+"\n"); err != nil {
		return fmt.Errorf("instruct the reaper: %w", err)
	}
	return nil
}

// reap does now what would be done at the end of this process, and waits for it.
func (r *reaper) reap() error {
	if err := r.pipe.Close(); err != nil {
		return fmt.Errorf("tell the reaper to go on: %w", err)
	}
	if err := r.shell.Wait(); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}
