//go:build !race

package core_test

// pairStride is which pairs of faults a run takes: all.
const pairStride = 1
