//go:build race

package simulation

const (
	raceDetector = true
	// shortRun is how many seeds a run without flags has; the race detector makes it slow.
	shortRun = 40
)
