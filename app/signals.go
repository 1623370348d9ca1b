package app

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// untilSignal returns a context that SIGINT, SIGTERM and SIGHUP end. A second SIGINT or SIGTERM ends
// the process.
//
// A second SIGHUP does nothing: a terminal that is closed tends to send several, and systemd's
// SendSIGHUP= sends one after SIGTERM. If SIGHUP was ignored when the process began (nohup), it stays
// ignored.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ends := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		ends = append(ends, syscall.SIGHUP)
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // keeps it caught, whatever stop does
	}
	ctx, stop := signal.NotifyContext(ctx, ends...)
	context.AfterFunc(ctx, stop) // the second signal is not caught
	return ctx, stop
}

// ignoreBrokenPipes has writes to a pipe without a reader fail with EPIPE. Without it, such a write to
// stdout or stderr ends the process ("SIGPIPE", package os/signal).
func ignoreBrokenPipes() { signal.Ignore(syscall.SIGPIPE) }

// stopReserve is the part of PAYMENTD_SHUTDOWN that is left for closing, once payments in flight had
// the rest.
func stopReserve(shutdown time.Duration) time.Duration { return min(2*time.Second, shutdown/5) }

// minStop is what closing may take even if PAYMENTD_SHUTDOWN is shorter.
const minStop = time.Second

// bounded returns what run returns, or an error if it has not returned within the limit after the end
// of ctx, whatever blocks it. The caller is expected to end the process then.
func bounded(ctx context.Context, limit time.Duration, run func() error) error {
	returned := make(chan error, 1)
	go func() { returned <- run() }()
	select {
	case err := <-returned:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(max(limit, minStop))
	defer timer.Stop()
	select {
	case err := <-returned:
		return err
	case <-timer.C:
		return fmt.Errorf("the stop was not over within %v, and was cut short", max(limit, minStop))
	}
}
