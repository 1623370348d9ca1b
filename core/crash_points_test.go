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

var everyPair = flag.Bool("every-pair", false, "let pairs of faults include polls, and calls that fail without a crash or a pause")

// TestEveryCrashPoint injects a fault of every kind at every call that the core makes through a port,
// and at every pair of such calls; another worker goes on. [run.check] checks the result.
func TestEveryCrashPoint(t *testing.T) {
	t.Parallel()
	var all []proof
	for _, sc := range slices.Concat(scenarios, failoverScenarios) {
		for _, mode := range clientModes {
			all = append(all, proof{sc.name + ", " + string(mode), 1, sc.stride(), func(t *testing.T, i ...injection) *run {
				return runScenario(t, sc, mode, i...)
			}})
		}
	}
	injectEverywhereIn(t, all)
}

// proof is a scenario with one mode of its clients.
type proof struct {
	name   string
	single int // run one fault in so many
	stride int // run one pair of faults in so many
	run    func(t *testing.T, injections ...injection) *run
}

func injectEverywhereIn(t *testing.T, all []proof) {
	t.Helper()
	var mu sync.Mutex
	runs := make(map[string]int)
	t.Run("all", func(t *testing.T) {
		for _, p := range all {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					counts := p.injectEverywhere(t)
					time.Sleep(time.Minute) // until the crashed replicas have exited
					mu.Lock()
					defer mu.Unlock()
					for what, n := range counts {
						runs[what] += n
					}
				})
			})
		}
	})
	total := 0
	for _, what := range slices.Sorted(maps.Keys(runs)) {
		total += runs[what]
		t.Logf("%6d × %s", runs[what], what)
	}
	t.Logf("%6d combinations", total)
}

// injectEverywhere runs the scenario once without a fault, once for each possible fault, and after each
// fault that crashes or pauses the worker, once for each fault that crashes or pauses the worker that
// goes on. Of these pairs it runs one in stride.
func (p proof) injectEverywhere(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{"no fault": 1}
	singles, pairs := 0, 0
	for n, poll := range p.run(t).callsAfter(0) {
		for i, first := range faultKinds {
			if singles++; singles%p.single != 0 {
				continue
			}
			once := p.run(t, injection{n, first})
			if once.countInjected() != 1 {
				continue
			}
			counts["one fault: "+first.name]++
			for m, pollToo := range once.callsAfter(n) {
				for j, second := range faultKinds {
					if (poll || pollToo || i >= paired || j >= paired) && !*everyPair {
						continue
					}
					if pairs++; pairs%p.stride != 0 {
						continue
					}
					twice := p.run(t, injection{n, first}, injection{m, second})
					if twice.countInjected() == 2 {
						counts["two faults"]++
					}
				}
			}
		}
	}
	return counts
}

// stride returns n to run one pair of faults in n; with -every-pair, all are run. A scenario with two gateways has
// about twice the calls, and so four times the pairs.
func (sc scenario) stride() int {
	const oneGateway, twoGateways = 10, 20
	switch {
	case testing.Short():
		return shortStride
	case sc.second != nil && !*everyPair:
		return pairStride * twoGateways
	case pairStride == 1 && !*everyPair: // without the race detector, which runs fewer
		return oneGateway
	}
	return pairStride
}

// injection is a fault of the call with a number, counted from 1 over all replicas of a run.
type injection struct {
	call int
	kind faultKind
}

// paired is how many of the faultKinds are injected in pairs as well.
const paired = 5

// faultKind is a kind of fault. A worker that has crashed makes no further call.
type faultKind struct {
	name  string
	fault func(*crashable) fake.Fault
}

// faultKinds begin with those after which another worker can take over.
var faultKinds = []faultKind{
	{"crash before the call", func(c *crashable) fake.Fault {
		return fake.CrashBefore(func() { c.crash(); exit() })
	}},
	{"crash during the call, its effect done and the answer lost", func(c *crashable) fake.Fault {
		return fake.CrashAfter(func() { c.crash(); exit() })
	}},
	{"crash after the call", func(c *crashable) fake.Fault {
		return func(_ context.Context, _ fake.Call, do func()) error { do(); c.crash(); return nil }
	}},
	{"pause before the call", func(c *crashable) fake.Fault { return c.paused(fake.Delay(pauseTime)) }},
	{"pause after the call", func(c *crashable) fake.Fault { return c.paused(fake.DelayAnswer(pauseTime)) }},
	{"the call fails", func(*crashable) fake.Fault { return fake.FailBefore }},
	{"the answer is lost", func(*crashable) fake.Fault { return fake.FailAfter }},
}

// pauseTime is longer than every lease, and than the time in which an attempt may arrive late.
const pauseTime = 20 * time.Second

// polls are the methods that read, and the heartbeat.
var polls = []string{"NextDue", "Heartbeat", "Heartbeats", "TryWrite", "Find", "FindOperation", "Transactions", "CountForeign"}

// callsAfter yields the numbers of the calls after the n-th at which a fault makes a difference, and
// whether the call is a poll. A poll without another call since the same poll is left out, because it is
// equivalent to that one. A crash at a poll is equivalent to a crash after the call before, so pairs
// leave out polls, unless -every-pair is set.
func (r *run) callsAfter(n int) iter.Seq2[int, bool] {
	r.mu.Lock()
	calls := slices.Clone(r.calls)
	r.mu.Unlock()
	return func(yield func(int, bool) bool) {
		polled := make(map[string]bool)
		for i, method := range calls {
			poll := slices.Contains(polls, method)
			if !poll {
				clear(polled)
			}
			repeated := polled[method]
			polled[method] = poll
			if i+1 > n && !repeated && !yield(i+1, poll) {
				return
			}
		}
	}
}

func TestCallsAfter_RepeatedPolls_AreLeftOut(t *testing.T) {
	t.Parallel()
	r := &run{calls: []string{"Heartbeat", "NextDue", "Heartbeat", "NextDue", "ClaimDue", "NextDue", "Charge"}}
	require.Equal(t, map[int]bool{1: true, 2: true, 5: false, 6: true, 7: false}, maps.Collect(r.callsAfter(0)))
	require.Equal(t, map[int]bool{6: true, 7: false}, maps.Collect(r.callsAfter(5)))
}
