// Package chaos runs the real service on a real database with two gateways and failover between them, and injects
// faults at random while clients pay: replicas are killed and paused, the database server and the gateways are
// killed, the connections between them fail in the ways that toxiproxy can make them fail, and an
// intermediary answers in place of a gateway. At the end the ledgers of both gateways, the table and the
// responses are compared, order by order.
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
	lasts = flag.Duration("for", 2*time.Minute, "how long faults are injected")
	seed  = flag.Uint64("seed", 0, "seed of the faults and their times; 0 for a new one")
)

const (
	replicas = 3
	clients  = 12
	// finalLimit is the longest time from the last fault until every payment is final. An attempt
	// without a response is open for at least PAYMENTD_LATE.
	finalLimit = 5 * time.Minute
	// searchLimit bounds the search for an order of the operations on one order.
	searchLimit = 30 * time.Second
)

func TestMain(m *testing.M) { os.Exit(mysqltest.Main(m).Run()) }

func TestChaos_OrdersAreNotChargedTwice(t *testing.T) {
	t.Parallel()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d: go test ./tools/chaos -v -run Chaos -for %v -seed %d", *seed, *lasts, *seed)
	w := newWorld(t)
	load := newWorkload(w, *seed)
	monkey := newMonkey(w, *seed)

	load.start()
	monkey.run(t, *lasts)
	w.heal(t)
	load.stop()

	t.Logf("%d requests for %d orders", len(load.history()), len(load.orders()))
	t.Logf("faults: %v", monkey.faults)
	report(t, "new payment after the database was killed", monkey.afterDatabase)
	report(t, "new payment after the gateway was killed", monkey.afterGateway)
	report(t, "payment of a killed replica settled by another", monkey.afterReplica)
	w.waitUntilFinal(t)
	audit(t, w, load)
	auditOperations(t, w, load)
	require.NoError(t, history.Check(load.history(), searchLimit))
}

// report prints how long the recoveries took.
func report(t *testing.T, what string, took []time.Duration) {
	t.Helper()
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	t.Logf("%s: median %v, worst %v (%d times)", what,
		took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond), len(took))
}
