//go:build !race

package simulation

// shortRun is how many seeds a run without flags has.
const shortRun = 400
