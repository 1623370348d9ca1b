//go:build !race

package core_test

const (
	// pairStride is which pairs of faults a run takes: all.
	pairStride = 1
	// shortStride is the same with -short.
	shortStride = 60
)
