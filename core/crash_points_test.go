package core_test

import (
	"context"
	"flag"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
)

var everyPair = flag.Bool("every-pair", false, "let pairs of faults include polls, and calls that merely fail")

// TestEveryCrashPoint lets faults befall the worker of a payment at every call that the core
// makes through a port, in every manner, and at every pair of such calls; whoever is left
// carries on. What must hold is in life.check.
func TestEveryCrashPoint(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	ran := make(map[string]int)
	t.Run("all", func(t *testing.T) {
		for _, plot := range plots {
			for _, course := range courses {
				t.Run(plot.name+", "+string(course), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						counts := befallAll(t, plot, course)
						time.Sleep(time.Minute) // until the dead have noticed
						mu.Lock()
						defer mu.Unlock()
						for what, n := range counts {
							ran[what] += n
						}
					})
				})
			}
		}
	})
	total := 0
	for _, what := range slices.Sorted(maps.Keys(ran)) {
		total += ran[what]
		t.Logf("%6d × %s", ran[what], what)
	}
	t.Logf("%6d combinations", total)
}

// befallAll lives the plot once without a fault, once for each fault that can befall it, and,
// after each that kills or pauses, once for each that can kill or pause the worker that then goes on;
// of these pairs, every stride-th.
func befallAll(t *testing.T, plot plot, course course) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	pairs := 0
	well := live(t, plot, course)
	counts["no fault"]++
	for n, poll := range well.points(0) {
		for i, first := range manners {
			once := live(t, plot, course, blow{n, first})
			if once.hasStruck() != 1 {
				continue
			}
			counts["one fault: "+first.name]++
			for m, pollToo := range once.points(n) {
				for j, second := range manners {
					if (poll || pollToo || i >= paired || j >= paired) && !*everyPair {
						continue
					}
					if pairs++; pairs%stride() != 0 {
						continue
					}
					if twice := live(t, plot, course, blow{n, first}, blow{m, second}); twice.hasStruck() == 2 {
						counts["two faults"]++
					}
				}
			}
		}
	}
	return counts
}

// stride is which pairs of faults a run takes: all, or one of so many.
func stride() int {
	if testing.Short() {
		return shortStride
	}
	return pairStride
}

// blow is a fault that befalls the n-th call of a life.
type blow struct {
	n      int
	manner manner
}

// paired is how many manners befall in pairs as well.
const paired = 5

// manner is how a fault befalls a call. A worker that is dead makes no call any more.
type manner struct {
	name  string
	fault func(*mortal) fake.Fault
}

// manners begin with those that let another worker take over.
var manners = []manner{
	{"killed before the call", func(r *mortal) fake.Fault {
		return fake.CrashBefore(func() { r.kill(); exit() })
	}},
	{"killed in the middle, the effect done and the answer lost", func(r *mortal) fake.Fault {
		return fake.CrashAfter(func() { r.kill(); exit() })
	}},
	{"killed after the call", func(r *mortal) fake.Fault {
		return func(_ context.Context, _ fake.Call, do func()) error { do(); r.kill(); return nil }
	}},
	{"paused before the call", func(r *mortal) fake.Fault { return r.paused(fake.Delay(pause)) }},
	{"paused after the call", func(r *mortal) fake.Fault { return r.paused(fake.DelayAnswer(pause)) }},
	{"the call fails, the worker lives", func(*mortal) fake.Fault { return fake.FailBefore }},
	{"the answer is lost, the worker lives", func(*mortal) fake.Fault { return fake.FailAfter }},
}

// pause is past every lease, and past the time in which an attempt may arrive late.
const pause = 20 * time.Second

// points are the numbers of the calls after the n-th at which a fault makes a difference, and
// whether the call is a poll: one that comes when nothing has happened since the last is the
// same as that. To be killed at a poll is to be killed after the call before, so pairs leave
// polls out, unless asked for.
func (l *life) points(n int) iter.Seq2[int, bool] {
	l.mu.Lock()
	calls := slices.Clone(l.calls)
	l.mu.Unlock()
	return func(yield func(int, bool) bool) {
		polled := make(map[string]bool)
		for i, method := range calls {
			poll := slices.Contains([]string{"NextDue", "Heartbeat", "Heartbeats", "TryWrite", "Find", "Transactions", "CountForeign"}, method)
			if !poll {
				clear(polled)
			}
			again := polled[method]
			polled[method] = poll
			if i+1 > n && !again && !yield(i+1, poll) {
				return
			}
		}
	}
}

func TestPollsWithoutNewsAreOnePoint(t *testing.T) {
	t.Parallel()
	l := &life{calls: []string{"Heartbeat", "NextDue", "Heartbeat", "NextDue", "ClaimDue", "NextDue", "Charge"}}
	require.Equal(t, map[int]bool{1: true, 2: true, 5: false, 6: true, 7: false}, maps.Collect(l.points(0)))
	require.Equal(t, map[int]bool{6: true, 7: false}, maps.Collect(l.points(5)))
}
