package cli

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// collectFloor is the bytes of heap and stacks below which no garbage is collected.
	collectFloor = 40 << 20
	// lowestPercent is by how much the heap grows, in hundredths of what is live, where that is
	// more; and highestPercent makes Go's least heap (4 MiB at 100) no more than the floor.
	lowestPercent  = 55
	highestPercent = 1000
)

// calmCollector lets the garbage collector begin when the process has something to save. Go begins
// when the heap has doubled, which here is a few megabytes while few payments are in flight: it
// would collect dozens of times a second. With very many in flight, it begins a little earlier
// than it would. Whoever sets GOGC or GOMEMLIMIT has said what to do (package runtime).
func calmCollector() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	c := &collector{samples: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"},
	}}
	c.set(highestPercent)
	c.afterNext()
}

type collector struct {
	samples []metrics.Sample
	percent int
}

// afterNext adjusts the collector after its next cycle, and after each one from then on: nobody
// holds the object that is made here, so that the cycle finds it, and runs its finalizer.
func (c *collector) afterNext() {
	runtime.SetFinalizer(&cycle{c}, func(*cycle) {
		metrics.Read(c.samples)
		c.set(percentAt(c.samples[0].Value.Uint64() + c.samples[1].Value.Uint64()))
		c.afterNext()
	})
}

type cycle struct{ *collector }

// set passes over small changes: each stops the program for a moment.
func (c *collector) set(percent int) {
	if percent*10 > c.percent*9 && percent*10 < c.percent*11 {
		return
	}
	c.percent = percent
	debug.SetGCPercent(percent)
}

// percentAt is by how much what is live, in bytes of heap and stacks, may grow until the next cycle.
func percentAt(live uint64) int {
	if live >= collectFloor {
		return lowestPercent
	}
	percent := min(highestPercent, (collectFloor-live)*100/max(live, 1))
	return max(lowestPercent, int(percent))
}
