//go:build race

package core_test

// pairStride is which pairs of faults a run takes, every so many: the race detector makes each
// seven times slower. `make test/proofs` takes all of them, without it.
const pairStride = 60
