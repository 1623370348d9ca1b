//go:build race

package simulation

// shortRun is how many seeds a run without flags has; the race detector makes it slow.
const shortRun = 60
