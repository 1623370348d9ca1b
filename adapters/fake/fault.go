package fake

import (
	"context"
	"fmt"
	"time"

	"paymentd/ports"
)

// Fault happens to a call. It makes the call by calling do, or does not, and returns the
// error that the service gets in place of the answer, or nil to let the answer through.
// A worker dies at the call where the fault panics or ends the goroutine.
type Fault func(ctx context.Context, c Call, do func()) error

// FailBefore does not make the call, and the service knows it.
func FailBefore(_ context.Context, _ Call, _ func()) error { return ports.ErrUnavailable }

// FailAfter makes the call, whole, and its answer is lost.
func FailAfter(_ context.Context, c Call, do func()) error {
	do()
	if !c.Writes {
		return ports.ErrUnavailable // nothing can be in doubt
	}
	return ports.ErrInDoubt
}

// CrashBefore lets the worker die instead of making the call. How it dies is crash's to
// say, which must not return: it panics, or calls runtime.Goexit.
func CrashBefore(crash func()) Fault {
	return func(context.Context, Call, func()) error {
		crash()
		return ports.ErrUnavailable
	}
}

// CrashAfter lets the worker die when the call has been made, before it sees the answer.
func CrashAfter(crash func()) Fault {
	return func(_ context.Context, _ Call, do func()) error {
		do()
		crash()
		return ports.ErrInDoubt
	}
}

// Delay holds the call back for d, or until its context ends; then it is not made.
func Delay(d time.Duration) Fault {
	return func(ctx context.Context, _ Call, do func()) error {
		if err := sleep(ctx, d); err != nil {
			return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
		}
		do()
		return nil
	}
}

// DelayAnswer makes the call and holds its answer back for d, or until its context ends;
// then it is lost.
func DelayAnswer(d time.Duration) Fault {
	return func(ctx context.Context, c Call, do func()) error {
		do()
		if sleep(ctx, d) != nil {
			return FailAfter(ctx, c, func() {})
		}
		return nil
	}
}

// sleep returns after d, or the context's error when it ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
