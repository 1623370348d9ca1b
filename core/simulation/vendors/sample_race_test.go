//go:build race

package vendors

// Fewer, because the race detector is slow.
const (
	sampleSingle = 97
	samplePair   = 5003
	sampleSeeds  = 4
)
