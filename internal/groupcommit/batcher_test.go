package groupcommit_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/internal/groupcommit"
)

const (
	takes      = time.Second // a write
	stallAfter = 2 * takes
	timeout    = time.Minute
)

// disk records the batches that were written.
type disk struct {
	mu      sync.Mutex
	batches [][]int
}

// write takes a second, and fails for negative items.
func (d *disk) write(items []int) []error {
	time.Sleep(takes)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.batches = append(d.batches, items)
	errs := make([]error, len(items))
	for i, item := range items {
		if item < 0 {
			errs[i] = errors.New(strconv.Itoa(item))
		}
	}
	return errs
}

// written returns the batches since the last call.
func (d *disk) written() [][]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	written := d.batches
	d.batches = nil
	return written
}

func TestBatcher_SingleWriteIsNotDelayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		b := groupcommit.NewBatcher(64, 1, stallAfter, d.write)
		for range 3 {
			began := time.Now()
			require.NoError(t, b.Do(t.Context(), timeout, 1))
			require.Equal(t, takes, time.Since(began))
		}
		require.Equal(t, [][]int{{1}, {1}, {1}}, d.written())
	})
}

func TestBatcher_WritesDuringAWriteFormTheNextBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		b := groupcommit.NewBatcher(3, 1, stallAfter, d.write)
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() {
				time.Sleep(time.Duration(i)) // one after the other
				began := time.Now()
				require.NoError(t, b.Do(t.Context(), timeout, i))
				require.Less(t, time.Since(began), 3*takes+1)
			})
		}
		all.Wait()
		require.Equal(t, [][]int{{0}, {1, 2, 3}, {4}}, d.written())
	})
}

// While a batch stalls, later items are written in batches beside it, up to the limit; afterwards one
// batch is in flight again.
func TestBatcher_StalledBatchDoesNotBlockOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		b := groupcommit.NewBatcher(64, 2, stallAfter, func(items []int) []error {
			if slices.Contains(items, 13) {
				time.Sleep(10 * takes)
			}
			return d.write(items)
		})
		var all sync.WaitGroup
		do := func(items ...int) {
			for _, item := range items {
				all.Go(func() { require.NoError(t, b.Do(t.Context(), timeout, item)) })
				synctest.Wait()
			}
		}
		do(13)
		began := time.Now()
		do(1, 2)
		time.Sleep(stallAfter + takes/2)
		do(3, 4)
		time.Sleep(2 * takes)
		require.Equal(t, [][]int{{1, 2}, {3, 4}}, d.written(), "beside the stalled batch, one after the other")
		do(13)
		time.Sleep(stallAfter)
		do(5)
		time.Sleep(stallAfter)
		require.Empty(t, d.written(), "the limit is reached")
		all.Wait()
		require.Equal(t, []int{13}, d.written()[0])
		require.Less(t, time.Since(began), 20*takes)

		do(6, 7, 8)
		all.Wait()
		require.Equal(t, [][]int{{6}, {7, 8}}, d.written())
	})
}

func TestBatcher_StartWritesInOrderWithoutWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		b := groupcommit.NewBatcher(3, 1, stallAfter, d.write)
		began := time.Now()
		for i := range 5 {
			b.Start(i)
		}
		require.Zero(t, time.Since(began))
		time.Sleep(3*takes + 1)
		require.Equal(t, [][]int{{0}, {1, 2, 3}, {4}}, d.written())
	})
}

func TestBatcher_EachItemHasItsOwnResult(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		b := groupcommit.NewBatcher(64, 1, stallAfter, d.write)
		var all sync.WaitGroup
		for _, item := range []int{1, -2, 3, -4} {
			all.Go(func() {
				err := b.Do(t.Context(), timeout, item)
				if item > 0 {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, strconv.Itoa(item))
			})
		}
		all.Wait()
	})
}

func TestBatcher_TimeoutWithdrawsAQueuedItem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		b := groupcommit.NewBatcher(64, 1, stallAfter, d.write)
		go func() { _ = b.Do(t.Context(), timeout, 1) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), takes/2)
		defer cancel()
		stays := make(chan error, 1)
		go func() { stays <- b.Do(t.Context(), timeout, 3) }()
		err := b.Do(ctx, timeout, 2)
		require.ErrorIs(t, err, groupcommit.ErrNotBegun)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, <-stays)
		require.ErrorIs(t, b.Do(ctx, timeout, 4), groupcommit.ErrNotBegun, "with no batch in flight")
		go func() { stays <- b.Do(t.Context(), timeout, 5) }()
		synctest.Wait()
		err = b.Do(t.Context(), takes/2, 6)
		require.ErrorIs(t, err, groupcommit.ErrNotBegun)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, <-stays)
		require.Equal(t, [][]int{{1}, {3}, {5}}, d.written())
	})
}

func TestBatcher_TimeoutAfterTheWriteBeganHasNoEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		b := groupcommit.NewBatcher(64, 1, stallAfter, d.write)
		ctx, cancel := context.WithTimeout(t.Context(), takes/2)
		defer cancel()
		require.NoError(t, b.Do(ctx, timeout, 1))

		go func() { _ = b.Do(t.Context(), timeout, 2) }()
		synctest.Wait()
		ctx, cancel = context.WithTimeout(t.Context(), takes+takes/2)
		defer cancel()
		require.NoError(t, b.Do(ctx, timeout, 3), "its write began before ctx ended")
	})
}

func TestBatcher_PanicIsAnErrorOfEveryItem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		b := groupcommit.NewBatcher(64, 1, stallAfter, func(items []int) []error {
			if slices.Contains(items, 13) {
				panic("unlucky")
			}
			return d.write(items)
		})
		var all sync.WaitGroup
		all.Go(func() { require.NoError(t, b.Do(t.Context(), timeout, 1)) })
		synctest.Wait()
		for _, item := range []int{2, 13, 3} {
			all.Go(func() {
				err := b.Do(t.Context(), timeout, item)
				require.ErrorIs(t, err, groupcommit.ErrPanicked)
				require.ErrorContains(t, err, "unlucky")
			})
		}
		all.Wait()
		require.NoError(t, b.Do(t.Context(), timeout, 4), "the Batcher works on")
	})
}
