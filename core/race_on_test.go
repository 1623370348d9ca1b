//go:build race

package core_test

const (
	// pairStride: run one pair of faults in so many, because the race detector makes each seven times
	// slower. `make test/proofs` runs all pairs, without the race detector.
	pairStride = 60
	// shortStride is pairStride with -short.
	shortStride = 10 * pairStride
)
