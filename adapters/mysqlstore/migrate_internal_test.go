package mysqlstore

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/stretchr/testify/require"
)

// busyLock is a driver whose lock cannot be released at the first tries.
type busyLock struct {
	database.Driver

	refusals, tries int
}

var errBusyLock = errors.New("in use: for query")

func (b *busyLock) Unlock() error {
	if b.tries++; b.tries <= b.refusals {
		return errBusyLock
	}
	return nil
}

// VTGate's heartbeat may be in flight on the connection of the lock.
func TestMigrator_ReleasesABusyLock(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		on       engine
		refusals int
		tries    int
		want     error
	}{
		{on: engineVitess, refusals: 0, tries: 1},
		{on: engineVitess, refusals: 3, tries: 4},
		{on: engineVitess, refusals: maxTries, tries: maxTries, want: errBusyLock},
		{on: engineMySQL, refusals: 1, tries: 1, want: errBusyLock},
	} {
		synctest.Test(t, func(t *testing.T) {
			lock := &busyLock{refusals: test.refusals}
			require.ErrorIs(t, (&migrator{Driver: lock, engine: test.on}).Unlock(), test.want)
			require.Equal(t, test.tries, lock.tries)
		})
	}
}
