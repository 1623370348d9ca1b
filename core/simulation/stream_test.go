package simulation

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"
)

// stream is a source of random numbers for one decision or one actor. They depend on the seed and the name
// alone, not on what else was decided before.
type stream struct{ *rand.Rand }

func newStream(seed uint64, name ...any) stream {
	h := fnv.New64a()
	_, _ = fmt.Fprintln(h, name...) // never an error: package hash
	return stream{rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// chance is true with probability p.
func (s stream) chance(p float64) bool { return p > 0 && s.Float64() < p }

// between is a duration from low to high. Each order of magnitude is equally likely, because most faults
// are short and some are long.
func (s stream) between(low, high time.Duration) time.Duration {
	if high <= low {
		return high
	}
	l, h := math.Log(float64(low)), math.Log(float64(high))
	return time.Duration(math.Exp(l + s.Float64()*(h-l)))
}

// about is a duration with this mean, exponentially distributed like the time between independent
// events.
func (s stream) about(mean time.Duration) time.Duration {
	return time.Duration(s.ExpFloat64() * float64(mean))
}

// one is any of the choices.
func one[T any](s stream, choices ...T) T { return choices[s.IntN(len(choices))] }
