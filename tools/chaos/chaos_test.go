// Package chaos runs the real service on a real database and a gateway of its own, and breaks
// them, at random, while clients pay: replicas are killed and paused, the server of the database
// is killed, the gateway is killed, the network between each two of them fails in all the
// ways that toxiproxy knows, and something between the service and the gateway answers by itself. In the end the gateway's ledger, the table and what the clients were
// told are compared, order by order.
//
//	make chaos                                      # half an hour
//	go test ./tools/chaos -v -run Chaos -for 10m -seed 42
package chaos_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/core/simulation/history"
)

var (
	lasts = flag.Duration("for", 2*time.Minute, "how long things are broken")
	seed  = flag.Uint64("seed", 0, "seed of what is broken, and when; 0 for a new one")
)

const (
	replicas = 3
	clients  = 12
	// calmLimit is how long the service may take to end every payment once nothing is broken
	// any more. An attempt that was not answered is open for PAYMENTD_LATE at least.
	calmLimit = 2 * time.Minute
	// searchLimit bounds the search for an order of the operations on one order.
	searchLimit = 30 * time.Second
)

func TestMain(m *testing.M) { os.Exit(mysqltest.Main(m).Run()) }

func TestChaos(t *testing.T) {
	t.Parallel()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d: go test ./tools/chaos -v -run Chaos -for %v -seed %d", *seed, *lasts, *seed)
	w := newWorld(t)
	crowd := newCrowd(w, *seed)
	monkey := newMonkey(w, *seed)

	crowd.start()
	monkey.run(t, *lasts)
	w.heal(t)
	crowd.stop()

	t.Logf("%d requests for %d orders", len(crowd.history()), len(crowd.orders()))
	t.Logf("broken: %v", monkey.done)
	report(t, "fresh payment answered after the database was killed", monkey.afterDatabase)
	report(t, "fresh payment answered after the gateway was killed", monkey.afterGateway)
	report(t, "payment of a killed replica ended by another", monkey.afterReplica)
	w.waitForCalm(t)
	audit(t, w, crowd)
	require.NoError(t, history.Check(crowd.history(), searchLimit))
}

// report prints how long it took the service to recover.
func report(t *testing.T, what string, took []time.Duration) {
	t.Helper()
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	t.Logf("%s: median %v, worst %v (%d times)", what,
		took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond), len(took))
}
