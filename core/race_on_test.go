//go:build race

package core_test

const (
	// pairStride is which pairs of faults a run takes, every so many: the race detector makes each
	// seven times slower. `make test/proofs` takes all of them, without it.
	pairStride = 60
	// shortStride is the same with -short.
	shortStride = 10 * pairStride
)
