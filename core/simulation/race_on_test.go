//go:build race

package simulation

const (
	raceDetector = true
	// shortRun is the number of seeds of a run without flags, fewer because the race detector is slow.
	shortRun = 40
)
