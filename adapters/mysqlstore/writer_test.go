package mysqlstore_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/ports"
)

// The answer to a COMMIT is lost, and the server is no longer the writer: it may have a commit that the new
// writer does not have. The row that shows the commit is not believed, because such a server refuses the
// lock with which it is read.
func TestWriter_DemotedServerDoesNotResolveADoubt(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, ownServer, mysqltest.TiDB, mysqltest.Vitess)
	for _, name := range []string{"a takeover", "a pick-up by the queue"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL, admin := unprivileged(t)
			l, linked := newLink(t, databaseURL)
			s := open(t, linked, mysqlstore.Options{})
			change := shared.changes()[name]
			change.begin(t, s)
			l.cutAt(plan{statement: commit, after: func() {
				_, err := admin.ExecContext(context.WithoutCancel(t.Context()), "SET GLOBAL read_only = 1")
				if err != nil {
					t.Error(err)
				}
			}})
			require.ErrorIs(t, change.make(t.Context(), t, s), ports.ErrInDoubt)
			require.True(t, l.wasCut())
			h, err := open(t, databaseURL, mysqlstore.Options{}).History(t.Context(), "order-1")
			require.NoError(t, err)
			require.Equal(t, int64(2), h.Payment.Fence, "the commit is there, and was not believed")
		})
	}
}

// The same commit is believed if the server takes writes.
func TestWriter_ResolvesADoubt(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a takeover", "a pick-up by the queue"} {
		l, linked := newLink(t, migrated(t))
		s := open(t, linked, mysqlstore.Options{})
		change := shared.changes()[name]
		change.begin(t, s)
		l.cutAt(plan{statement: commit})
		require.NoError(t, change.make(t.Context(), t, s))
		require.True(t, l.wasCut())
	}
}
