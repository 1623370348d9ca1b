//go:build upgrade

package chaos_test

import (
	"database/sql"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// unknownState is the previous version's answer, with the status 400, to a request for an order whose payment is in a
// state that it does not know.
const unknownState = "state must be one of processing, scheduled, succeeded, declined, failed, unresolved"

// TestUpgrade_PreviousVersionChargesNoHold runs the previous version on rows of this one in the states that only
// holds have. It does not know these states, and neither charges such an order nor changes its state.
//
//	make test/upgrade
func TestUpgrade_PreviousVersionChargesNoHold(t *testing.T) {
	t.Parallel()
	previous := os.Getenv(previousVariable)
	require.FileExists(t, previous, "%s is not the path of a binary: run `make test/upgrade`, which builds one", previousVariable)
	gateway := apptest.StartGateway(t)
	variables := map[string]string{"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": gateway.URL}
	maps.Copy(variables, settings)

	this := apptest.Start(t, apptest.Build(t), variables, "serve")
	this.WaitReady(t)
	states := map[string]string{"order-held": "authorized", "order-released": "voided"}
	for order := range states {
		require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), this.URL, order, plainAmount).Code)
	}
	require.Zero(t, this.Stop(t))
	db := openDatabase(t, variables["PAYMENTD_DATABASE"])
	for _, statement := range []string{
		"UPDATE payments SET capture = 'manual', state = 'authorized', due_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR, " +
			"hold_expires_at = UTC_TIMESTAMP(6) + INTERVAL 7 DAY, attempt_class = 'authorized' WHERE order_id = 'order-held'",
		"UPDATE payments SET capture = 'manual', state = 'voided', attempt_class = 'authorized' WHERE order_id = 'order-released'",
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}

	old := apptest.Start(t, previous, variables, "serve")
	old.WaitReady(t)
	for range 3 { // the queue of the previous version runs as well
		for order := range states {
			answer := apptest.Pay(t.Context(), old.URL, order, plainAmount)
			require.Equal(t, http.StatusBadRequest, answer.Code, answer) // the row cannot be read
			require.Equal(t, unknownState, answer.Body.Error)
		}
		time.Sleep(time.Second)
	}
	require.Zero(t, old.Stop(t))

	for order, state := range states {
		var stored string
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT state FROM payments WHERE order_id = ?", order).Scan(&stored))
		require.Equal(t, state, stored)
	}
	this = this.Restart(t)
	this.WaitReady(t)
	for order := range states {
		p, err := apptest.Find(t.Context(), this.URL, order)
		require.NoError(t, err)
		require.NotEmpty(t, p.TransactionID)
		require.Len(t, gateway.Calls(order), 1, "the order is not charged again")
	}
}

// openDatabase opens the service's database for statements of the test.
func openDatabase(t *testing.T, databaseURL string) *sql.DB {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User = "tcp", u.Host, u.User.Username()
	config.DBName = strings.TrimPrefix(u.Path, "/")
	config.Passwd, _ = u.User.Password()
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}
