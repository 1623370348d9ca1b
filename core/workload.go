package core

import (
	"context"
	"sync"
)

// workload counts the payments that this replica processes, so that a stop can wait for them.
type workload struct {
	mu     sync.Mutex
	n      int
	idle   chan struct{}   // closed when stopping and n is zero
	ctx    context.Context //nolint:containedctx // it is the state: canceled when stopping
	cancel context.CancelCauseFunc
}

func newWorkload() *workload {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &workload{idle: make(chan struct{}), ctx: ctx, cancel: cancel}
}

// begin counts one more payment. It returns false if the service is stopping.
func (w *workload) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil {
		return false
	}
	w.n++
	return true
}

// add counts a payment that is counted already once more, even while stopping.
func (w *workload) add() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
}

// end reverses one begin or add.
func (w *workload) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n--
	w.closeIfIdle()
}

// stop cancels the context and lets begin fail.
func (w *workload) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() == nil {
		w.cancel(ErrStopping)
		w.closeIfIdle()
	}
}

func (w *workload) closeIfIdle() {
	if w.n == 0 && w.ctx.Err() != nil {
		close(w.idle)
	}
}

func (w *workload) stopping() bool { return w.ctx.Err() != nil }

// wait returns when the service is stopping and processes no payment, or with ctx's error.
func (w *workload) wait(ctx context.Context) error {
	select {
	case <-w.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
