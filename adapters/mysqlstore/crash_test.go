package mysqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/core/payment"
	"paymentd/ports"
)

// told is what the callers of a repository were told.
type told struct {
	doubts   atomic.Int64
	refusals atomic.Int64

	mu      sync.Mutex
	claimed map[payment.OrderID]payment.GatewayKey
	settled map[payment.OrderID]bool
}

// TestServerCrash kills the server under load and starts it again, three times. Callers hear
// nothing but that it is away, or that a change is in doubt; what they were told stays true;
// and the repository goes on by itself.
func TestServerCrash(t *testing.T) {
	t.Parallel()
	server, err := mysqltest.Start(t.Context(), mysqltest.Config{Relaxed: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	databaseURL, err := server.CreateDatabase(t.Context(), "payments")
	require.NoError(t, err)
	schema, err := mysqlstore.Schema(databaseURL)
	require.NoError(t, err)
	require.NoError(t, schema.Up(t.Context()))
	s := open(t, databaseURL, mysqlstore.Options{})

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	heard := &told{
		claimed: make(map[payment.OrderID]payment.GatewayKey), settled: make(map[payment.OrderID]bool),
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() { payOn(ctx, t, s, heard, worker) })
	}
	for range 3 {
		heard.awaitSettled(t, 20)
		require.NoError(t, server.Kill())
		heard.awaitRefusal(t)
		require.Error(t, s.Ready(t.Context()))
		require.NoError(t, server.Restart(t.Context()))
		require.Eventually(t, func() bool { return s.Ready(t.Context()) == nil }, time.Minute, time.Millisecond)
	}
	heard.awaitSettled(t, 20)
	stop()
	all.Wait()
	t.Logf("%d refusals and %d doubts", heard.refusals.Load(), heard.doubts.Load())

	for id := range heard.settled {
		p, err := s.Find(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, payment.StateSucceeded, p.State, "%s: it was told that it had succeeded", id)
	}
	for id, key := range heard.claimed {
		p, err := s.Find(t.Context(), id)
		require.NoError(t, err, "%s: it was claimed", id)
		require.Equal(t, key, p.GatewayKey, "the gateway key of the claim")
	}
}

// payOn claims and settles one order after the other until ctx ends. What does not come to
// an end is tried again, as core does.
func payOn(ctx context.Context, t *testing.T, s *mysqlstore.Payments, heard *told, worker int) {
	t.Helper()
	for n := 0; ctx.Err() == nil; n++ {
		a := ask(t, payment.OrderID(fmt.Sprintf("order-%d-%d", worker, n)))
		var p payment.Payment
		if !heard.until(ctx, t, func() (err error) {
			var verdict payment.Verdict
			p, verdict, err = s.Claim(ctx, a)
			if err == nil && verdict != payment.VerdictClaimed && verdict != payment.VerdictBusy {
				t.Errorf("claim of %s: %s", a.OrderID, verdict)
			}
			return err
		}) {
			return
		}
		heard.note(func() { heard.claimed[a.OrderID] = a.NewKey })
		if !heard.until(ctx, t, func() error { return s.Settle(ctx, approved(p)) }) {
			return
		}
		heard.note(func() { heard.settled[a.OrderID] = true })
	}
}

// until repeats do while the server is away, and reports whether it came to an end.
func (h *told) until(ctx context.Context, t *testing.T, do func() error) bool {
	t.Helper()
	for ctx.Err() == nil {
		err := do()
		switch {
		case err == nil:
			return true
		case errors.Is(err, ports.ErrInDoubt):
			h.doubts.Add(1)
		case errors.Is(err, ports.ErrUnavailable):
			h.refusals.Add(1)
		default:
			t.Error(err)
			return false
		}
	}
	return false
}

func (h *told) awaitSettled(t *testing.T, more int) {
	t.Helper()
	before := h.settledSoFar()
	require.Eventually(t, func() bool { return h.settledSoFar() >= before+more }, time.Minute, time.Millisecond)
}

func (h *told) settledSoFar() (n int) {
	h.note(func() { n = len(h.settled) })
	return n
}

func (h *told) note(what func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	what()
}

func (h *told) awaitRefusal(t *testing.T) {
	t.Helper()
	before := h.refusals.Load()
	require.Eventually(t, func() bool { return h.refusals.Load() > before }, time.Minute, time.Millisecond)
}
