package console

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/ports"
)

// countedWork counts the queries.
type countedWork struct {
	queries atomic.Int64
	takes   time.Duration
	err     error
}

func (w *countedWork) SumOutstanding(ctx context.Context) (ports.Outstanding, error) {
	w.queries.Add(1)
	select {
	case <-time.After(w.takes):
	case <-ctx.Done():
		return ports.Outstanding{}, ctx.Err()
	}
	return ports.Outstanding{}, w.err
}

// newCounted returns live updates that read work once for each update.
func newCounted(work *countedWork) *live {
	s := &sampler{work: work}
	return newLive(func() []byte { s.get(); return []byte("update") }, s.due)
}

// Any number of viewers costs one query a second, and none costs no query.
func TestLive_FiftyViewers_OneQueryASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		work := &countedWork{takes: time.Millisecond}
		l := newCounted(work)
		time.Sleep(time.Minute)
		require.Zero(t, work.queries.Load(), "no one watches")

		var received atomic.Int64
		var leaves []func()
		for range 50 {
			updates, leave, ok := l.watch()
			require.True(t, ok)
			done := make(chan struct{})
			leaves = append(leaves, func() { leave(); close(done) })
			go func() {
				for {
					select {
					case <-updates:
						received.Add(1)
					case <-done:
						return
					}
				}
			}()
		}
		time.Sleep(time.Minute + 100*time.Millisecond)
		require.LessOrEqual(t, work.queries.Load(), int64(60))
		require.GreaterOrEqual(t, work.queries.Load(), int64(58))
		require.Equal(t, 50*work.queries.Load(), received.Load(), "each update is new, and reaches everyone")

		for _, leave := range leaves {
			leave()
		}
		synctest.Wait()
		before := work.queries.Load()
		time.Sleep(time.Hour)
		require.LessOrEqual(t, work.queries.Load(), before+1)
		synctest.Wait() // run has returned, or the bubble would not end
	})
}

// Pages and streams share the samples.
func TestSampler_ManyPages_OneQueryASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		work := &countedWork{}
		s := &sampler{work: work}
		for range 1000 {
			s.get()
			time.Sleep(10 * time.Millisecond)
		}
		require.LessOrEqual(t, work.queries.Load(), int64(10))
	})
}

// A database that is slow or away is asked less often, and the page keeps what it had.
func TestSampler_SlowDatabase_IsAskedLess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		work := &countedWork{}
		s := &sampler{work: work}
		first := s.get()
		require.NoError(t, first.Err)
		work.takes, work.err = time.Hour, errors.New("away")
		time.Sleep(sampleEvery)
		failed := s.get()
		require.ErrorIs(t, failed.Err, context.DeadlineExceeded)
		require.Equal(t, first.At, failed.At)
		time.Sleep(sampleShare*sampleTimeout - sampleTimeout - time.Millisecond)
		s.get()
		require.EqualValues(t, 2, work.queries.Load())
		time.Sleep(time.Millisecond)
		work.takes, work.err = 0, nil
		require.NoError(t, s.get().Err)
		require.EqualValues(t, 3, work.queries.Load())
	})
}

// A viewer who reads slowly gets the latest update, and delays no one.
func TestLive_SlowViewer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := byte(0)
		l := newLive(func() []byte { n++; return []byte{n} }, time.Now)
		updates, leave, ok := l.watch()
		require.True(t, ok)
		time.Sleep(5*liveEvery + liveEvery/2)
		require.Equal(t, []byte{5}, <-updates)
		leave()
		time.Sleep(2 * liveEvery)
	})
}

func TestLive_Bounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLive(func() []byte { return nil }, time.Now)
		for range maxViewers {
			_, _, ok := l.watch()
			require.True(t, ok)
		}
		_, _, ok := l.watch()
		require.False(t, ok)
		l.close()
		l.close()
		_, _, ok = l.watch()
		require.False(t, ok, "it stops")
	})
}
