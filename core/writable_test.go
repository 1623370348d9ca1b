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

// refuses is a database that answers, and takes no writes.
func refuses(context.Context, fake.Call, func()) error { return ports.ErrNotWritable }

// A heartbeat that was stored recently shows that writes work: a probe makes none.
func TestReadyByHeartbeat(t *testing.T) {
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

// Without one, a write is tried: two a second, however many ask.
func TestReadyTriesAWrite(t *testing.T) {
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

// What readyz knows, a payment respects: while the database refuses some write that a payment
// needs, nothing is claimed and nothing is charged, by a request or by the queue.
func TestNotWritableChargesNothing(t *testing.T) {
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
				require.Len(t, w.gateway.Taken(), 2, "and what was accepted before")
			})
		})
	}
}

// A payment may be the first to find out: a user may have lost the right to one table only.
func TestPaymentFindsOutThatNothingIsStored(t *testing.T) {
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

// What a probe has found a moment ago counts no more once a payment has found out otherwise.
func TestReadyForgetsWhatAPaymentDisproves(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		require.NoError(t, a.Ready(t.Context()))
		a.fault("Claim", 1, refuses)
		require.ErrorIs(t, a.pay().err, ports.ErrNotWritable)
		require.NoError(t, a.Ready(t.Context()))
		require.Equal(t, payment.StateSucceeded, a.pay().State, "readyz says so, and a payment is taken")
	})
}

// A database that is away, or an error of another kind, bars no payment: the claim finds out by
// itself, and the first one after the outage is served.
func TestUnavailableBarsNoPayment(t *testing.T) {
	t.Parallel()
	for _, err := range []error{ports.ErrUnavailable, errors.New("strange")} {
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
