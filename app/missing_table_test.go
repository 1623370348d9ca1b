package app_test

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// A table is renamed under a live service, and no payment asks for it. The service finds out by itself, is not
// ready and charges nothing; reads that need the table are unavailable, and no mistake of the service.
func TestTableIsMissing_NothingIsCharged(t *testing.T) { //nolint:tparallel // the tables are of one database
	t.Parallel()
	for name, database := range map[string]string{
		"mysql":  mysqltest.Database(t),
		"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"),
	} {
		for _, table := range []string{"attempts", "events", "gateway_keys", "operations"} {
			t.Run(name+"/"+table, func(t *testing.T) {
				gateway := apptest.StartGateway(t)
				p := serve(t, env{"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": gateway.URL})
				require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-"+table, "5.00").Code)
				db := rawDatabase(t, database)
				execute(t, db, "ALTER TABLE "+table+" RENAME TO renamed")
				requireRefuses(t, p, gateway, "order-refused-"+table, "accepts no writes")
				answer := apptest.Get(t.Context(), p.URL, "/payments/order-"+table)
				require.Equal(t, http.StatusServiceUnavailable, answer.Code, answer)
				require.Contains(t, answer.Body.Error, "refuses the service to read this")
				require.LessOrEqual(t, len(messages(t, p, queueWaits)), 1, p.Log())

				execute(t, db, "ALTER TABLE renamed RENAME TO "+table)
				waitReadyz(t, p, http.StatusOK)
				require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-refused-"+table, "5.00").Code)
				require.NotContains(t, p.Log(), "internal-error")
				require.Zero(t, p.Stop(t))
			})
		}
	}
}
