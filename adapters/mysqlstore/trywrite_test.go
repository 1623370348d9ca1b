package mysqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/core/payment"
	"paymentd/ports"
)

// noUsers is why a test does not run on Vitess.
const noUsers = "it has no statements for users and rights; VTGate has files of them"

// withRights returns a repository whose user has only these rights on the tables.
func withRights(t *testing.T, rights ...string) *mysqlstore.Payments {
	t.Helper()
	databaseURL := migrated(t)
	admin := raw(t, databaseURL)
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	database := strings.TrimPrefix(u.Path, "/")
	user := "u" + database[max(0, len(database)-20):]
	execute(t, admin, fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY 'secret'", user))
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.WithoutCancel(t.Context()), fmt.Sprintf("DROP USER '%s'@'%%'", user))
		require.NoError(t, err)
	})
	for _, right := range rights {
		execute(t, admin, fmt.Sprintf("GRANT %s TO '%s'@'%%'", strings.ReplaceAll(right, "DB", "`"+database+"`"), user))
	}
	u.User = url.UserPassword(user, "secret")
	return open(t, u.String(), mysqlstore.Options{})
}

func TestTryWrite_NeedsTheRightsOfAPayment(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, noUsers, mysqltest.Vitess)
	require.NoError(t, withRights(t, "SELECT, INSERT, UPDATE, DELETE ON DB.*").TryWrite(t.Context()))
	for name, rights := range map[string][]string{
		"select alone": {"SELECT ON DB.*"},
		"no update":    {"SELECT, INSERT, DELETE ON DB.*"},
		"no insert":    {"SELECT, UPDATE, DELETE ON DB.*"},
		"payments are left out": {
			"SELECT ON DB.*", "INSERT, UPDATE, DELETE ON DB.replicas", "INSERT, UPDATE, DELETE ON DB.attempts",
			"INSERT, UPDATE, DELETE ON DB.events",
		},
		"payments may be opened and not settled": {
			"SELECT ON DB.*", "INSERT, UPDATE, DELETE ON DB.replicas", "INSERT, UPDATE, DELETE ON DB.attempts",
			"INSERT, UPDATE, DELETE ON DB.events", "INSERT ON DB.payments",
		},
		"events are left out": {
			"SELECT ON DB.*", "INSERT, UPDATE, DELETE ON DB.replicas", "INSERT, UPDATE, DELETE ON DB.attempts",
			"INSERT, UPDATE, DELETE ON DB.payments",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := withRights(t, rights...)
			require.NoError(t, s.Ready(t.Context()), "it answers")
			err := s.TryWrite(t.Context())
			require.ErrorIs(t, err, ports.ErrNotWritable)
			require.NotErrorIs(t, err, ports.ErrInDoubt)
			require.ErrorContains(t, err, "this user has no right to write")
		})
	}
}

// Without the right to write, the database is unavailable: a repetition of the request is safe.
func TestClaim_NoRightToWriteIsUnavailable(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, noUsers, mysqltest.Vitess)
	s := withRights(t, "SELECT ON DB.*")
	_, _, err := s.Claim(t.Context(), request(t, "order-1"))
	require.ErrorIs(t, err, ports.ErrNotWritable)
	require.NotErrorIs(t, err, ports.ErrInDoubt)
	require.ErrorIs(t, s.Heartbeat(t.Context(), "replica-a"), ports.ErrNotWritable)
	_, err = s.ClaimDue(t.Context(), policy(payment.WorkCharges), 10)
	require.NoError(t, err, "nothing is due")
}

// unprivileged returns the URL of a migrated database on a server of its own, for a user that obeys
// read_only, unlike root, and a pool for an administrator.
func unprivileged(t *testing.T) (string, *sql.DB) {
	t.Helper()
	server, err := mysqltest.Start(t.Context(), mysqltest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	databaseURL, err := server.CreateDatabase(t.Context(), "payments")
	require.NoError(t, err)
	schema, err := mysqlstore.Schema(databaseURL)
	require.NoError(t, err)
	require.NoError(t, schema.Up(t.Context()))
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	admin := raw(t, databaseURL)
	execute(t, admin, "CREATE USER 'app'@'%' IDENTIFIED BY 'secret'")
	execute(t, admin, "GRANT SELECT, INSERT, UPDATE, DELETE ON payments.* TO 'app'@'%'")
	u.User = url.UserPassword("app", "secret")
	return u.String(), admin
}

// The error names the read-only setting, until it is off.
func TestTryWrite_NamesTheReadOnlySetting(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, ownServer, mysqltest.TiDB, mysqltest.Vitess)
	databaseURL, admin := unprivileged(t)
	s := open(t, databaseURL, mysqlstore.Options{})
	require.NoError(t, s.TryWrite(t.Context()))

	execute(t, admin, "SET GLOBAL read_only = 1")
	err := s.TryWrite(t.Context())
	require.ErrorIs(t, err, ports.ErrNotWritable)
	require.ErrorContains(t, err, "the server is read-only: read_only")
	_, _, err = s.Claim(t.Context(), request(t, "order-1"))
	require.ErrorIs(t, err, ports.ErrUnavailable)
	require.NotErrorIs(t, err, ports.ErrInDoubt)

	execute(t, admin, "SET GLOBAL read_only = 0")
	require.NoError(t, s.TryWrite(t.Context()))
}
