package resilience_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/resilience"
	"paymentd/core/payment"
	"paymentd/ports"
)

var charge = payment.Charge{Key: "key-1", OrderID: "order-123"}

func newGuard(g ports.Gateway) *resilience.Guard {
	return resilience.NewGuard(g, resilience.GuardOptions{Timeout: 10 * time.Second, MaxConcurrent: 5})
}

// times makes n attempts one after the other, and returns the last result.
func times(g ports.Gateway, n int) (r payment.Result) {
	for range n {
		r = g.Charge(context.Background(), charge)
	}
	return r
}

func TestGuard_Result_IsPassedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := fake.NewGateway(fake.Refuse(), fake.ChargeThenServerError())
		g := newGuard(gateway)
		require.Equal(t, payment.ClassNotCharged, times(g, 1).Class)
		require.Equal(t, payment.ClassUnknownAnswered, times(g, 1).Class)
		require.Equal(t, payment.Lookup{Result: payment.FoundApproved, TransactionID: "txn-1"}, g.LookUp(t.Context(), payment.ChargeRef{Key: charge.Key}))
		require.Equal(t, payment.Result{Class: payment.ClassApproved, TransactionID: "txn-1", Answered: true}, times(g, 1))
		require.True(t, g.Capabilities().HonoursKeys())
		gateway.IgnoreKeys()
		require.False(t, g.Capabilities().HonoursKeys())
	})
}

// An attempt that is not answered in time is unknown. If the adapter notices the timeout late, and
// returns an answer, the answer counts.
func TestGuard_Timeout_IsUnknown(t *testing.T) {
	t.Parallel()
	t.Run("of an attempt", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			gateway := fake.NewGateway(fake.Slow(11*time.Second, fake.Approve()))
			began := time.Now()
			require.Equal(t, payment.ClassUnknownUnanswered, times(newGuard(gateway), 1).Class)
			require.Equal(t, 10*time.Second, time.Since(began))
		})
	})
	t.Run("of an adapter that does not heed it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := newGuard(stubborn{fake.NewGateway()})
			require.Equal(t, payment.Result{Class: payment.ClassApproved, TransactionID: "txn-1", Answered: true}, times(g, 1))
		})
	})
	t.Run("of a lookup", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			wire := fake.Wire{Fault: func(fake.Call) fake.Fault { return fake.Delay(time.Minute) }}
			began := time.Now()
			found := newGuard(wire.Gateway(fake.NewGateway())).LookUp(t.Context(), payment.ChargeRef{Key: charge.Key})
			require.Equal(t, payment.FoundNoAnswer, found.Result)
			require.Equal(t, 10*time.Second, time.Since(began))
		})
	})
}

// stubborn ignores the context and takes its time.
type stubborn struct{ ports.Gateway }

func (g stubborn) Charge(ctx context.Context, c payment.Charge) payment.Result {
	time.Sleep(20 * time.Second)
	return g.Gateway.Charge(context.WithoutCancel(ctx), c)
}

// Calls of an adapter that ignores its context are bounded by the permits that they keep.
func TestGuard_CallsBeyondTheTimeout_KeepTheirPermits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(stubborn{fake.NewGateway()})
		var all sync.WaitGroup
		for _, key := range []payment.GatewayKey{"a", "b", "c", "d", "e"} {
			all.Go(func() { g.Charge(context.Background(), payment.Charge{Key: key}) })
		}
		time.Sleep(15 * time.Second) // after the timeout
		require.Equal(t, payment.Result{
			Class: payment.ClassNotCharged, Message: "too many attempts are in flight",
		}, times(g, 1))
		all.Wait()
		require.Equal(t, payment.ClassApproved, times(g, 1).Class)
	})
}

// The breaker opens for a gateway that is dead.
func TestGuard_BreakerOpens_ForUnansweredAttemptsOnly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		steps    func(n int) fake.Step // of the n-th attempt, n from 0
		attempts int
		pause    time.Duration // between two attempts
		opens    bool
	}{
		{"a hundred that were refused", always(fake.Refuse()), 100, 0, true},
		{"a hundred that were not answered", always(fake.Timeout()), 100, 0, true},
		{"one less than a hundred", always(fake.Refuse()), 99, 0, false},
		{"a hundred, over more than ten seconds", always(fake.Refuse()), 100, 150 * time.Millisecond, false},
		{"nearly all", every(25, fake.Approve(), fake.Refuse()), 100, 0, true},
		{"nine in ten", every(10, fake.Approve(), fake.Refuse()), 200, 0, false},
		{"a hundred that something in between answered", always(fake.Intermediary(503, fake.Approve())), 100, 0, true},
		{"two hundred 429s", always(fake.RefuseFor(time.Second)), 200, 0, false},
		{"two hundred that are processing", always(fake.Running()), 200, 0, false},
		{"two hundred that say they are not charged", always(fake.NotChargedAnswer()), 200, 0, false},
		{"two hundred pending", always(fake.Pending()), 200, 0, false},
		{"two hundred keys that were reused", always(fake.KeyReused()), 200, 0, false},
		{"two hundred 500s with the charge taken", always(fake.ChargeThenServerError()), 200, 0, false},
		{"a 429 among lost answers is an answer", every(10, fake.RefuseFor(0), fake.LoseAnswer()), 200, 0, false},
		{"two hundred that were answered 503", always(fake.Unavailable()), 200, 0, false},
		{"two hundred declines", always(fake.Decline("card_declined")), 200, 0, false},
		{"two hundred rejections", always(fake.Reject()), 200, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gateway, n := fake.NewGateway(), 0
				gateway.OnCharge(func(payment.Charge) fake.Step { n++; return tt.steps(n - 1) })
				g := newGuard(gateway)
				for i := range tt.attempts {
					g.Charge(t.Context(), payment.Charge{Key: payment.GatewayKey(fmt.Sprint("key-", i))})
					time.Sleep(tt.pause)
				}
				require.Len(t, gateway.Attempts(), tt.attempts, "all of them reached the gateway")

				gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Approve() })
				r := times(g, 1)
				if !tt.opens {
					require.Len(t, gateway.Attempts(), tt.attempts+1)
					return
				}
				require.Equal(t, payment.ClassNotCharged, r.Class, "what was not called was not charged")
				require.Contains(t, r.Message, "breaker")
				require.Len(t, gateway.Attempts(), tt.attempts)
			})
		})
	}
}

func always(s fake.Step) func(int) fake.Step { return func(int) fake.Step { return s } }

// every returns one step for each n-th attempt, and others for the rest.
func every(n int, one, others fake.Step) func(int) fake.Step {
	return func(i int) fake.Step {
		if i%n == n-1 {
			return one
		}
		return others
	}
}

// Attempts that the guard itself refuses say nothing about the gateway: those beyond the limit, and
// those that were cancelled before they began.
func TestGuard_RefusedAttempts_AreNotRecorded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := fake.NewGateway()
		gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Slow(time.Second, fake.Approve()) })
		g := newGuard(gateway)
		var all sync.WaitGroup
		for _, key := range []payment.GatewayKey{"a", "b", "c", "d", "e"} {
			all.Go(func() { g.Charge(context.Background(), payment.Charge{Key: key}) })
		}
		synctest.Wait()
		require.Equal(t, payment.ClassNotCharged, times(g, 200).Class)
		all.Wait()
		over, cancel := context.WithCancel(t.Context())
		cancel()
		for range 200 {
			require.Equal(t, payment.ClassNotCharged, g.Charge(over, charge).Class)
		}
		require.Len(t, gateway.Attempts(), 5)
		require.Equal(t, payment.ClassApproved, times(g, 1).Class, "closed")
	})
}

// A half-open breaker closes for any answer of the gateway's own, and for nothing else.
func TestGuard_BreakerHalfOpen_ClosesForAnyAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		probe  fake.Step
		closes bool
	}{
		{"429", fake.RefuseFor(time.Second), true},
		{"running", fake.Running(), true},
		{"declined", fake.Decline("card_declined"), true},
		{"500", fake.ChargeThenServerError(), true},
		{"something in between", fake.Intermediary(200, fake.Approve()), false},
		{"refused", fake.Refuse(), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gateway := fake.NewGateway()
				gateway.OnCharge(each(fake.Timeout()))
				g := newGuard(gateway)
				times(g, 101)
				require.Len(t, gateway.Attempts(), 100, "open")
				time.Sleep(time.Second)
				gateway.OnCharge(each(tt.probe))
				times(g, 1)
				require.Len(t, gateway.Attempts(), 101, "the one that tests the gateway")
				gateway.OnCharge(each(fake.Approve()))
				times(g, 1)
				want := 101
				if tt.closes {
					want++
				}
				require.Len(t, gateway.Attempts(), want)
			})
		})
	}
}

func each(s fake.Step) func(payment.Charge) fake.Step {
	return func(payment.Charge) fake.Step { return s }
}

// An open breaker admits one attempt after a while, and its result decides.
func TestGuard_BreakerOpen_AdmitsOneAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := fake.NewGateway()
		dead := true
		gateway.OnCharge(func(payment.Charge) fake.Step {
			if dead {
				return fake.Slow(time.Millisecond, fake.Refuse())
			}
			return fake.Approve()
		})
		g := newGuard(gateway)
		times(g, 100)
		times(g, 50)
		require.Len(t, gateway.Attempts(), 100, "open")

		time.Sleep(time.Second)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { times(g, 1) })
		}
		all.Wait()
		require.Len(t, gateway.Attempts(), 101, "one tries, and finds it dead")

		dead = false
		time.Sleep(time.Second)
		require.Equal(t, payment.ClassApproved, times(g, 1).Class)
		require.Equal(t, payment.ClassApproved, times(g, 100).Class, "closed")
	})
}

// An attempt beyond the limit is not made, and therefore not charged.
func TestGuard_BeyondMaxConcurrent_IsNotCharged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := fake.NewGateway()
		gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Slow(time.Second, fake.Approve()) })
		g := newGuard(gateway)
		var all sync.WaitGroup
		for _, key := range []payment.GatewayKey{"a", "b", "c", "d", "e"} {
			all.Go(func() { g.Charge(context.Background(), payment.Charge{Key: key}) })
		}
		synctest.Wait()
		r := times(g, 1)
		require.Equal(t, payment.ClassNotCharged, r.Class)
		require.Contains(t, r.Message, "too many attempts")
		require.Len(t, gateway.Attempts(), 5)
		all.Wait()
		require.Equal(t, payment.ClassApproved, times(g, 1).Class)
	})
}

// A panic of the adapter leaves the outcome unknown, and releases its permits.
func TestGuard_Panic_IsUnknown(t *testing.T) {
	t.Parallel()
	t.Run("keeps no permit", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			gateway := fake.NewGateway()
			g := newGuard(poisoned{gateway, new(50)})
			for range 50 {
				r := times(g, 1)
				require.Equal(t, payment.ClassUnknownUnanswered, r.Class)
				require.Contains(t, r.Message, "panicked: boom")
			}
			require.Equal(t, payment.ClassApproved, times(g, 1).Class)
		})
	})
	t.Run("leaves no breaker half open", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := newGuard(poisoned{fake.NewGateway(), new(101)})
			times(g, 100)
			require.Equal(t, payment.ClassNotCharged, times(g, 1).Class, "open")
			time.Sleep(time.Second)
			require.Equal(t, payment.ClassUnknownUnanswered, times(g, 1).Class, "the one that tests the gateway")
			time.Sleep(time.Second)
			require.Equal(t, payment.ClassApproved, times(g, 1).Class)
		})
	})
}

// poisoned panics at its first charges.
type poisoned struct {
	ports.Gateway

	charges *int
}

func (g poisoned) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if *g.charges--; *g.charges >= 0 {
		panic("boom")
	}
	return g.Gateway.Charge(ctx, c)
}
