package resilience_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/resilience"
	"paymentd/core/payment"
)

// While the breaker is open, RetryIn counts down; it takes no permit, and is above zero while the attempt
// that tests the gateway is in flight, so that other callers wait.
func TestGuard_RetryIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := fake.NewGateway()
		dead := true
		gateway.OnCharge(func(payment.Charge) fake.Step {
			if dead {
				return fake.Slow(time.Millisecond, fake.Refuse())
			}
			return fake.Slow(300*time.Millisecond, fake.Approve())
		})
		g := newGuard(gateway)
		require.Zero(t, g.RetryIn())
		require.Equal(t, resilience.BreakerClosed, g.Breaker())
		times(g, 100)
		require.Equal(t, time.Second, g.RetryIn())
		require.Equal(t, resilience.BreakerOpen, g.Breaker())
		time.Sleep(400 * time.Millisecond)
		require.Equal(t, 600*time.Millisecond, g.RetryIn())
		time.Sleep(600 * time.Millisecond)
		for range 5 {
			require.Zero(t, g.RetryIn(), "no permit is taken")
		}

		times(g, 1)
		require.Equal(t, time.Second, g.RetryIn(), "the test failed")
		dead = false
		time.Sleep(time.Second)
		var probe sync.WaitGroup
		probe.Go(func() { times(g, 1) })
		synctest.Wait()
		require.Equal(t, resilience.BreakerHalfOpen, g.Breaker())
		require.Equal(t, time.Second, g.RetryIn(), "the test is in flight")
		probe.Wait()
		require.Zero(t, g.RetryIn())
		require.Equal(t, resilience.BreakerClosed, g.Breaker())
	})
}

func TestGuard_Full(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := fake.NewGateway()
		gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Slow(time.Second, fake.Approve()) })
		var log strings.Builder
		g := resilience.NewGuard(gateway, resilience.GuardOptions{
			Timeout: 10 * time.Second, MaxConcurrent: 5, Name: "bank", Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		var all sync.WaitGroup
		for n, key := range []payment.GatewayKey{"a", "b", "c", "d", "e"} {
			require.False(t, g.Full())
			require.Equal(t, n, g.InFlight())
			all.Go(func() { g.Charge(context.Background(), payment.Charge{Key: key}) })
			synctest.Wait()
		}
		require.True(t, g.Full())
		times(g, 10)
		require.Equal(t, 5, g.InFlight(), "a refused attempt is not in flight")
		require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
		require.Contains(t, log.String(), "gateway=bank max_concurrent=5")
		all.Wait()
		require.False(t, g.Full())
		require.Zero(t, g.InFlight())
	})
}

// An outage is two log lines, although the breaker tests the gateway every second. The guards of two
// gateways do not affect each other.
func TestGuard_Outage_IsLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		dead := true
		guard := func(name string, steps func() fake.Step) *resilience.Guard {
			gateway := fake.NewGateway()
			gateway.OnCharge(func(payment.Charge) fake.Step { return steps() })
			return resilience.NewGuard(gateway, resilience.GuardOptions{
				Timeout: 10 * time.Second, MaxConcurrent: 5, Name: name, Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
		}
		bank := guard("bank", func() fake.Step {
			if dead {
				return fake.Refuse()
			}
			return fake.Approve()
		})
		other := guard("other", fake.Approve)
		for second := range 60 {
			dead = second < 50
			times(bank, 100)
			require.Equal(t, payment.ClassApproved, times(other, 100).Class)
			time.Sleep(time.Second)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		require.Len(t, lines, 2, log.String())
		require.Contains(t, lines[0], "level=WARN")
		require.Contains(t, lines[0], "opened")
		require.Contains(t, lines[0], "gateway=bank")
		require.Contains(t, lines[1], "level=INFO")
		require.Contains(t, lines[1], "closed")
	})
}

// The number of attempts that opens the breaker, and the time for which it stays open, are settings.
func TestGuard_BreakerSettings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := fake.NewGateway()
		gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Refuse() })
		g := resilience.NewGuard(gateway, resilience.GuardOptions{
			Timeout: time.Second, MaxConcurrent: 5, BreakerAttempts: 10, BreakerDelay: 3 * time.Second,
		})
		times(g, 9)
		require.Zero(t, g.RetryIn())
		times(g, 1)
		require.Equal(t, 3*time.Second, g.RetryIn())
		require.Equal(t, 5, g.MaxConcurrent())
	})
}
