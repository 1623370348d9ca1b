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

// slowPayer takes its time for each payment.
type slowPayer struct {
	takes  time.Duration
	fail   func(n int64) error
	count  atomic.Int64
	hungUp atomic.Bool
}

func (p *slowPayer) pay(context.Context, int, string) error {
	time.Sleep(p.takes)
	if p.hungUp.Load() {
		return errHungUp
	}
	if n := p.count.Add(1); p.fail != nil {
		return p.fail(n)
	}
	return nil
}

func (p *slowPayer) hangUp()      { p.hungUp.Store(true) }
func (p *slowPayer) close() error { return nil }

// lazyPayer finishes what it has begun.
type lazyPayer struct{ slowPayer }

func (p *lazyPayer) hangUp() {}

func threeClients(calls *[]string) load {
	note := func(what string) func() error {
		return func() error { *calls = append(*calls, what); return nil }
	}
	return load{
		clients: 3, warmUp: 105 * time.Millisecond, length: time.Second,
		order: func() string { return "order" }, measureFrom: note("from"), measureTo: note("to"),
	}
}

func TestLoadCountsWhatWasMeasured(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var calls []string
		p := &lazyPayer{slowPayer{takes: 10 * time.Millisecond}}
		got, err := threeClients(&calls).run(t.Context(), p)
		require.NoError(t, err)
		require.Equal(t, []string{"from", "to"}, calls)
		require.Len(t, got.took, 300, "without the warm-up, and without the end")
		require.Equal(t, 10*time.Millisecond, got.took[0])
		require.Equal(t, 300.0, got.perSecond())
		require.Equal(t, 333, got.answered, "everything that was answered")
		require.Zero(t, got.errors)
	})
}

func TestLoadCountsErrors(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var calls []string
		broken := errors.New("broken")
		p := &slowPayer{takes: 10 * time.Millisecond, fail: func(n int64) error {
			if n == 100 {
				return broken
			}
			return nil
		}}
		got, err := threeClients(&calls).run(t.Context(), p)
		require.NoError(t, err)
		require.Equal(t, 1, got.errors, "what was hung up on is no error")
		require.ErrorIs(t, got.err, broken)
	})
}

func TestLoadEndsWithItsContext(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var calls []string
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := threeClients(&calls).run(ctx, &slowPayer{takes: 10 * time.Millisecond})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []string{"from"}, calls)
	})
}

// TestBatcherSharesWhatWaits holds that one change goes alone, those that come meanwhile go
// together, and an error is told to each whose change was in it.
func TestBatcherSharesWhatWaits(t *testing.T) {
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
