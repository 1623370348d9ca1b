package console

import (
	"math"
	"sync"
	"time"

	"paymentd/core/payment"
)

const (
	// keptSeconds is how long [Traffic] remembers.
	keptSeconds = 15 * 60
	// latencyBuckets is the number of ranges of durations, each latencyGrowth times as long as the one before. The first ends
	// at latencyFirst, and the last at about two minutes.
	latencyBuckets = 52
	latencyFirst   = time.Millisecond
	latencyGrowth  = 1.26
)

// outcomes are the states in which a round of a payment can end, in the order in which charts stack them.
var outcomes = [...]payment.State{
	payment.StateSucceeded, payment.StateAuthorized, payment.StatePending, payment.StateScheduled, payment.StateDeclined,
	payment.StateFailed, payment.StateUnresolved,
}

// tally counts what happened in some period.
type tally struct {
	Outcomes [len(outcomes)]uint32
	Latency  [latencyBuckets]uint32 // requests to pay that were answered, by the range of their duration
}

func (t *tally) add(other *tally) {
	for i, n := range other.Outcomes {
		t.Outcomes[i] += n
	}
	for i, n := range other.Latency {
		t.Latency[i] += n
	}
}

// settled returns the number of rounds that ended.
func (t *tally) settled() (n uint32) {
	for _, of := range t.Outcomes {
		n += of
	}
	return n
}

// requests returns the number of requests to pay.
func (t *tally) requests() (n uint32) {
	for _, of := range t.Latency {
		n += of
	}
	return n
}

// quantile returns a duration that the share q of the requests did not exceed, at most latencyGrowth times too long;
// zero if there were none.
func (t *tally) quantile(q float64) time.Duration {
	rank, seen := uint32(math.Ceil(q*float64(t.requests()))), uint32(0)
	if rank == 0 {
		return 0
	}
	for i, n := range t.Latency {
		if seen += n; seen >= rank {
			return time.Duration(float64(latencyFirst) * math.Pow(latencyGrowth, float64(i)))
		}
	}
	return 0
}

// Traffic counts the payments of this process in the last quarter of an hour, second by second. It is fed by the use
// cases and costs no query, so that a chart has a history when it is opened.
type Traffic struct {
	mu      sync.Mutex
	seconds [keptSeconds]struct {
		at int64 // in Unix seconds; the slot is of another time if it differs
		tally
	}
}

// NewTraffic returns a record without any traffic.
func NewTraffic() *Traffic { return &Traffic{} }

// Settled counts a round of an operation that ended in the state. Only payments are counted.
func (t *Traffic) Settled(kind payment.Kind, state payment.State) {
	if kind != payment.KindCharge {
		return
	}
	for i, s := range outcomes {
		if s == state {
			t.now(func(of *tally) { of.Outcomes[i]++ })
			return
		}
	}
}

// Answered counts a request to pay that was answered after the time.
func (t *Traffic) Answered(took time.Duration) {
	bucket := 0
	if took > latencyFirst {
		bucket = int(math.Ceil(math.Log(float64(took)/float64(latencyFirst)) / math.Log(latencyGrowth)))
	}
	t.now(func(of *tally) { of.Latency[min(bucket, latencyBuckets-1)]++ })
}

// now changes the tally of the current second.
func (t *Traffic) now(change func(*tally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := time.Now().Unix()
	slot := &t.seconds[at%keptSeconds]
	if slot.at != at {
		slot.at, slot.tally = at, tally{}
	}
	change(&slot.tally)
}

// periods returns the tallies of n periods of the length, the latest last. They begin at multiples of the length, and
// the latest one, which now is in, may not be complete. The length is a whole number of seconds.
func (t *Traffic) periods(now time.Time, n int, length time.Duration) []tally {
	size := int64(length / time.Second)
	first := now.Unix()/size - int64(n) + 1
	all := make([]tally, n)
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.seconds {
		slot := &t.seconds[i]
		if p := slot.at/size - first; slot.at > 0 && p >= 0 && p < int64(n) {
			all[p].add(&slot.tally)
		}
	}
	return all
}

// last returns the tally of the current second and of those before it, as many as given.
func (t *Traffic) last(now time.Time, seconds int64) (sum tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.seconds {
		if age := now.Unix() - t.seconds[i].at; age >= 0 && age < seconds {
			sum.add(&t.seconds[i].tally)
		}
	}
	return sum
}
