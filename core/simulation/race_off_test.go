//go:build !race

package simulation

const (
	raceDetector = false
	// shortRun is how many seeds a run without flags has.
	shortRun = coveringSeeds
)
