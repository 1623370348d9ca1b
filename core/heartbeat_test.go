package core_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// expiredLine is logged for a replica whose claims are released.
const expiredLine = "the heartbeats of a replica expired"

// slowly approves every charge, after d.
func slowly(d time.Duration) func(payment.Charge) fake.Step {
	return func(payment.Charge) fake.Step { return fake.Slow(d, fake.Approve()) }
}

// requireNoneReleased checks that each order was sent to the gateway once.
func requireNoneReleased(t *testing.T, w *world, orders int, replicas ...*replica) {
	t.Helper()
	require.Len(t, w.gateway.Attempts(), orders, "attempts")
	require.Len(t, w.gateway.Taken(), orders, "charges")
	for _, r := range replicas {
		r.log.requireNoLine(t, expiredLine)
		r.log.requireNoLine(t, "fenced out")
	}
}

// After an outage of the database that is longer than the heartbeat timeout, the first replicas to
// reconnect find no other replica expired.
func TestHeartbeat_AfterOutage_ReleasesNoClaims(t *testing.T) {
	const n = 50
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.OnCharge(slowly(gatewayTimeout - 100*time.Millisecond))
		var replicas []*replica
		var got []<-chan reply
		for i := range n {
			r := w.replica(fmt.Sprintf("replica-%02d", i))
			r.queue()
			replicas = append(replicas, r)
		}
		w.sleepUntil(12 * time.Second) // all have observed the others for longer than the timeout
		for i, r := range replicas {
			got = append(got, r.start(context.Background(), forOrder(payment.OrderID(fmt.Sprintf("order-%d", i)))))
		}
		w.sleepUntil(12*time.Second + time.Millisecond)
		for _, r := range replicas {
			r.partition()
		}
		w.sleepUntil(20 * time.Second)
		for i, r := range replicas { // they reconnect one by one, the last one 4 s after the first
			w.sleepUntil(20*time.Second + time.Duration(i)*80*time.Millisecond)
			r.heal()
		}
		for _, c := range got {
			require.Equal(t, payment.StateSucceeded, (<-c).State)
		}
		w.sleepUntil(time.Minute)
		requireNoneReleased(t, w, n, replicas...)
	})
}

// If a replica's heartbeat takes longer than the timeout, so may those of the others.
func TestHeartbeat_WritesSlowerThanTimeout_ReleasesNoClaims(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.OnCharge(slowly(9 * time.Second))
		a, b := w.replica("a"), w.replica("b")
		a.queue()
		w.sleepUntil(time.Second)
		b.queue()
		w.sleepUntil(13500 * time.Millisecond) // b has just read the last heartbeat of a before the stall
		got := a.start(context.Background())
		w.sleepUntil(13600 * time.Millisecond)
		stalled := w.began.Add(21 * time.Second)
		for _, r := range []*replica{a, b} {
			hold := time.Duration(0)
			if r == a { // the database answers a later than b
				hold = 100 * time.Millisecond
			}
			r.always("Heartbeat", func(_ context.Context, _ fake.Call, do func()) error {
				time.Sleep(time.Until(stalled) + hold)
				do()
				return nil
			})
		}
		require.Equal(t, payment.StateSucceeded, (<-got).State)
		w.sleepUntil(time.Minute)
		requireNoneReleased(t, w, 1, a, b)
	})
}

// A replica that has just started releases no claims before it has observed one timeout.
func TestHeartbeat_ReplicaStarted_ReleasesAfterOneTimeout(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		crashed := w.replica("crashed")
		require.NoError(t, w.payments.Heartbeat(t.Context(), "crashed"))
		crashed.always("Charge", fake.CrashBefore(exit))
		<-crashed.send()
		w.sleepUntil(heartbeatTimeout * 2)
		b := w.replica("b")
		b.queue()
		w.sleepUntil(heartbeatTimeout*3 - 10*time.Millisecond)
		b.log.requireNoLine(t, expiredLine)
		w.sleepUntil(heartbeatTimeout*3 + 10*time.Millisecond)
		b.log.requireLine(t, expiredLine, "expired=crashed")
		w.sleepUntil(heartbeatTimeout*3 + 2*poll)
		require.Equal(t, payment.StateSucceeded, w.stored().State, "taken over before its lease expires")
		w.requireOnce()
	})
}

// A step of the database's clock, in either direction, neither expires the heartbeats of a live replica
// nor keeps those of a crashed one alive.
func TestHeartbeat_DatabaseClockSteps_OnlyCrashedReplicaExpires(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{-time.Hour, -20 * time.Second, 20 * time.Second} {
		t.Run(step.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b, crashed := w.replica("a"), w.replica("b"), w.replica("crashed")
				a.queue()
				b.queue()
				crashed.runQueue()
				w.sleepUntil(20*time.Second + time.Millisecond)
				crashed.endQueue()
				w.payments.MoveClock(step)
				w.sleepUntil(20*time.Second + heartbeatTimeout*2)
				for _, r := range []*replica{a, b} {
					r.log.requireNoLine(t, expiredLine, "expired=a")
					r.log.requireNoLine(t, expiredLine, "expired=b")
				}
				found := len(a.log.linesWith([]string{expiredLine, "expired=crashed"})) +
					len(b.log.linesWith([]string{expiredLine, "expired=crashed"}))
				require.Equal(t, 1, found, "logged once")
			})
		})
	}
}

// A process that was paused while other replicas could not reach the database discards what it observed
// before.
func TestHeartbeat_ProcessPaused_ReleasesNoClaims(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.OnCharge(slowly(9 * time.Second))
		a, b := w.replica("a"), w.replica("b")
		a.queue()
		w.sleepUntil(time.Second)
		b.queue()
		w.sleepUntil(13500 * time.Millisecond) // b has just read the last heartbeat of a before the stall
		got := a.start(context.Background())
		w.sleepUntil(13600 * time.Millisecond)
		a.always("Heartbeat", fake.FailBefore)
		woken := w.began.Add(21 * time.Second)
		b.fault("Heartbeat", 1, func(_ context.Context, _ fake.Call, do func()) error {
			do()
			time.Sleep(time.Until(woken)) // the answer is read when the process resumes
			return nil
		})
		w.sleepUntil(21*time.Second + 500*time.Millisecond)
		a.heal()
		require.Equal(t, payment.StateSucceeded, (<-got).State)
		w.sleepUntil(time.Minute)
		requireNoneReleased(t, w, 1, a, b)
	})
}

func TestHeartbeat_Hangs_IsCanceledForTheNext(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.fault("Heartbeat", 1, func(ctx context.Context, _ fake.Call, _ func()) error {
			<-ctx.Done()
			return ports.ErrUnavailable
		})
		a.queue()
		w.sleepUntil(heartbeatTimeout - time.Second)
		heartbeats, err := w.payments.Heartbeats(t.Context(), "b")
		require.NoError(t, err)
		require.Len(t, heartbeats, 1)
	})
}

// While heartbeats fail, they are tried more often, so that this replica is found alive soon after an
// outage.
func TestHeartbeat_DuringOutage_IsTriedMoreOften(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a", func(s *core.Settings) { s.HeartbeatTimeout = time.Minute })
		a.queue()
		w.sleepUntil(time.Second)
		a.partition()
		w.sleepUntil(time.Hour + 100*time.Millisecond)
		a.heal()
		back := w.since()
		w.sleepUntil(back + time.Minute/10)
		heartbeats, err := w.payments.Heartbeats(t.Context(), "b")
		require.NoError(t, err)
		require.Less(t, heartbeats[0].Age, time.Minute/10)
	})
}
