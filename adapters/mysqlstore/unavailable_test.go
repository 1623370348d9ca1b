package mysqlstore_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/core/payment"
)

// A server or a proxy returns an error to a statement before the COMMIT, or to the COMMIT itself. The
// second try makes the change.
func TestPayments_TransientErrorIsRetried(t *testing.T) {
	t.Parallel()
	for _, number := range []uint16{
		1040, 1053, 1105, 1203, 1205, 1226, 1836, 1927, 1969, 2013, 3024, 3101, 4031, 8022, 9001, 65000,
	} {
		t.Run(strconv.Itoa(int(number)), func(t *testing.T) {
			t.Parallel()
			l, linked := newLink(t, migrated(t))
			s := open(t, linked, mysqlstore.Options{})
			state := map[uint16]string{1203: "42000", 1226: "42000", 1213: "40001", 3101: "40000"}[number]
			if state == "" {
				state = "HY000"
			}
			refuse := func(statement string) {
				l.cutAt(plan{statement: statement, refuse: refusal(number, state)})
			}
			refuse("INSERT INTO payments")
			p, verdict, err := s.Claim(t.Context(), request(t, "order-1"))
			require.NoError(t, err)
			require.True(t, l.wasCut())
			require.Equal(t, payment.VerdictClaimed, verdict)
			require.Equal(t, int64(1), p.Fence)

			refuse("FOR UPDATE")
			_, verdict, err = s.Claim(t.Context(), request(t, "order-1"))
			require.NoError(t, err)
			require.True(t, l.wasCut())
			require.Equal(t, payment.VerdictBusy, verdict)

			refuse("UPDATE payments")
			require.NoError(t, s.Settle(t.Context(), approved(*p)))
			require.True(t, l.wasCut())

			refuse("FROM payments")
			paid, err := s.Find(t.Context(), "order-1")
			require.NoError(t, err)
			require.True(t, l.wasCut())
			require.Equal(t, payment.StateSucceeded, paid.State)

			p, _, err = s.Claim(t.Context(), request(t, "order-2"))
			require.NoError(t, err)
			refuse(commit)
			require.NoError(t, s.Settle(t.Context(), unresolved(*p)))
			require.True(t, l.wasCut())
		})
	}
}

func TestPayments_PermanentErrorIsReturnedAtOnce(t *testing.T) {
	t.Parallel()
	l, linked := newLink(t, migrated(t))
	s := open(t, linked, mysqlstore.Options{})
	l.cutAt(plan{statement: "FROM payments", refuse: refusal(1054, "42S22")})
	_, err := s.Find(t.Context(), "order-1")
	require.ErrorContains(t, err, "1054")
}

func TestPayments_RefusedConnectionIsRetried(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, noUsers, mysqltest.Vitess)
	databaseURL, db := withRaw(t)
	databaseURL = ofLimitedUser(t, db, databaseURL)
	l, linked := newLink(t, databaseURL)
	held, err := mysqlstore.Open(databaseURL, mysqlstore.Options{})
	require.NoError(t, err)
	require.NoError(t, held.Ready(t.Context())) // keeps its connection open
	l.onAccept(func(n int) {
		if n == 2 {
			_ = held.Close()
		}
	})
	s := open(t, linked, mysqlstore.Options{})
	_, verdict, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
}

// ofLimitedUser returns the URL of the database for a user who may have one connection at a time.
func ofLimitedUser(t *testing.T, db *sql.DB, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	name, password := strings.ToLower(rand.Text()[:12]), rand.Text()
	execute(t, db, fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s' WITH MAX_USER_CONNECTIONS 1", name, password))
	t.Cleanup(func() {
		_, err := db.ExecContext(context.WithoutCancel(t.Context()), fmt.Sprintf("DROP USER '%s'@'%%'", name))
		require.NoError(t, err)
	})
	execute(t, db, "GRANT ALL ON `"+u.Path[1:]+"`.* TO '"+name+"'@'%'")
	u.User = url.UserPassword(name, password)
	return u.String()
}

func TestPayments_KilledConnectionIsRetried(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, "it refuses KILL (1095)", mysqltest.Vitess)
	mysqltest.NotOn(t, "its process list does not show the database of an idle connection", mysqltest.TiDB)
	databaseURL, db := withRaw(t)
	l, linked := newLink(t, databaseURL)
	s := open(t, linked, mysqlstore.Options{})
	require.NoError(t, s.Ready(t.Context()))
	l.cutAt(plan{statement: "INSERT INTO payments", only: func() {
		var id int64
		err := db.QueryRowContext(t.Context(), "SELECT id FROM information_schema.processlist "+
			"WHERE db = DATABASE() AND id <> CONNECTION_ID() AND command = 'Sleep' LIMIT 1").Scan(&id)
		if err == nil {
			_, err = db.ExecContext(t.Context(), fmt.Sprintf("KILL %d", id))
		}
		if err != nil {
			t.Error(err)
		}
	}})
	_, verdict, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.True(t, l.wasCut())
	require.Equal(t, payment.VerdictClaimed, verdict)
}
