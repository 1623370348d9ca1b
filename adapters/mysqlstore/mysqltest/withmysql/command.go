package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// stopTimeout is how long an interrupted command may take to end by itself. It is
// shorter than the 10 s after which supervisors usually kill a process.
const stopTimeout = 8 * time.Second

// Exit codes, as in shells.
const (
	exitNotRun   = 127
	exitBySignal = 128 // plus the signal's number
)

// runCommand runs the command with more environment variables, forwards signals
// to it and to the processes that it started, and returns its exit code.
func runCommand(args, variables []string, signals <-chan os.Signal) (int, error) {
	command := exec.Command(args[0], args[1:]...) //nolint:noctx // signals end it
	command.Env = append(os.Environ(), variables...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// A group of its own, because `go test` does not forward signals to its tests, and
	// a terminal would send them a second one.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return exitNotRun, fmt.Errorf("run the command: %w", err)
	}
	group := -command.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()

	var stopTimedOut <-chan time.Time // never, until interrupted
	for {
		select {
		case received := <-signals:
			number, _ := received.(syscall.Signal)
			if err := syscall.Kill(group, number); err != nil {
				return exitFailure, fmt.Errorf("forward %v: %w", received, err)
			}
			stopTimedOut = time.After(stopTimeout)
		case <-stopTimedOut:
			if err := syscall.Kill(group, syscall.SIGKILL); err != nil {
				return exitFailure, fmt.Errorf("kill the command: %w", err)
			}
		case err := <-ended:
			if stopTimedOut != nil {
				// `go test` may have left tests running.
				_ = syscall.Kill(group, syscall.SIGKILL)
			}
			return exitCode(err)
		}
	}
}

// exitCode returns the exit code of a command, from the result of Wait.
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
