package simulation

import (
	"flag"
	"os"
	"runtime"
	"testing"
	"time"
)

// coveringSeeds is the number of seeds that cover every situation, the rarest a few times.
const coveringSeeds = 500

var (
	seedFlag  = flag.Uint64("seed", 0, "live through this seed alone, and tell its story")
	seedsFlag = flag.Uint64("seeds", shortRun, "live through the seeds from 1 to this")
)

func TestMain(m *testing.M) {
	flag.Parse()
	runtime.GOMAXPROCS(1) // so that a seed replays, as far as it can
	os.Exit(m.Run())
}

// TestSimulation runs seeds, and stops at the third violation.
func TestSimulation(t *testing.T) {
	first, last := uint64(1), *seedsFlag
	if *seedFlag > 0 {
		first, last = *seedFlag, *seedFlag
	}
	began, simulated, seeds, findings := time.Now(), time.Duration(0), 0, 0
	seen := make(coverage)
	for seed := first; seed <= last && findings < 3; seed++ {
		out := simulate(t, seed, bug{})
		simulated += out.simulated
		seen.add(out.coverage)
		seeds++
		switch {
		case out.violation != nil:
			findings++
			t.Errorf("seed %d, %s: %s\nIt replays with: go test ./core/simulation -run TestSimulation -seed=%d\n%s",
				seed, out.violation.order, out.violation.what, seed, out.events())
		case *seedFlag > 0:
			t.Log(out.events())
		}
	}
	t.Logf("%d seeds, %.0f simulated hours in %v, with\n%s", seeds, simulated.Hours(),
		time.Since(began).Round(time.Millisecond), seen)
	if seeds >= coveringSeeds {
		seen.require(t)
	}
}
