//go:build group

package chaos_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// expel is the members' group_replication_member_expel_timeout. The default of MySQL is 5; with
// none, a minute has room for more failovers.
var expel = flag.Int("expel", 0, "seconds that the members of a group wait for one that is suspected to be gone")

const (
	nodes = 3
	// joinLimit is how long a node may take to come into the group, and the group to have a
	// primary. A try to join that fails may take a minute of it.
	joinLimit = 3 * time.Minute
	askLimit  = time.Second // of a node, for who is the primary

	groupUser   = "member"  // by which members copy from each other
	serviceUser = "service" // has the rights that docs/operations.md asks for
	password    = "of the test"
)

// group is three servers in Group Replication, single-primary as it begins. They must be
// genuine MySQL, 8.4 or newer: mysqltest takes the first mysqld on the PATH.
type group struct {
	nodes []*node
}

// node is one server. Its database connections are the test's own.
type node struct {
	server  *mysqltest.Server
	db      *sql.DB
	address string // where it serves clients
}

func newGroup(t *testing.T) *group {
	t.Helper()
	g, seeds := &group{}, make([]string, nodes)
	for i := range seeds {
		seeds[i] = apptest.FreeAddress(t)
	}
	for i := range nodes {
		server, err := mysqltest.Start(t.Context(), mysqltest.Config{Args: memberOptions(i, seeds)})
		require.NoError(t, err, "a group needs a genuine MySQL: `make chaos/group` gets one")
		t.Cleanup(func() { require.NoError(t, server.Stop()) })
		g.nodes = append(g.nodes, &node{
			server: server, db: connect(t, server.URL("")), address: address(server.URL("")),
		})
	}
	first := g.nodes[0]
	first.execute(t, "SET GLOBAL group_replication_bootstrap_group = ON")
	first.execute(t, "START GROUP_REPLICATION")
	first.execute(t, "SET GLOBAL group_replication_bootstrap_group = OFF")
	first.waitFor(t, "ONLINE")
	first.execute(t, "CREATE DATABASE paymentd")
	first.grant(t, groupUser, "REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.*")
	first.grant(t, serviceUser, "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX ON paymentd.*")
	for _, n := range g.nodes[1:] {
		n.join(t)
	}
	return g
}

// memberOptions are those that MySQL's manual asks of a member ("Configuring an Instance for
// Group Replication"); what it leaves to us is left at its default.
func memberOptions(i int, seeds []string) []string {
	return []string{
		fmt.Sprintf("--server-id=%d", i+1),
		"--log-bin=binlog",
		"--gtid-mode=ON",
		"--enforce-gtid-consistency=ON",
		"--performance-schema=ON", // has the members' table
		"--report-host=127.0.0.1",
		"--super-read-only=ON", // until it is in the group: what it wrote before would be its own
		"--plugin-load-add=group_replication.so",
		"--loose-group-replication-group-name=6d1b45a0-5d8a-4a6c-9f5e-9d5d3a1f0c11",
		"--loose-group-replication-start-on-boot=OFF",
		"--loose-group-replication-local-address=" + seeds[i],
		"--loose-group-replication-group-seeds=" + strings.Join(seeds, ","),
		"--loose-group-replication-ip-allowlist=127.0.0.1/32",
		"--loose-group-replication-recovery-get-public-key=ON",
		fmt.Sprintf("--loose-group-replication-member-expel-timeout=%d", *expel),
	}
}

// connect opens a pool for the test's own questions.
func connect(t *testing.T, databaseURL string) *sql.DB {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User = "tcp", u.Host, u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func (n *node) execute(t *testing.T, statement string) {
	t.Helper()
	_, err := n.db.ExecContext(t.Context(), statement)
	require.NoError(t, err, statement)
}

// grant makes a user with some rights.
func (n *node) grant(t *testing.T, user, rights string) {
	t.Helper()
	n.execute(t, fmt.Sprintf("CREATE USER '%s'@'127.0.0.1' IDENTIFIED BY '%s'", user, password))
	n.execute(t, fmt.Sprintf("GRANT %s TO '%s'@'127.0.0.1'", rights, user))
}

// groupURL is where a replica finds the payments by way of an address: a node's, or a router's.
func groupURL(address string) string {
	return fmt.Sprintf("mysql://%s:%s@%s/paymentd", serviceUser, url.PathEscape(password), address)
}

// join brings a node into the group, with what it has missed.
func (n *node) join(t *testing.T) {
	t.Helper()
	apptest.Eventually(t, joinLimit, func() error {
		_, err := n.db.ExecContext(t.Context(),
			fmt.Sprintf("START GROUP_REPLICATION USER='%s', PASSWORD='%s'", groupUser, password))
		if err != nil {
			err = fmt.Errorf("%w: %s", err, n.lastErrors(t))
		}
		return err
	})
	n.waitFor(t, "ONLINE")
}

func (n *node) waitFor(t *testing.T, state string) {
	t.Helper()
	apptest.Eventually(t, joinLimit, func() error {
		var is string
		err := n.db.QueryRowContext(t.Context(), "SELECT member_state "+
			"FROM performance_schema.replication_group_members WHERE member_id = @@server_uuid").Scan(&is)
		if err == nil && is != state {
			err = fmt.Errorf("the node at %s is %s", n.address, is)
		}
		return err
	})
}

// killInCommit waits for commits to be under way on the node, ends it as kill -9 does, and returns
// when that was.
func (n *node) killInCommit(t *testing.T) time.Time {
	t.Helper()
	var commits int
	apptest.Eventually(t, joinLimit, func() error {
		if commits = n.commits(t); commits == 0 {
			return fmt.Errorf("nobody commits on the node at %s", n.address)
		}
		return nil
	})
	require.NoError(t, n.server.Kill())
	t.Logf("the node at %s was killed, a moment after it had %d commits under way", n.address, commits)
	return time.Now()
}

// comeBack starts a killed node and has it join, with the settings that it does not start with. The
// others must have given it up by then: they do not let in who is a member still.
func (g *group) comeBack(t *testing.T, n *node, settings ...string) {
	t.Helper()
	require.NoError(t, n.server.Restart(t.Context()))
	for _, setting := range settings {
		n.execute(t, "SET GLOBAL "+setting)
	}
	for _, other := range g.nodes {
		apptest.Eventually(t, joinLimit, func() error {
			if other != n && other.count(t, "SELECT COUNT(*) FROM performance_schema.replication_group_members "+
				"WHERE CONCAT(member_host, ':', member_port) = ?", n.address) > 0 {
				return fmt.Errorf("the node at %s still has the killed one for a member", other.address)
			}
			return nil
		})
	}
	n.join(t)
}

// multiPrimary is how a node joins a group of several primaries.
var multiPrimary = []string{
	"group_replication_single_primary_mode = OFF",
	"group_replication_enforce_update_everywhere_checks = ON",
}

// letAllWrite makes every node a primary.
func (g *group) letAllWrite(t *testing.T) {
	t.Helper()
	var said string
	require.NoError(t, g.nodes[0].db.QueryRowContext(t.Context(),
		"SELECT group_replication_switch_to_multi_primary_mode()").Scan(&said))
	t.Log(said)
	for _, n := range g.nodes {
		apptest.Eventually(t, joinLimit, func() error {
			var readOnly bool
			err := n.db.QueryRowContext(t.Context(), "SELECT @@GLOBAL.super_read_only").Scan(&readOnly)
			if err == nil && readOnly {
				err = fmt.Errorf("the node at %s only reads", n.address)
			}
			return err
		})
	}
}

// waitForPrimary waits for the group to have a primary other than the one given.
func (g *group) waitForPrimary(t *testing.T, otherThan *node) (p *node) {
	t.Helper()
	apptest.Eventually(t, joinLimit, func() error {
		if p = g.primary(t.Context()); p == nil || p == otherThan {
			return errors.New("the group has no other primary")
		}
		return nil
	})
	return p
}

// primary returns the node that the first of the others who knows calls the primary, or nil.
func (g *group) primary(ctx context.Context) *node {
	for _, asked := range g.nodes {
		if p := g.primaryBy(ctx, asked); p != nil {
			return p
		}
	}
	return nil
}

func (g *group) primaryBy(ctx context.Context, asked *node) *node {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var at string
	err := asked.db.QueryRowContext(ctx, "SELECT CONCAT(member_host, ':', member_port) "+
		"FROM performance_schema.replication_group_members "+
		"WHERE member_role = 'PRIMARY' AND member_state = 'ONLINE'").Scan(&at)
	for _, n := range g.nodes {
		if err == nil && n.address == at {
			return n
		}
	}
	return nil
}

// lastErrors are the last that the node has logged, as it tells clients too little of them.
func (n *node) lastErrors(t *testing.T) (errs string) {
	t.Helper()
	require.NoError(t, n.db.QueryRowContext(t.Context(), "SELECT COALESCE(GROUP_CONCAT(data SEPARATOR '\n'), '') "+
		"FROM (SELECT data FROM performance_schema.error_log WHERE prio = 'Error' ORDER BY logged DESC LIMIT 5) AS e").
		Scan(&errs))
	return errs
}

// clients counts the service's connections to a node.
func (n *node) clients(t *testing.T) int {
	t.Helper()
	return n.count(t, "SELECT COUNT(*) FROM performance_schema.processlist WHERE user = ?", serviceUser)
}

// opened counts the connections that anybody has made to a node since its start.
func (n *node) opened(t *testing.T) int {
	t.Helper()
	return n.count(t, "SELECT variable_value FROM performance_schema.global_status WHERE variable_name = 'Connections'")
}

// commits counts the service's commits that are under way on a node.
func (n *node) commits(t *testing.T) int {
	t.Helper()
	return n.count(t, "SELECT COUNT(*) FROM performance_schema.processlist "+
		"WHERE user = ? AND state = 'waiting for handler commit'", serviceUser)
}

// refusals counts the statements that a node has refused since its start because it only reads.
func (n *node) refusals(t *testing.T) int {
	t.Helper()
	return n.count(t, "SELECT SUM(sum_error_raised) FROM "+
		"performance_schema.events_errors_summary_global_by_error WHERE error_number IN (1290, 1836)")
}

// conflicts counts the transactions that have lost to another node's. Each node decides about all
// of them, and forgets the number when it is killed.
func (n *node) conflicts(t *testing.T) int {
	t.Helper()
	return n.count(t, "SELECT MAX(count_conflicts_detected) FROM performance_schema.replication_group_member_stats")
}

func (n *node) count(t *testing.T, query string, args ...any) (count int) {
	t.Helper()
	require.NoError(t, n.db.QueryRowContext(t.Context(), query, args...).Scan(&count))
	return count
}
