package commit_test

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

	"paymentd/sql/commit"
)

const (
	takes    = time.Second // a write
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

func TestALoneWriteGoesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		s := commit.NewShared(1, 64, d.write)
		for range 3 {
			began := time.Now()
			require.NoError(t, s.Do(t.Context(), patience, 1))
			require.Equal(t, takes, time.Since(began))
		}
		require.Equal(t, [][]int{{1}, {1}, {1}}, d.batches)
	})
}

func TestWhatArrivesDuringAWriteGoesTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		s := commit.NewShared(1, 3, d.write)
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
		require.Equal(t, [][]int{{0}, {1, 2, 3}, {4}}, d.batches)
	})
}

func TestLanesWriteAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		s := commit.NewShared(2, 64, d.write)
		began := time.Now()
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() { require.NoError(t, s.Do(t.Context(), patience, i)) })
		}
		all.Wait()
		require.Equal(t, 2*takes, time.Since(began), "two lone ones, and then the others")
		require.Len(t, d.batches, 3)
	})
}

func TestEachItemHasItsOwnResult(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		s := commit.NewShared(1, 64, d.write)
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
		s := commit.NewShared(1, 64, d.write)
		go func() { _ = s.Do(t.Context(), patience, 1) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), takes/2)
		defer cancel()
		stays := make(chan error, 1)
		go func() { stays <- s.Do(t.Context(), patience, 3) }()
		err := s.Do(ctx, patience, 2)
		require.ErrorIs(t, err, commit.ErrNotBegun)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, <-stays)
		require.ErrorIs(t, s.Do(ctx, patience, 4), commit.ErrNotBegun, "with a lane free")
		go func() { stays <- s.Do(t.Context(), patience, 5) }()
		synctest.Wait()
		err = s.Do(t.Context(), takes/2, 6)
		require.ErrorIs(t, err, commit.ErrNotBegun)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, <-stays)
		require.Equal(t, [][]int{{1}, {3}, {5}}, d.batches)
	})
}

func TestPatienceHasNoSayOnceTheWriteHasBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d disk
		s := commit.NewShared(1, 64, d.write)
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
		s := commit.NewShared(1, 64, func(items []int) []error {
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
				require.ErrorIs(t, err, commit.ErrPanicked)
				require.ErrorContains(t, err, "unlucky")
			})
		}
		all.Wait()
		require.NoError(t, s.Do(t.Context(), patience, 4), "the lane is free again")
	})
}
