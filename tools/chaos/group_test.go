//go:build group

package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/simulation/history"
)

// TestGroup_FailoverDoesNotChargeTwice runs the service on three servers in Group Replication, by way of a
// router, while clients pay. Alternately the primary is killed during commits and rejoins the group, and
// another node is made the primary, which leaves the service connected to a read-only server.
//
//	make chaos/group
func TestGroup_FailoverDoesNotChargeTwice(t *testing.T) { //nolint:paralleltest // its servers need the whole machine
	chooseSeed(t, "TestGroup_FailoverDoesNotChargeTwice")
	g := newGroup(t)
	route := newRouter(t, g)
	w := newService(t, []string{route.url(), route.url(), route.url()})
	load, monkey := newWorkload(w, *seed), newMonkey(w, *seed)
	var took failovers

	load.start()
	for end := time.Now().Add(*lasts); time.Now().Before(end); {
		monkey.wait(3000)
		took.killPrimary(t, g, monkey)
		monkey.wait(3000)
		took.changePrimary(t, g, monkey)
	}
	w.heal(t)
	load.stop()

	report(t, "another primary after the primary was killed", took.elected)
	report(t, "new payment after the primary was killed", took.afterKill)
	report(t, "killed primary a member again", took.rejoined)
	report(t, "new payment after the primary was changed", took.afterChange)
	finish(t, w, load)
	require.Positive(t, took.refused, "no write reached a primary that had become read-only")
}

// failovers has the durations of the failovers, and the number of writes that a demoted primary refused.
type failovers struct {
	elected, afterKill, rejoined, afterChange []time.Duration
	refused                                   int
}

// TestMultiPrimary_ConflictsDoNotChargeTwice runs each replica on a node of its own, and all nodes accept
// writes: claims of one order on two nodes conflict at COMMIT. Nodes are killed during commits, and rejoin.
func TestMultiPrimary_ConflictsDoNotChargeTwice(t *testing.T) { //nolint:paralleltest // its servers need the whole machine
	chooseSeed(t, "TestMultiPrimary_ConflictsDoNotChargeTwice")
	g := newGroup(t)
	var urls []string
	for _, n := range g.nodes {
		urls = append(urls, groupURL(n.address))
	}
	migrate(t, urls[0]) // in single-primary mode, because the other mode refuses SERIALIZABLE transactions
	g.switchToMultiPrimary(t)
	w := newService(t, urls)
	load, monkey := newWorkload(w, *seed), newMonkey(w, *seed)
	var rejoined []time.Duration

	load.start()
	for end := time.Now().Add(*lasts); time.Now().Before(end); {
		monkey.wait(10_000)
		n := g.nodes[monkey.random.IntN(nodes)]
		began := n.killInCommit(t)
		g.rejoin(t, n, multiPrimary...)
		rejoined = append(rejoined, time.Since(began))
	}
	w.heal(t)
	load.stop()

	report(t, "killed node a member again", rejoined)
	t.Logf("%d transactions or more were rolled back because of a conflict", g.nodes[0].conflicts(t))
	finish(t, w, load)
}

// clusterVariable names the URLs of one empty database by way of each node, separated by spaces, for
// TestCluster.
const clusterVariable = "TEST_MYSQL_CLUSTER"

// TestCluster runs each replica on a node of an existing cluster of any make, while clients pay. It
// injects no faults; nodes may be killed by hand while it runs.
func TestCluster(t *testing.T) { //nolint:paralleltest // its servers need the whole machine
	urls := strings.Fields(os.Getenv(clusterVariable))
	if len(urls) < 2 {
		t.Fatalf("%s has %d URLs: set it to the URLs of one empty database by way of each node of a cluster, "+
			"mysql://user:password@host:port/database, separated by spaces", clusterVariable, len(urls))
	}
	chooseSeed(t, "TestCluster")
	migrate(t, urls[0])
	w := newService(t, urls)
	load := newWorkload(w, *seed)
	load.start()
	time.Sleep(*lasts)
	w.heal(t)
	load.stop()
	finish(t, w, load)
}

func chooseSeed(t *testing.T, name string) {
	t.Helper()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d: go test -tags group ./tools/chaos -v -run %s -for %v -seed %d", *seed, name, *lasts, *seed)
}

// finish waits until every payment is final, and compares the stored payments with the responses.
func finish(t *testing.T, w *world, c *workload) {
	t.Helper()
	t.Logf("%d requests for %d orders", len(c.history()), len(c.orders()))
	w.waitUntilFinal(t)
	audit(t, w, c)
	auditOperations(t, w, c)
	require.NoError(t, history.Check(c.history(), searchLimit))
}

// killPrimary kills the primary, and measures the times until the group has another primary, until a new
// payment succeeds, and until the node is a member again.
func (f *failovers) killPrimary(t *testing.T, g *group, m *monkey) {
	t.Helper()
	killed := g.waitForPrimary(t, nil)
	began := killed.killInCommit(t)
	g.waitForPrimary(t, killed)
	f.elected = append(f.elected, time.Since(began))
	f.afterKill = append(f.afterKill, m.freshPayment(t, began))
	g.rejoin(t, killed)
	f.rejoined = append(f.rejoined, time.Since(began))
}

// changePrimary makes another node the primary, and measures the time until a new payment succeeds. The
// connections to the old primary stay open.
func (f *failovers) changePrimary(t *testing.T, g *group, m *monkey) {
	t.Helper()
	old := g.waitForPrimary(t, nil)
	next := g.nodes[m.random.IntN(nodes)]
	for next == old {
		next = g.nodes[m.random.IntN(nodes)]
	}
	var uuid string
	require.NoError(t, next.db.QueryRowContext(t.Context(), "SELECT @@server_uuid").Scan(&uuid))
	opened, connections, refused := old.opened(t), old.clients(t), old.refusals(t)
	began := time.Now()
	old.execute(t, fmt.Sprintf("DO group_replication_set_as_primary('%s')", uuid))
	f.afterChange = append(f.afterChange, m.freshPayment(t, began))
	refused = old.refusals(t) - refused
	connections += old.opened(t) - opened // and those that the router opened before it had noticed
	f.refused += refused
	t.Logf("the primary was changed: the old one refused %d writes; the service kept %[3]d of %[2]d connections to it",
		refused, connections, old.clients(t))
	require.LessOrEqual(t, refused, connections, "a connection was reused after it had refused a write")
}
