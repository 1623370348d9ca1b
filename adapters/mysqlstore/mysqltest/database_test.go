package mysqltest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
)

func TestDatabaseIsEmptyAndOnesOwn(t *testing.T) {
	t.Parallel()

	first, second := mysqltest.Database(t), mysqltest.Database(t)
	require.NotEqual(t, first, second)
	for _, at := range []string{first, second} {
		db := open(t, at)
		execute(t, db, "CREATE TABLE charges (id INT PRIMARY KEY)")
		require.Zero(t, count(t, db, "charges"))
	}
}

func TestDatabaseIsDroppedWithItsTest(t *testing.T) { //nolint:tparallel // waits for the subtest
	t.Parallel()

	var gone string
	t.Run("user", func(t *testing.T) {
		gone = mysqltest.Database(t)
		require.NoError(t, open(t, gone).PingContext(t.Context()))
	})
	require.ErrorContains(t, open(t, gone).PingContext(t.Context()), "Unknown database")
}

func TestVersion(t *testing.T) {
	t.Parallel()

	version, err := mysqltest.Version(t.Context(), mysqltest.Database(t))
	require.NoError(t, err)
	require.Regexp(t, `^\d+\.\d+\.\d+`, version)
}
