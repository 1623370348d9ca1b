package httpapi

import (
	"hash/maphash"
	"math"
	"sync"
	"time"
)

// The size of [buckets]: 64 shards of 4 rows of 4096 cells of 8 bytes, 8 MiB.
const (
	bucketShards = 64
	bucketRows   = 4
	bucketCells  = 4096
)

// buckets says who asks too often. It is a token bucket for each caller in the form of the generic
// cell rate algorithm: all that there is to know of a bucket is the moment at which it will be full
// again, one number. Requests that are refused cost no token.
//
// The numbers are in a table of fixed size, whatever the number of callers: a count-min sketch. A
// caller's hash names one cell in each row. Cells are shared, and what a cell holds is never less
// than what any of its callers has used up; so the least of a caller's cells counts. This errs on
// one side alone. Nobody gets a fresh bucket by making the table forget him, as he would where old
// entries make room for new ones. And somebody else is refused only where each of his cells is full
// by what others have asked just now. With n callers at their limit his chance of that is
// (1-exp(-n/262144))^4: one in 500 000 for ten thousand of them, one in 100 for a hundred thousand.
// With many more callers, each below his limit, strangers are refused when all requests together
// come near to 262144 times the rate of one. Which cells are whose depends on a seed that nobody
// outside knows.
//
// Why not one of the usual libraries: their buckets are ten times as large, and need a list beside
// them of whom to forget.
type buckets struct {
	interval int64 // nanoseconds in which a token comes back
	depth    int64 // nanoseconds in which all of them do
	began    time.Time
	seed     maphash.Seed
	shards   [bucketShards]bucketShard
}

// bucketShard is a table of its own, for the callers whose hashes lead here. One lock for all its
// cells makes a take exact: two at once cannot have the same token.
type bucketShard struct {
	mu   sync.Mutex
	full [bucketRows][bucketCells]int64 // when a bucket is full again, in nanoseconds after began
}

// newBuckets returns nil for no limit.
func newBuckets(r Rate) *buckets {
	if r.Requests == 0 {
		return nil
	}
	interval := int64(r.Window) / int64(r.Requests)
	return &buckets{
		interval: interval, depth: interval * int64(r.Requests), began: time.Now(), seed: maphash.MakeSeed(),
	}
}

// quota is what a caller has left.
type quota struct {
	refused bool
	left    int64         // requests that would be let through now
	more    time.Duration // until there is one more
}

// ofAddress takes a token from the bucket of an address.
func (b *buckets) ofAddress(a [16]byte) quota { return b.take(maphash.Bytes(b.seed, a[:])) }

// ofCaller takes a token from the bucket of a caller.
func (b *buckets) ofCaller(c caller) quota { return b.take(maphash.String(b.seed, c.ID)) }

func (b *buckets) take(hash uint64) quota {
	now := int64(time.Since(b.began)) // of the monotonic clock
	s := &b.shards[hash%bucketShards]
	hash /= bucketShards
	var cells [bucketRows]*int64
	full := int64(math.MaxInt64)

	s.mu.Lock()
	defer s.mu.Unlock()
	for row := range s.full {
		cells[row] = &s.full[row][hash%bucketCells]
		hash /= bucketCells
		full = min(full, *cells[row])
	}
	full = max(full, now) + b.interval
	left := b.depth - (full - now)
	if left < 0 {
		return quota{refused: true, more: time.Duration(-left)}
	}
	for _, cell := range cells {
		*cell = max(*cell, full) // a cell that somebody else has used more is left as it is
	}
	return quota{left: left / b.interval, more: time.Duration(b.interval - left%b.interval)}
}
