package fake

import (
	"context"
	"fmt"
	"time"

	"paymentd/ports"
)

// Fault is injected into a call. It makes the call by calling do, or does not. It returns the error that the
// service gets in place of the answer, or nil if the service gets the answer. A fault that panics or ends
// the goroutine crashes the worker.
type Fault func(ctx context.Context, c Call, do func()) error

// FailBefore does not make the call, and the error says so.
func FailBefore(_ context.Context, _ Call, _ func()) error { return ports.ErrUnavailable }

// FailAfter makes the call, and its answer is lost.
func FailAfter(_ context.Context, c Call, do func()) error {
	do()
	if !c.Writes {
		return ports.ErrUnavailable // nothing can be in doubt
	}
	return ports.ErrInDoubt
}

// CrashBefore crashes the worker instead of making the call. crash must not return: it panics, or calls
// runtime.Goexit.
func CrashBefore(crash func()) Fault {
	return func(context.Context, Call, func()) error {
		crash()
		return ports.ErrUnavailable
	}
}

// CrashAfter crashes the worker after the call, before it gets the answer.
func CrashAfter(crash func()) Fault {
	return func(_ context.Context, _ Call, do func()) error {
		do()
		crash()
		return ports.ErrInDoubt
	}
}

// Delay delays the call by d. If the context ends first, the call is not made.
func Delay(d time.Duration) Fault {
	return func(ctx context.Context, _ Call, do func()) error {
		if err := sleep(ctx, d); err != nil {
			return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
		}
		do()
		return nil
	}
}

// DelayAnswer makes the call and delays its answer by d. If the context ends first, the answer is lost.
func DelayAnswer(d time.Duration) Fault {
	return func(ctx context.Context, c Call, do func()) error {
		do()
		if sleep(ctx, d) != nil {
			return FailAfter(ctx, c, func() {})
		}
		return nil
	}
}

// sleep waits for d. It returns the context's error if that ends first.
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
