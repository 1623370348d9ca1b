//go:build !race

package core_test

const (
	// pairStride: run one pair of faults in so many; 1 for all.
	pairStride = 1
	// shortStride is pairStride with -short.
	shortStride = 60
)
