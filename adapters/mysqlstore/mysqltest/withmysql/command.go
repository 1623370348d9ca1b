package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// patience is how long an interrupted command may take to end by itself. It is
// shorter than the ten seconds after which those who sent the signal tend to
// lose theirs.
const patience = 8 * time.Second

// Exit codes as shells give them.
const (
	exitNotRun   = 127
	exitBySignal = 128 // plus the signal's number
)

// runCommand runs the command with one more environment variable, passes
// signals on to it and to whatever it started, and returns its exit code.
func runCommand(args []string, variable string, signals <-chan os.Signal) (int, error) {
	command := exec.Command(args[0], args[1:]...) //nolint:noctx // it ends by signals
	command.Env = append(os.Environ(), variable)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// A group of its own: `go test` does not pass signals on to the tests that
	// it runs, and a terminal would send them a second one.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return exitNotRun, fmt.Errorf("run the command: %w", err)
	}
	group := -command.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()

	var outOfPatience <-chan time.Time // never, until interrupted
	for {
		select {
		case received := <-signals:
			number, _ := received.(syscall.Signal)
			if err := syscall.Kill(group, number); err != nil {
				return exitFailure, fmt.Errorf("pass on %v: %w", received, err)
			}
			outOfPatience = time.After(patience)
		case <-outOfPatience:
			if err := syscall.Kill(group, syscall.SIGKILL); err != nil {
				return exitFailure, fmt.Errorf("kill the command: %w", err)
			}
		case err := <-ended:
			if outOfPatience != nil {
				// Tests that `go test` left behind, if any: there may be none.
				_ = syscall.Kill(group, syscall.SIGKILL)
			}
			return exitCode(err)
		}
	}
}

// exitCode reads the exit code from the result of waiting for a command.
func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if err == nil {
		return 0, nil
	}
	if !errors.As(err, &exit) {
		return exitFailure, fmt.Errorf("wait for the command: %w", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitBySignal + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}
