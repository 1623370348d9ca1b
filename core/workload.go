package core

import (
	"context"
	"sync"
)

// workload counts the payments in this replica's hands, so that a stop can wait for them.
type workload struct {
	mu     sync.Mutex
	n      int
	idle   chan struct{}   // closed when stopping and n is zero
	ctx    context.Context //nolint:containedctx // the state itself: it is over when stopping
	cancel context.CancelCauseFunc
}

func newWorkload() *workload {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &workload{idle: make(chan struct{}), ctx: ctx, cancel: cancel}
}

// begin counts one more payment. It returns false when the service is stopping and takes
// no more.
func (w *workload) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil {
		return false
	}
	w.n++
	return true
}

// add counts one more for a payment that is counted already, whether stopping or not.
func (w *workload) add() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
}

func (w *workload) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n--
	w.closeIfIdle()
}

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

// wait returns when the service is stopping and nothing is in its hands.
func (w *workload) wait(ctx context.Context) error {
	select {
	case <-w.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
