package app

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// endlessListener accepts connections without end, or fails.
type endlessListener struct {
	net.Listener

	err error
}

func (l *endlessListener) Accept() (net.Conn, error) {
	conn, _ := net.Pipe()
	return conn, l.err
}

func (l *endlessListener) Close() error { return nil }

func TestLimitConnections_AtTheLimit_WaitsForAClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limitConnections(&endlessListener{}, 2)
		first, err := l.Accept()
		require.NoError(t, err)
		_, err = l.Accept()
		require.NoError(t, err)
		accepted := make(chan error)
		accept := func() {
			_, err := l.Accept()
			accepted <- err
		}
		go accept()
		synctest.Wait()
		require.Empty(t, accepted)
		require.NoError(t, first.Close())
		require.NoError(t, <-accepted)
		require.NoError(t, first.Close(), "the second Close of a connection releases nothing")
		go accept()
		synctest.Wait()
		require.Empty(t, accepted)
		require.NoError(t, l.Close())
		require.ErrorIs(t, <-accepted, net.ErrClosed)
		require.NoError(t, l.Close())
	})
}

func TestLimitConnections_FailedAccept_ReleasesItsPlace(t *testing.T) {
	t.Parallel()
	inner := &endlessListener{err: errors.New("too many open files")}
	l := limitConnections(inner, 1)
	for range 3 {
		_, err := l.Accept()
		require.ErrorIs(t, err, inner.err)
	}
	inner.err = nil
	_, err := l.Accept()
	require.NoError(t, err)
}
