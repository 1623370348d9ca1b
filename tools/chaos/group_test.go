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

	"paymentd/app/apptest"
	"paymentd/core/simulation/history"
)

// TestGroup runs the service on three servers in Group Replication, by way of a router, while
// clients pay. In turns the primary is killed in the middle of commits, and comes back into the
// group; and the primary is changed on purpose, so that the service finds itself connected to a
// server that only reads.
//
//	make chaos/group
func TestGroup(t *testing.T) { //nolint:paralleltest // its servers have the machine to themselves
	chooseSeed(t, "TestGroup")
	g := newGroup(t)
	route := newRouter(t, g)
	w := newService(t, []string{route.url(), route.url(), route.url()})
	crowd, monkey := newCrowd(w, *seed), newMonkey(w, *seed)
	var took failovers

	crowd.start()
	for end := time.Now().Add(*lasts); time.Now().Before(end); {
		monkey.wait(3000)
		took.killPrimary(t, g, monkey)
		monkey.wait(3000)
		took.changePrimary(t, g, monkey)
	}
	w.heal(t)
	crowd.stop()

	report(t, "another primary after the primary was killed", took.elected)
	report(t, "fresh payment answered after the primary was killed", took.afterKill)
	report(t, "killed primary in the group again", took.rejoined)
	report(t, "fresh payment answered after the primary was changed", took.afterChange)
	finish(t, w, crowd)
	require.Positive(t, took.refused, "no write has met a primary that had become read-only")
}

// failovers is how long each took, and how many writes a demoted primary has refused.
type failovers struct {
	elected, afterKill, rejoined, afterChange []time.Duration
	refused                                   int
}

// TestMultiPrimary runs each replica on a node of its own, where all of them write: claims of
// one order by two nodes meet at the COMMIT. Nodes are killed in the middle of commits, and come
// back.
func TestMultiPrimary(t *testing.T) { //nolint:paralleltest // its servers have the machine to themselves
	chooseSeed(t, "TestMultiPrimary")
	g := newGroup(t)
	var urls []string
	for _, n := range g.nodes {
		urls = append(urls, groupURL(n.address))
	}
	migrate(t, urls[0]) // while there is one primary: several take no SERIALIZABLE transaction
	g.letAllWrite(t)
	w := newService(t, urls)
	crowd, monkey := newCrowd(w, *seed), newMonkey(w, *seed)
	var rejoined []time.Duration

	crowd.start()
	for end := time.Now().Add(*lasts); time.Now().Before(end); {
		monkey.wait(10_000)
		n := g.nodes[monkey.random.IntN(nodes)]
		began := n.killInCommit(t)
		g.comeBack(t, n, multiPrimary...)
		rejoined = append(rejoined, time.Since(began))
	}
	w.heal(t)
	crowd.stop()

	report(t, "killed node in the group again", rejoined)
	t.Logf("%d transactions or more lost to another node's", g.nodes[0].conflicts(t))
	finish(t, w, crowd)
}

// clusterVariable is for TestCluster: the URLs of an empty database, by way of each node, with
// spaces between.
const clusterVariable = "TEST_MYSQL_CLUSTER"

// TestCluster runs each replica on a node of a cluster that is there already, of any make, while
// clients pay. It breaks nothing; whoever runs it may kill nodes meanwhile.
func TestCluster(t *testing.T) { //nolint:paralleltest // its servers have the machine to themselves
	urls := strings.Fields(os.Getenv(clusterVariable))
	if len(urls) < 2 {
		t.Fatalf("%s has %d URLs: set it to those of one empty database by way of each node of a cluster, "+
			"mysql://user:password@host:port/database, with spaces between", clusterVariable, len(urls))
	}
	chooseSeed(t, "TestCluster")
	migrate(t, urls[0])
	w := newService(t, urls)
	crowd := newCrowd(w, *seed)
	crowd.start()
	time.Sleep(*lasts)
	w.heal(t)
	crowd.stop()
	finish(t, w, crowd)
}

// migrate makes the tables before there are replicas to do so: what keeps two migrations apart,
// GET_LOCK, holds on one node.
func migrate(t *testing.T, databaseURL string) {
	t.Helper()
	out := apptest.Run(t, apptest.Build(t), map[string]string{"PAYMENTD_DATABASE": databaseURL}, "migrate", "up")
	require.Zero(t, out.Code, out.Stderr)
}

func chooseSeed(t *testing.T, name string) {
	t.Helper()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d: go test -tags group ./tools/chaos -v -run %s -for %v -seed %d", *seed, name, *lasts, *seed)
}

// finish waits for every payment to end, and compares what was kept with what was told.
func finish(t *testing.T, w *world, c *crowd) {
	t.Helper()
	t.Logf("%d requests for %d orders", len(c.history()), len(c.orders()))
	w.waitForCalm(t)
	audit(t, w, c)
	require.NoError(t, history.Check(c.history(), searchLimit))
}

// killPrimary notes how long it took the group to have another primary, and until a payment was
// made again. The node is back in the group when it returns.
func (f *failovers) killPrimary(t *testing.T, g *group, m *monkey) {
	t.Helper()
	killed := g.waitForPrimary(t, nil)
	began := killed.killInCommit(t)
	g.waitForPrimary(t, killed)
	f.elected = append(f.elected, time.Since(began))
	f.afterKill = append(f.afterKill, m.freshPayment(t, began))
	g.comeBack(t, killed)
	f.rejoined = append(f.rejoined, time.Since(began))
}

// changePrimary makes another node the primary, and notes how long it took until a payment was
// made again. Nobody cuts the connections to the old one.
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
	connections += old.opened(t) - opened // by those whom the router led there before it knew
	f.refused += refused
	t.Logf("the primary was changed: the old one refused %d writes; of %d connections to it, the service kept %d",
		refused, connections, old.clients(t))
	require.LessOrEqual(t, refused, connections, "a connection was used again on which a write had been refused")
}
