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

// results is what the callers of a repository got.
type results struct {
	doubts   atomic.Int64
	refusals atomic.Int64

	mu      sync.Mutex
	claimed map[payment.OrderID]payment.GatewayKey
	settled map[payment.OrderID]bool
}

// The server is killed under load and restarted, three times. Callers get only ErrUnavailable and
// ErrInDoubt; every result that they got stays true; and the repository recovers by itself.
func TestPayments_ServerCrash(t *testing.T) {
	t.Parallel()
	server, databaseURL, err := mysqltest.StartTested(t.Context(), "payments", mysqltest.Config{Relaxed: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	schema, err := mysqlstore.Schema(databaseURL)
	require.NoError(t, err)
	require.NoError(t, schema.Up(t.Context()))
	s := open(t, databaseURL, mysqlstore.Options{})

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	got := &results{
		claimed: make(map[payment.OrderID]payment.GatewayKey), settled: make(map[payment.OrderID]bool),
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() { payOn(ctx, t, s, got, worker) })
	}
	for range 3 {
		got.awaitSettled(t, 20)
		require.NoError(t, server.Kill())
		got.awaitRefusal(t)
		require.Error(t, s.Ready(t.Context()))
		require.NoError(t, server.Restart(t.Context()))
		require.Eventually(t, func() bool { return s.Ready(t.Context()) == nil }, time.Minute, time.Millisecond)
	}
	got.awaitSettled(t, 20)
	stop()
	all.Wait()
	t.Logf("%d refusals and %d doubts", got.refusals.Load(), got.doubts.Load())

	for id := range got.settled {
		p, err := s.Find(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, payment.StateSucceeded, p.State, "%s: the caller got a success", id)
	}
	for id, key := range got.claimed {
		p, err := s.Find(t.Context(), id)
		require.NoError(t, err, "%s: it was claimed", id)
		require.Equal(t, key, p.GatewayKey, "the gateway key of the claim")
	}
}

// payOn claims and settles one order after the other until ctx ends. It retries failed calls, as core
// does.
func payOn(ctx context.Context, t *testing.T, s *mysqlstore.Payments, got *results, worker int) {
	t.Helper()
	for n := 0; ctx.Err() == nil; n++ {
		a := request(t, payment.OrderID(fmt.Sprintf("order-%d-%d", worker, n)))
		var p *payment.Payment
		if !got.until(ctx, t, func() (err error) {
			var verdict payment.Verdict
			p, verdict, err = s.Claim(ctx, a)
			if err == nil && verdict != payment.VerdictClaimed && verdict != payment.VerdictBusy {
				t.Errorf("claim of %s: %s", a.OrderID, verdict)
			}
			return err
		}) {
			return
		}
		got.record(func() { got.claimed[a.OrderID] = a.NewKey })
		if !got.until(ctx, t, func() error { return s.Settle(ctx, approved(*p)) }) {
			return
		}
		got.record(func() { got.settled[a.OrderID] = true })
	}
}

// until repeats do while the server is unavailable, and reports whether it succeeded.
func (h *results) until(ctx context.Context, t *testing.T, do func() error) bool {
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

func (h *results) awaitSettled(t *testing.T, more int) {
	t.Helper()
	before := h.settledSoFar()
	require.Eventually(t, func() bool { return h.settledSoFar() >= before+more }, time.Minute, time.Millisecond)
}

func (h *results) settledSoFar() (n int) {
	h.record(func() { n = len(h.settled) })
	return n
}

func (h *results) record(what func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	what()
}

func (h *results) awaitRefusal(t *testing.T) {
	t.Helper()
	before := h.refusals.Load()
	require.Eventually(t, func() bool { return h.refusals.Load() > before }, time.Minute, time.Millisecond)
}
