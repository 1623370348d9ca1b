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
var expel = flag.Int("expel", 0, "seconds until the members of a group expel one that they suspect")

const (
	nodes = 3
	// joinLimit is the longest time until a node has joined the group, and until the group has a
	// primary. A failed attempt to join takes up to a minute.
	joinLimit = 10 * time.Minute
	askLimit  = time.Second // of the query for the primary

	groupUser   = "member"  // of the replication between members
	serviceUser = "service" // has the rights that docs/mysql.md asks for
	password    = "of the test"
)

// group is three servers in Group Replication, in single-primary mode at first. They have to be
// genuine MySQL, 8.4 or newer: mysqltest takes the first mysqld on the PATH.
type group struct {
	nodes []*node
}

// node is one server, with database connections for the test.
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

// memberOptions are the options that MySQL's manual requires of a member ("Configuring an Instance for
// Group Replication"). The other options have their defaults.
func memberOptions(i int, seeds []string) []string {
	return []string{
		fmt.Sprintf("--server-id=%d", i+1),
		"--log-bin=binlog",
		"--gtid-mode=ON",
		"--enforce-gtid-consistency=ON",
		"--performance-schema=ON", // has the members' table
		"--report-host=127.0.0.1",
		"--super-read-only=ON", // until it has joined: its own writes would keep it out of the group
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

// connect opens a connection pool for queries of the test.
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

// grant creates a user with privileges.
func (n *node) grant(t *testing.T, user, rights string) {
	t.Helper()
	n.execute(t, fmt.Sprintf("CREATE USER '%s'@'127.0.0.1' IDENTIFIED BY '%s'", user, password))
	n.execute(t, fmt.Sprintf("GRANT %s TO '%s'@'127.0.0.1'", rights, user))
}

// groupURL returns the database URL by way of the address of a node or a router.
func groupURL(address string) string {
	return fmt.Sprintf("mysql://%s:%s@%s/paymentd", serviceUser, url.PathEscape(password), address)
}

// join makes a node a member of the group, and waits until it has the transactions that it missed.
func (n *node) join(t *testing.T) {
	t.Helper()
	apptest.Eventually(t, joinLimit, func() error {
		_, err := n.db.ExecContext(t.Context(),
			fmt.Sprintf("START GROUP_REPLICATION USER='%s', PASSWORD='%s'", groupUser, password))
		if err != nil {
			err = fmt.Errorf("%w: %s", err, n.recentErrors(t))
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

// killInCommit waits until the service commits on the node, kills the node, and returns the time of
// the kill.
func (n *node) killInCommit(t *testing.T) time.Time {
	t.Helper()
	var commits int
	apptest.Eventually(t, joinLimit, func() error {
		if commits = n.commits(t); commits == 0 {
			return fmt.Errorf("no commit is in flight on the node at %s", n.address)
		}
		return nil
	})
	require.NoError(t, n.server.Kill())
	t.Logf("the node at %s was killed with %d commits in flight", n.address, commits)
	return time.Now()
}

// rejoin restarts a killed node, sets the settings that are not options of its start, and joins it to
// the group. It first waits until the other nodes have expelled it, because they refuse a current member.
func (g *group) rejoin(t *testing.T, n *node, settings ...string) {
	t.Helper()
	require.NoError(t, n.server.Restart(t.Context()))
	for _, setting := range settings {
		n.execute(t, "SET GLOBAL "+setting)
	}
	for _, other := range g.nodes {
		apptest.Eventually(t, joinLimit, func() error {
			if other != n && other.count(t, "SELECT COUNT(*) FROM performance_schema.replication_group_members "+
				"WHERE CONCAT(member_host, ':', member_port) = ?", n.address) > 0 {
				return fmt.Errorf("the node at %s still lists the killed node as a member", other.address)
			}
			return nil
		})
	}
	n.join(t)
}

// multiPrimary has the settings of a node that joins a group in multi-primary mode.
var multiPrimary = []string{
	"group_replication_single_primary_mode = OFF",
	"group_replication_enforce_update_everywhere_checks = ON",
}

// switchToMultiPrimary makes every node a primary.
func (g *group) switchToMultiPrimary(t *testing.T) {
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
				err = fmt.Errorf("the node at %s is read-only", n.address)
			}
			return err
		})
	}
}

// waitForPrimary waits until the group has a primary other than the given one.
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

// primary returns the primary by the first node that reports one, or nil.
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

// recentErrors returns the last errors in the log of the node, which have more detail than its responses.
func (n *node) recentErrors(t *testing.T) (errs string) {
	t.Helper()
	require.NoError(t, n.db.QueryRowContext(t.Context(), "SELECT COALESCE(GROUP_CONCAT(data SEPARATOR '\n'), '') "+
		"FROM (SELECT data FROM performance_schema.error_log WHERE prio = 'Error' ORDER BY logged DESC LIMIT 5) AS e").
		Scan(&errs))
	return errs
}

// clients counts the connections of the service to a node.
func (n *node) clients(t *testing.T) int {
	t.Helper()
	return n.count(t, "SELECT COUNT(*) FROM performance_schema.processlist WHERE user = ?", serviceUser)
}

// opened counts all connections to a node since its start.
func (n *node) opened(t *testing.T) int {
	t.Helper()
	return n.count(t, "SELECT variable_value FROM performance_schema.global_status WHERE variable_name = 'Connections'")
}

// commits counts the commits of the service that are in flight on a node.
func (n *node) commits(t *testing.T) int {
	t.Helper()
	return n.count(t, "SELECT COUNT(*) FROM performance_schema.processlist "+
		"WHERE user = ? AND state = 'waiting for handler commit'", serviceUser)
}

// refusals counts the statements that a node has refused since its start because it is read-only.
func (n *node) refusals(t *testing.T) int {
	t.Helper()
	return n.count(t, "SELECT SUM(sum_error_raised) FROM "+
		"performance_schema.events_errors_summary_global_by_error WHERE error_number IN (1290, 1836)")
}

// conflicts counts the transactions that were rolled back because of a conflict with another node. Each
// node counts all of them, from its start.
func (n *node) conflicts(t *testing.T) int {
	t.Helper()
	return n.count(t, "SELECT MAX(count_conflicts_detected) FROM performance_schema.replication_group_member_stats")
}

func (n *node) count(t *testing.T, query string, args ...any) (count int) {
	t.Helper()
	require.NoError(t, n.db.QueryRowContext(t.Context(), query, args...).Scan(&count))
	return count
}
