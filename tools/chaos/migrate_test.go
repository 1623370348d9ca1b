//go:build group || engines

package chaos_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// migrate creates the tables before the replicas start: GET_LOCK, which serialises migrations, holds on one node of a
// cluster only, and on other engines replicas that start may not wait for as long as a migration takes there.
func migrate(t *testing.T, databaseURL string) {
	t.Helper()
	out := apptest.Run(t, apptest.Build(t), map[string]string{"PAYMENTD_DATABASE": databaseURL}, "migrate", "up")
	require.Zero(t, out.Code, out.Stderr)
}
