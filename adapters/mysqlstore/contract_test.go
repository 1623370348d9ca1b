package mysqlstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/ports"
	"paymentd/ports/portstest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	portstest.Payments(t, func(t testing.TB) ports.Payments {
		t.Helper()
		return open(t, migrated(t), mysqlstore.Options{})
	})
}

// migrated returns the URL of a new database with the schema.
func migrated(t testing.TB) string {
	t.Helper()
	url := mysqltest.Database(t)
	schema, err := mysqlstore.Schema(url)
	require.NoError(t, err)
	require.NoError(t, schema.Up(t.Context()))
	return url
}

// open returns the repository in a database.
func open(t testing.TB, url string, options mysqlstore.Options) *mysqlstore.Payments {
	t.Helper()
	payments, err := mysqlstore.Open(url, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, payments.Close()) })
	return payments
}
