package mysqltest

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// reaper cleans up after this process, however it ends.
//
// Deferred calls and test cleanups do not run if a test binary panics, times out,
// or is killed. But a pipe is closed then, and its other end reads end-of-file. So
// a shell that waits for that does the cleanup. It is in a process group of its
// own, so that a terminal's Ctrl-C does not stop it.
type reaper struct {
	shell *exec.Cmd
	pipe  io.WriteCloser
}

// reaperScript remembers the last line that it reads. At end-of-file it runs the
// line and removes the folder. It tries twice, because the killed server may have
// been creating a file.
const reaperScript = `
last=
while IFS= read -r line; do last=$line; done
eval "$last"
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
`

// newReaper starts a reaper that removes folder.
func newReaper(folder string) (*reaper, error) {
	// Not CommandContext, because nothing may cancel it.
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

// atEnd replaces the shell command that runs before the folder is removed. An
// empty one does nothing.
func (r *reaper) atEnd(command string) error {
	if _, err := io.WriteString(r.pipe, command+"\n"); err != nil {
		return fmt.Errorf("instruct the reaper: %w", err)
	}
	return nil
}

// reap cleans up now, and waits for it.
func (r *reaper) reap() error {
	if err := r.pipe.Close(); err != nil {
		return fmt.Errorf("start the cleanup: %w", err)
	}
	if err := r.shell.Wait(); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}
