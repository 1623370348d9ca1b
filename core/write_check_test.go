package core_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// partlyWritable is a database that takes heartbeats and claims. From a moment on it refuses another kind
// of write, such as one to a table that was renamed.
type partlyWritable struct {
	ports.Payments

	broken atomic.Bool
	settle error // of Settle and RecordLookup, while it is broken; then TryWrite fails only after one of those
	failed atomic.Bool
	tries  atomic.Int64
	stuck  bool // TryWrite waits, as for the lock of a table, while it is broken
}

func (p *partlyWritable) TryWrite(ctx context.Context) error {
	p.tries.Add(1)
	switch {
	case p.broken.Load() && p.stuck:
		<-ctx.Done()
		return ports.ErrUnavailable
	case p.broken.Load() && (p.settle == nil || p.failed.Load()):
		return ports.ErrNotWritable
	}
	return p.Payments.TryWrite(ctx)
}

func (p *partlyWritable) Settle(ctx context.Context, s payment.Settlement) error {
	if p.broken.Load() && p.settle != nil {
		p.failed.Store(true)
		return p.settle
	}
	return p.Payments.Settle(ctx, s)
}

func (p *partlyWritable) RecordLookup(
	ctx context.Context, r payment.LookupRecord,
) (payment.Payment, payment.Verdict, error) {
	if p.broken.Load() && p.settle != nil {
		p.failed.Store(true)
		return payment.Payment{}, "", p.settle
	}
	return p.Payments.RecordLookup(ctx, r)
}

// inService runs a test of a service with a running queue in virtual time.
func inService(
	t *testing.T, payments ports.Payments, gateway *fake.Gateway, test func(pay func(payment.OrderID) error, s *core.Service),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newService(io.Discard, payments, gateway)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.RunQueue(ctx)
		}()
		dollar, err := payment.ParseCurrency("USD")
		require.NoError(t, err)
		amount, err := payment.ParseMoney("1.00", dollar)
		require.NoError(t, err)
		test(func(id payment.OrderID) error {
			_, err := s.Process(t.Context(), core.Request{OrderID: id, Money: amount})
			return err
		}, s)
		stop()
		<-done
	})
}

// A write that only some payments need is lost while heartbeats go on: within a heartbeat timeout the
// replica is not ready, and charges nothing, until it works again.
func TestWriteCheck_FindsALostTableWithoutAPayment(t *testing.T) {
	t.Parallel()
	payments, gateway := &partlyWritable{Payments: fake.NewPayments()}, fake.NewGateway()
	inService(t, payments, gateway, func(pay func(payment.OrderID) error, s *core.Service) {
		time.Sleep(time.Minute + time.Second) // between two checks
		require.NoError(t, pay("order-1"))
		tries := payments.tries.Load()
		require.LessOrEqual(t, tries, int64(14), "at most one a heartbeat timeout")
		for range 100 {
			require.NoError(t, pay("order-1"))
		}
		require.Equal(t, tries, payments.tries.Load(), "payments cost none")

		payments.broken.Store(true)
		time.Sleep(heartbeatTimeout + time.Second)
		require.ErrorIs(t, pay("order-2"), ports.ErrNotWritable)
		require.ErrorIs(t, s.Ready(t.Context()), ports.ErrNotWritable)
		time.Sleep(time.Minute)
		require.ErrorIs(t, pay("order-2"), ports.ErrNotWritable)
		require.Len(t, gateway.Attempts(), 1)

		payments.broken.Store(false)
		time.Sleep(heartbeatTimeout)
		require.NoError(t, s.Ready(t.Context()))
		require.NoError(t, pay("order-2"))
	})
}

// An outcome that could not be stored for an unknown reason has the writes checked at once, so that the
// next payment is not charged for nothing.
func TestWriteCheck_FollowsAnOutcomeThatIsNotStored(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script []fake.Step
		settle error
		refuse bool
	}{
		"settlement":              {nil, errors.New("no such column"), true},
		"lookup":                  {[]fake.Step{fake.Timeout(), fake.Timeout(), fake.Timeout(), fake.Timeout()}, errors.New("no such column"), true},
		"database is unavailable": {nil, ports.ErrUnavailable, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payments, gateway := &partlyWritable{Payments: fake.NewPayments(), settle: tt.settle}, fake.NewGateway(tt.script...)
			inService(t, payments, gateway, func(pay func(payment.OrderID) error, _ *core.Service) {
				time.Sleep(time.Minute + time.Millisecond) // a check was made just now
				payments.broken.Store(true)
				go func() { _ = pay("order-1") }()
				for !payments.failed.Load() {
					time.Sleep(time.Millisecond)
				}
				time.Sleep(600 * time.Millisecond)
				err := pay("order-2")
				require.Equal(t, tt.refuse, errors.Is(err, ports.ErrNotWritable), "%v", err)
				payments.broken.Store(false)
				time.Sleep(time.Minute)
			})
		})
	}
}

// A check that waits for a lock delays no heartbeat, and refuses no payment.
func TestWriteCheck_WaitingForALockDelaysNoHeartbeat(t *testing.T) {
	t.Parallel()
	payments := &partlyWritable{Payments: fake.NewPayments(), stuck: true}
	inService(t, payments, fake.NewGateway(), func(pay func(payment.OrderID) error, s *core.Service) {
		time.Sleep(time.Minute)
		payments.broken.Store(true)
		for range 60 {
			time.Sleep(time.Second)
			beats, err := payments.Heartbeats(t.Context(), "another")
			require.NoError(t, err)
			require.Less(t, beats[0].Age, heartbeatTimeout/2)
		}
		require.NoError(t, s.Ready(t.Context()))
		require.NoError(t, pay("order-1"))
	})
}
