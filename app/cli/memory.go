package cli

import (
	"os"
	"runtime/debug"
)

// gcPercent is how much the heap of a server may grow, in percent of the live heap, before garbage is
// collected. The live heap is a few megabytes unless very many payments are in flight, so Go's default of
// 100 would collect dozens of times per second.
const gcPercent = 400

// setGCPercent sets the garbage collector's target unless GOGC sets it. GOMEMLIMIT, which the runtime reads
// itself, still bounds the memory: near the limit, garbage is collected more often.
func setGCPercent() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
