//go:build !race

package vendors

// One fault in so many, and one pair of faults in so many, are injected without flags. The numbers share no divisor
// with those of the faults, so that every kind is injected.
const (
	sampleSingle = 7
	samplePair   = 503
	sampleSeeds  = 60
)
