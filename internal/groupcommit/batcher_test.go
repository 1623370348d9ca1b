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
	takes    = time.Second // a write
	slow     = 2 * takes
	patience = time.Minute
)

// disk keeps what was written together.
type disk struct {
	mu      sync.Mutex
	batches [][]int
}

// write takes its time, and fails for negative items.
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

// written returns what was written so far, and forgets it.
func (d *disk) written() [][]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	written := d.batches
	d.batches = nil
	return written
}

func TestALoneWriteGoesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		s := groupcommit.NewShared(64, 1, slow, d.write)
		for range 3 {
			began := time.Now()
			require.NoError(t, s.Do(t.Context(), patience, 1))
			require.Equal(t, takes, time.Since(began))
		}
		require.Equal(t, [][]int{{1}, {1}, {1}}, d.written())
	})
}

func TestWhatArrivesDuringAWriteGoesTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		s := groupcommit.NewShared(3, 1, slow, d.write)
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() {
				time.Sleep(time.Duration(i)) // one after the other
				began := time.Now()
				require.NoError(t, s.Do(t.Context(), patience, i))
				require.Less(t, time.Since(began), 3*takes+1)
			})
		}
		all.Wait()
		require.Equal(t, [][]int{{0}, {1, 2, 3}, {4}}, d.written())
	})
}

// TestASlowWriteHoldsUpNobody: what arrives after it goes in other lanes, as long as there are any,
// and when it is over all go together again.
func TestASlowWriteHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		s := groupcommit.NewShared(64, 2, slow, func(items []int) []error {
			if slices.Contains(items, 13) {
				time.Sleep(10 * takes)
			}
			return d.write(items)
		})
		var all sync.WaitGroup
		do := func(items ...int) {
			for _, item := range items {
				all.Go(func() { require.NoError(t, s.Do(t.Context(), patience, item)) })
				synctest.Wait()
			}
		}
		do(13)
		began := time.Now()
		do(1, 2)
		time.Sleep(slow + takes/2)
		do(3, 4)
		time.Sleep(2 * takes)
		require.Equal(t, [][]int{{1, 2}, {3, 4}}, d.written(), "in the other lane, one after the other")
		do(13)
		time.Sleep(slow)
		do(5)
		time.Sleep(slow)
		require.Empty(t, d.written(), "no lane is left")
		all.Wait()
		require.Equal(t, []int{13}, d.written()[0])
		require.Less(t, time.Since(began), 20*takes)

		do(6, 7, 8)
		all.Wait()
		require.Equal(t, [][]int{{6}, {7, 8}}, d.written())
	})
}

func TestEachItemHasItsOwnResult(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		s := groupcommit.NewShared(64, 1, slow, d.write)
		var all sync.WaitGroup
		for _, item := range []int{1, -2, 3, -4} {
			all.Go(func() {
				err := s.Do(t.Context(), patience, item)
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

func TestPatienceEndsInLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		s := groupcommit.NewShared(64, 1, slow, d.write)
		go func() { _ = s.Do(t.Context(), patience, 1) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), takes/2)
		defer cancel()
		stays := make(chan error, 1)
		go func() { stays <- s.Do(t.Context(), patience, 3) }()
		err := s.Do(ctx, patience, 2)
		require.ErrorIs(t, err, groupcommit.ErrNotBegun)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, <-stays)
		require.ErrorIs(t, s.Do(ctx, patience, 4), groupcommit.ErrNotBegun, "with a lane free")
		go func() { stays <- s.Do(t.Context(), patience, 5) }()
		synctest.Wait()
		err = s.Do(t.Context(), takes/2, 6)
		require.ErrorIs(t, err, groupcommit.ErrNotBegun)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, <-stays)
		require.Equal(t, [][]int{{1}, {3}, {5}}, d.written())
	})
}

func TestPatienceHasNoSayOnceTheWriteHasBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		s := groupcommit.NewShared(64, 1, slow, d.write)
		ctx, cancel := context.WithTimeout(t.Context(), takes/2)
		defer cancel()
		require.NoError(t, s.Do(ctx, patience, 1))

		go func() { _ = s.Do(t.Context(), patience, 2) }()
		synctest.Wait()
		ctx, cancel = context.WithTimeout(t.Context(), takes+takes/2)
		defer cancel()
		require.NoError(t, s.Do(ctx, patience, 3), "it was taken after one write, and written by the second")
	})
}

func TestAPanicIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		s := groupcommit.NewShared(64, 1, slow, func(items []int) []error {
			if slices.Contains(items, 13) {
				panic("unlucky")
			}
			return d.write(items)
		})
		var all sync.WaitGroup
		all.Go(func() { require.NoError(t, s.Do(t.Context(), patience, 1)) })
		synctest.Wait()
		for _, item := range []int{2, 13, 3} {
			all.Go(func() {
				err := s.Do(t.Context(), patience, item)
				require.ErrorIs(t, err, groupcommit.ErrPanicked)
				require.ErrorContains(t, err, "unlucky")
			})
		}
		all.Wait()
		require.NoError(t, s.Do(t.Context(), patience, 4), "the lane is free again")
	})
}
