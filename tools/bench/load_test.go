package main

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// slowPayer takes 10 ms for each payment.
type slowPayer struct {
	fail    func(n int64) error
	count   atomic.Int64
	aborts  bool
	aborted atomic.Bool
}

func (p *slowPayer) pay(context.Context, int, string) error {
	time.Sleep(10 * time.Millisecond)
	if p.aborted.Load() {
		return errAborted
	}
	if n := p.count.Add(1); p.fail != nil {
		return p.fail(n)
	}
	return nil
}

func (p *slowPayer) abort()       { p.aborted.Store(p.aborts) }
func (p *slowPayer) close() error { return nil }

func anOrder() string { return "order" }

// window measures a second after a warm-up.
func window(ctx context.Context) func() (from, to time.Time, err error) {
	return func() (from, to time.Time, err error) {
		if err := sleep(ctx, 105*time.Millisecond); err != nil {
			return from, to, err
		}
		from = time.Now()
		err = sleep(ctx, time.Second)
		return from, time.Now(), err
	}
}

func TestClosedLoop_CountsMeasuredTime(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		got, err := closedLoop(t.Context(), &slowPayer{}, 3, anOrder, window(t.Context()))
		require.NoError(t, err)
		require.Len(t, got.took, 300, "without the warm-up and the last payments")
		require.Equal(t, 10*time.Millisecond, got.took[0])
		require.Equal(t, 300.0, got.perSecond())
		require.Equal(t, 333, got.paid, "of the whole time")
		require.Zero(t, got.errors)
	})
}

func TestClosedLoop_CountsErrorsButNotAborts(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		p := &slowPayer{aborts: true, fail: func(n int64) error {
			if n == 100 {
				return broken
			}
			return nil
		}}
		got, err := closedLoop(t.Context(), p, 3, anOrder, window(t.Context()))
		require.NoError(t, err)
		require.Equal(t, 1, got.errors)
		require.ErrorIs(t, got.err, broken)
	})
}

func TestClosedLoop_EndsWithItsContext(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := closedLoop(ctx, &slowPayer{}, 3, anOrder, window(ctx))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestBurst_PaysForEachClient(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		got := burst(t.Context(), &slowPayer{}, 5, anOrder)
		require.Equal(t, 5, got.paid)
		require.InDelta(t, 0.01, got.seconds, 1e-9)
	})
}

// TestBatcher_SharesQueuedChanges holds that a lone change is flushed alone, changes that arrive
// meanwhile share the next flush, and each caller receives the error of its own flush.
func TestBatcher_SharesQueuedChanges(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		broken := errors.New("broken")
		b := newBatcher(1, func(_ context.Context, changes []change) error {
			sizes = append(sizes, len(changes))
			time.Sleep(time.Millisecond)
			if len(sizes) == 2 {
				return broken
			}
			return nil
		})
		failed := make(chan bool, 1+maxBatch+5)
		for range cap(failed) {
			go func() { failed <- b.do(t.Context(), change{}) != nil }()
			synctest.Wait()
		}
		count := 0
		for range cap(failed) {
			if <-failed {
				count++
			}
		}
		b.close()
		require.Equal(t, []int{1, maxBatch, 5}, sizes)
		require.Equal(t, maxBatch, count)
	})
}
