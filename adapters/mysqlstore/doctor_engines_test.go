package mysqlstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/internal/doctor"
)

// The doctor knows the engine, and finds only what the test server lacks.
func TestDoctor_KnowsTheEngine(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, "TestDoctor_ChangedSettings tests it", mysqltest.MySQL)
	relaxed := []string{"innodb_flush_log_at_trx_commit", "innodb_doublewrite", "log_bin"} // of the tests' data server
	found := make(map[string]string)
	for _, f := range open(t, migrated(t), mysqlstore.Options{}).Doctor(t.Context(), 2) {
		if mysqltest.TestedEngine() == mysqltest.Vitess {
			found[f.Check] = f.Found
		}
		if f.Level != doctor.OK {
			require.Contains(t, relaxed, f.Check, "%s: %s", f.Found, f.Advice)
			require.Equal(t, mysqltest.Vitess, mysqltest.TestedEngine())
		}
	}
	if mysqltest.TestedEngine() == mysqltest.Vitess {
		require.Contains(t, found["version"], "Version: 24.")
		require.Equal(t, "MULTI", found["transaction_mode"])
	}
}
