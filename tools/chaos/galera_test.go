//go:build group

package chaos_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// awaitCommit is how long a test waits for a commit in flight before it kills the node anyway.
const awaitCommit = 2 * time.Second

// TestGalera_KillsDoNotChargeTwice runs each replica on a node of its own of a Galera cluster, and all nodes accept
// writes: claims of one order on two nodes conflict at COMMIT. Nodes are killed under load, and join again.
//
//	make chaos/galera
func TestGalera_KillsDoNotChargeTwice(t *testing.T) { //nolint:paralleltest // its servers need the whole machine
	chooseSeed(t, "TestGalera_KillsDoNotChargeTwice")
	cluster := newGalera(t)
	var urls []string
	for _, n := range cluster {
		urls = append(urls, groupURL(n.address))
	}
	migrate(t, urls[0])
	w := newService(t, urls)
	load, monkey := newWorkload(w, *seed), newMonkey(w, *seed)
	var joined []time.Duration
	conflicts := 0

	load.start()
	for end := time.Now().Add(*lasts); time.Now().Before(end); {
		monkey.wait(10_000)
		n := cluster[monkey.random.IntN(nodes)]
		conflicts += n.galeraConflicts(t)
		began := n.killInGaleraCommit(t)
		n.joinGalera(t)
		joined = append(joined, time.Since(began))
	}
	w.heal(t)
	load.stop()

	report(t, "killed node a member again", joined)
	for _, n := range cluster {
		conflicts += n.galeraConflicts(t)
	}
	t.Logf("%d transactions or more were rolled back because of a conflict", conflicts)
	finish(t, w, load)
}

// newGalera starts a cluster. The first node creates it, and the others copy its state with rsync, as each node does
// that joins after it was killed.
func newGalera(t *testing.T) (cluster []*node) {
	t.Helper()
	addresses := make([]string, nodes)
	for i := range addresses {
		addresses[i] = apptest.FreeAddress(t)
	}
	for i := range nodes {
		server, err := mysqltest.Start(t.Context(), mysqltest.Config{
			Args: galeraOptions(t, i, addresses), Galera: &mysqltest.GaleraNode{Bootstraps: i == 0, Password: password},
		})
		require.NoError(t, err, "a node needs MariaDB with Galera: `make chaos/galera` gets it")
		t.Cleanup(func() { require.NoError(t, server.Stop()) })
		n := &node{server: server, db: connect(t, server.URL("")), address: address(server.URL(""))}
		n.awaitSynced(t)
		cluster = append(cluster, n)
	}
	first := cluster[0]
	first.execute(t, "CREATE DATABASE paymentd")
	first.grant(t, serviceUser, "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX ON paymentd.*")
	return cluster
}

// galeraOptions are the options that MariaDB's manual requires of a node ("Configuring MariaDB Galera Cluster"), and the
// addresses, because all nodes are on one machine. The other options have their defaults.
func galeraOptions(t *testing.T, i int, addresses []string) []string {
	t.Helper()
	program, err := exec.LookPath("mysqld")
	require.NoError(t, err, "`make chaos/galera` gets MariaDB with Galera")
	return []string{
		"--wsrep-on=ON",
		"--wsrep-provider=" + filepath.Join(filepath.Dir(program), "libgalera_smm.so"),
		"--wsrep-provider-options=" + fmt.Sprintf("gmcast.listen_addr=tcp://%s;ist.recv_addr=%s;gcache.size=32M",
			addresses[i], apptest.FreeAddress(t)),
		"--wsrep-cluster-address=gcomm://" + strings.Join(addresses, ","),
		"--wsrep-node-address=" + addresses[i],
		"--wsrep-sst-method=rsync",
		"--wsrep-sst-receive-address=" + apptest.FreeAddress(t),
		"--binlog-format=ROW",
		"--default-storage-engine=InnoDB",
		"--innodb-autoinc-lock-mode=2",
	}
}

// joinGalera restarts a killed node, and returns when it has the state of the others. A node ends if the one that it
// copies from ends the copy.
func (n *node) joinGalera(t *testing.T) {
	t.Helper()
	apptest.Eventually(t, joinLimit, func() error { return n.server.Restart(t.Context()) })
	n.awaitSynced(t)
}

func (n *node) awaitSynced(t *testing.T) {
	t.Helper()
	apptest.Eventually(t, joinLimit, func() error {
		var state string
		err := n.db.QueryRowContext(t.Context(), "SELECT variable_value FROM information_schema.global_status "+
			"WHERE variable_name = 'wsrep_local_state_comment'").Scan(&state)
		if err == nil && state != "Synced" {
			err = fmt.Errorf("the node at %s is %s", n.address, state)
		}
		return err
	})
}

// killInGaleraCommit kills the node, if possible while the service commits on it, and returns the time of the kill.
func (n *node) killInGaleraCommit(t *testing.T) time.Time {
	t.Helper()
	commits := 0
	for end := time.Now().Add(awaitCommit); commits == 0 && time.Now().Before(end); {
		commits = n.count(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = ? "+
			"AND (state LIKE '%commit%' OR state LIKE '%certif%' OR state LIKE '%replicat%')", serviceUser)
	}
	require.NoError(t, n.server.Kill())
	t.Logf("the node at %s was killed with %d commits in flight", n.address, commits)
	return time.Now()
}

// galeraConflicts counts the transactions of a node that were rolled back because of a conflict, since its start.
func (n *node) galeraConflicts(t *testing.T) int {
	t.Helper()
	return n.count(t, "SELECT SUM(variable_value) FROM information_schema.global_status "+
		"WHERE variable_name IN ('wsrep_local_cert_failures', 'wsrep_local_bf_aborts')")
}
