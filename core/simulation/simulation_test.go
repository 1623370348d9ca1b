package simulation

import (
	"flag"
	"os"
	"runtime"
	"testing"
	"time"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this seed alone, and tell its story")
	seedsFlag = flag.Uint64("seeds", 0, "run the seeds from 1 to this; 0 for a short run")
)

func TestMain(m *testing.M) {
	flag.Parse()
	runtime.GOMAXPROCS(1) // so that a seed replays, as far as it can
	os.Exit(m.Run())
}

func TestSimulation(t *testing.T) {
	first, last := uint64(1), uint64(400)
	switch {
	case *seedFlag > 0:
		first, last = *seedFlag, *seedFlag
	case *seedsFlag > 0:
		last = *seedsFlag
	}
	failures, seen := 0, make(sights)
	began, simulated := time.Now(), time.Duration(0)
	for seed := first; seed <= last; seed++ {
		out := simulate(t, seed, bug{})
		simulated += out.simulated
		seen.add(out.sights)
		if out.finding != nil {
			t.Errorf("seed %d, %s: %s\n%s", seed, out.finding.order, out.finding.what, out.story())
			if failures++; failures == 3 {
				break
			}
		}
		if *seedFlag > 0 {
			t.Log(out.story())
		}
	}
	t.Logf("%d seeds, %.0f simulated hours in %v", last-first+1, simulated.Hours(), time.Since(began))
	t.Logf("seen on the way:\n%s", seen)
}
