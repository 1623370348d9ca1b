//go:build !race

package simulation

const (
	raceDetector = false
	// shortRun is the number of seeds of a run without flags.
	shortRun = coveringSeeds
)
