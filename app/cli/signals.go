package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"paymentd/app"
)

// untilSignal returns a context that SIGINT, SIGTERM and SIGHUP cancel. A second SIGINT or SIGTERM ends
// the process.
//
// A second SIGHUP has no effect, because a terminal that closes often sends several, and systemd's
// SendSIGHUP= sends one after SIGTERM. If SIGHUP was ignored when the process started (nohup), it stays
// ignored.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // keeps it caught after stop
	}
	ctx, stop := signal.NotifyContext(ctx, signals...)
	context.AfterFunc(ctx, stop) // the second signal is not caught
	return ctx, stop
}

// ignoreBrokenPipes makes writes to a pipe without a reader fail with EPIPE. By default, such a write to
// stdout or stderr ends the process (package os/signal, "SIGPIPE").
func ignoreBrokenPipes() { signal.Ignore(syscall.SIGPIPE) }

// bounded returns the result of run, or an error if run has not returned within the limit after ctx was
// done, even if run blocks. The caller is expected to exit then.
func bounded(ctx context.Context, limit time.Duration, run func() error) error {
	returned := make(chan error, 1)
	go func() { returned <- run() }()
	select {
	case err := <-returned:
		return err
	case <-ctx.Done():
	}
	limit = max(limit, app.MinStop)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-returned:
		return err
	case <-timer.C:
		return fmt.Errorf("the stop was not complete within %v and was aborted", limit)
	}
}
