package core_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
	"paymentd/ports"
)

// refuses is the fault of a database that answers, and refuses writes.
func refuses(context.Context, fake.Call, func()) error { return ports.ErrNotWritable }

// A recently stored heartbeat proves that writes succeed, so probes make none.
func TestReady_RecentHeartbeat_MakesNoWrite(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		w.sleepUntil(time.Minute + 100*time.Millisecond)
		before := a.calls("Heartbeat", "TryWrite")
		for range 100 {
			require.NoError(t, a.Ready(t.Context()))
		}
		require.Equal(t, before, a.calls("Heartbeat", "TryWrite"))
	})
}

// Without a recent heartbeat probes try a write, at most two a second.
func TestReady_NoRecentHeartbeat_TriesAWrite(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.always("Heartbeat", refuses)
		for range 100 {
			require.ErrorIs(t, a.Ready(t.Context()), ports.ErrNotWritable)
		}
		require.Equal(t, 1, a.calls("Heartbeat"))
		a.heal()
		time.Sleep(time.Second)
		require.NoError(t, a.Ready(t.Context()))
	})
}

// While the database refuses a write that a payment needs, neither a request nor the queue claims or
// charges a payment.
func TestNotWritable_ChargesNothing(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Heartbeat", "TryWrite"} {
		t.Run(method, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				require.Equal(t, payment.StateScheduled, a.pay(async, forOrder("order-later")).State)
				a.always(method, refuses)
				require.ErrorIs(t, a.Ready(t.Context()), ports.ErrNotWritable)
				a.queue()
				got := a.pay()
				require.ErrorIs(t, got.err, ports.ErrNotWritable)
				require.ErrorIs(t, got.err, ports.ErrUnavailable)
				require.ErrorIs(t, a.pay(async).err, ports.ErrNotWritable)
				w.sleepUntil(time.Minute)
				require.Empty(t, w.gateway.Attempts())

				a.heal()
				w.sleepUntil(time.Minute + heartbeatTimeout)
				require.NoError(t, a.Ready(t.Context()))
				require.Equal(t, payment.StateSucceeded, a.pay().State)
				require.Len(t, w.gateway.Taken(), 2, "including the one that was accepted before")
			})
		})
	}
}

// A payment's own write may be the first that is refused, because a database user may lack the right on
// one table only.
func TestNotWritable_PaymentsWriteRefused_ChargesNoMore(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Claim", "Settle"} {
		t.Run(method, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				a.queue()
				w.sleepUntil(time.Second)
				require.NoError(t, a.Ready(t.Context()))
				a.always(method, refuses)
				a.always("TryWrite", refuses)
				a.pay()
				require.ErrorIs(t, a.Ready(t.Context()), ports.ErrNotWritable)
				attempts := len(w.gateway.Attempts())
				for range 10 {
					require.ErrorIs(t, a.pay(forOrder("order-other")).err, ports.ErrNotWritable)
					time.Sleep(time.Second)
				}
				require.Len(t, w.gateway.Attempts(), attempts)
				a.heal()
				w.sleepUntil(2 * time.Minute)
				require.Equal(t, payment.StateSucceeded, a.pay(forOrder("order-other")).State)
			})
		})
	}
}

// The result of a recent probe is discarded if the write of a payment is refused.
func TestReady_PaymentsWriteRefused_ChecksAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		require.NoError(t, a.Ready(t.Context()))
		a.fault("Claim", 1, refuses)
		require.ErrorIs(t, a.pay().err, ports.ErrNotWritable)
		require.NoError(t, a.Ready(t.Context()))
		require.Equal(t, payment.StateSucceeded, a.pay().State, "ready, so a payment is charged")
	})
}

// Other errors than a refused write block no payment: its claim succeeds as soon as the database does.
func TestWritable_OtherHeartbeatError_PaymentIsCharged(t *testing.T) {
	t.Parallel()
	for _, err := range []error{ports.ErrUnavailable, errors.New("unexpected")} {
		t.Run(err.Error(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				a.always("Heartbeat", func(context.Context, fake.Call, func()) error { return err })
				a.queue()
				w.sleepUntil(time.Second)
				require.ErrorIs(t, a.Ready(t.Context()), err)
				require.Equal(t, payment.StateSucceeded, a.pay().State)
			})
		})
	}
}
