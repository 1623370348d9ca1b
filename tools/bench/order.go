package main

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
)

// orders returns order ids, each once.
type orders struct {
	ascending bool
	seed      uint64 // of the run
	count     atomic.Uint64
}

func newOrders(ids string) *orders {
	return &orders{ascending: ids == "ascending", seed: rand.Uint64()} //nolint:gosec // not a secret
}

// next returns an id that begins with the name of the contender.
func (o *orders) next(contender string) string {
	n := o.count.Add(1)
	if !o.ascending {
		n = scramble(n + o.seed)
	}
	return fmt.Sprintf("%s-%016x", contender, n)
}

// scramble is the finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
// Generators, 2014). It is a bijection, so that ids stay unique.
func scramble(n uint64) uint64 {
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
