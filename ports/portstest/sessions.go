package portstest

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/apikey"
	"paymentd/ports"
)

// Sessions checks that a repository keeps the contract of ports.Sessions. open returns a new, empty repository, and
// registers its removal with t.Cleanup.
func Sessions(t *testing.T, open func(t testing.TB) ports.Sessions) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, ports.Sessions){
		"created, found and deleted":   keepsSessions,
		"expired ones are not found":   expiresSessions,
		"a bounded number":             boundsSessions,
		"a repeat of a creation":       repeatsSession,
		"deleting what does not exist": deletesNoSession,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, open(t))
		})
	}
}

func newSession(token string, lifetime time.Duration) ports.Session {
	return ports.Session{Hash: apikey.HashOf(token), Key: "static-0123456789ab", Lifetime: lifetime}
}

func keepsSessions(t *testing.T, s ports.Sessions) {
	t.Helper()
	first, second := newSession("first", time.Hour), newSession("second", time.Minute)
	second.Key = "0123456789ab"
	for _, session := range []ports.Session{first, second} {
		_, err := s.Find(t.Context(), session.Hash)
		require.ErrorIs(t, err, ports.ErrNotFound)
		before := time.Now()
		require.NoError(t, s.Create(t.Context(), session))
		found, err := s.Find(t.Context(), session.Hash)
		require.NoError(t, err)
		require.WithinDuration(t, before.Add(session.Lifetime), found.ExpiresAt, time.Minute/2)
		require.Equal(t, ports.Session{Hash: session.Hash, Key: session.Key, ExpiresAt: found.ExpiresAt}, found)
	}
	require.NoError(t, s.Delete(t.Context(), first.Hash))
	_, err := s.Find(t.Context(), first.Hash)
	require.ErrorIs(t, err, ports.ErrNotFound)
	_, err = s.Find(t.Context(), second.Hash)
	require.NoError(t, err)
}

func expiresSessions(t *testing.T, s ports.Sessions) {
	t.Helper()
	over := newSession("over", 0)
	require.NoError(t, s.Create(t.Context(), over))
	_, err := s.Find(t.Context(), over.Hash)
	require.ErrorIs(t, err, ports.ErrNotFound)
}

func boundsSessions(t *testing.T, s ports.Sessions) {
	t.Helper()
	create := func(n int, lifetime time.Duration) error {
		session := newSession("", lifetime)
		binary.BigEndian.PutUint64(session.Hash[:], uint64(n)) //nolint:gosec // it is positive
		return s.Create(t.Context(), session)
	}
	for n := range ports.MaxSessions {
		require.NoError(t, create(n, 0))
	}
	require.NoError(t, create(ports.MaxSessions, time.Hour), "expired sessions do not count")
	for n := range ports.MaxSessions - 1 {
		require.NoError(t, create(n, time.Hour), "expired sessions are deleted")
	}
	require.ErrorIs(t, create(ports.MaxSessions+1, time.Hour), ports.ErrTooManySessions)
}

func repeatsSession(t *testing.T, s ports.Sessions) {
	t.Helper()
	session := newSession("token", time.Hour)
	require.NoError(t, s.Create(t.Context(), session))
	require.NoError(t, s.Create(t.Context(), session), "the answer to the first may have been lost")
	_, err := s.Find(t.Context(), session.Hash)
	require.NoError(t, err)
}

func deletesNoSession(t *testing.T, s ports.Sessions) {
	t.Helper()
	require.NoError(t, s.Delete(t.Context(), apikey.HashOf("unknown")))
}
