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

// expiredLine is what is logged of a replica whose claims are released.
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

// After an outage of the database that is longer than the heartbeat timeout, the first replicas
// that are back judge none of the others.
func TestOutageReleasesNoReplica(t *testing.T) {
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
		w.sleepUntil(12 * time.Second) // all have watched the others for longer than the timeout
		for i, r := range replicas {
			got = append(got, r.start(context.Background(), forOrder(payment.OrderID(fmt.Sprintf("order-%d", i)))))
		}
		w.sleepUntil(12*time.Second + time.Millisecond)
		for _, r := range replicas {
			r.partition()
		}
		w.sleepUntil(20 * time.Second)
		for i, r := range replicas { // back one by one, the last one 4 s after the first
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

// A write of a heartbeat that takes longer than the timeout is no silence of the others, whose
// writes take as long.
func TestSlowHeartbeatsReleaseNoReplica(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.OnCharge(slowly(9 * time.Second))
		a, b := w.replica("a"), w.replica("b")
		a.queue()
		w.sleepUntil(time.Second)
		b.queue()
		w.sleepUntil(13500 * time.Millisecond) // b has just seen the heartbeat that is a's last for a while
		got := a.start(context.Background())
		w.sleepUntil(13600 * time.Millisecond)
		stalled := w.began.Add(21 * time.Second)
		for _, r := range []*replica{a, b} {
			hold := time.Duration(0)
			if r == a { // the database answers this one a moment later
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

// A replica that has just started has heard no other replica for a timeout, and judges none before.
func TestFreshReplicaJudgesAfterOneTimeout(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dead := w.replica("dead")
		require.NoError(t, w.payments.Heartbeat(t.Context(), "dead"))
		dead.always("Charge", fake.CrashBefore(exit))
		<-dead.send()
		w.sleepUntil(heartbeatTimeout * 2)
		b := w.replica("b")
		b.queue()
		w.sleepUntil(heartbeatTimeout*3 - 10*time.Millisecond)
		b.log.requireNoLine(t, expiredLine)
		w.sleepUntil(heartbeatTimeout*3 + 10*time.Millisecond)
		b.log.requireLine(t, expiredLine, "expired=dead")
		w.sleepUntil(heartbeatTimeout*3 + 2*poll)
		require.Equal(t, payment.StateSucceeded, w.stored().State, "taken over before its lease runs out")
		w.requireOnce()
	})
}

// A database clock that steps, in either direction, makes no replica look dead that beats, and none
// look alive that does not.
func TestDatabaseClockSteps(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{-time.Hour, -20 * time.Second, 20 * time.Second} {
		t.Run(step.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b, dead := w.replica("a"), w.replica("b"), w.replica("dead")
				a.queue()
				b.queue()
				dead.runQueue()
				w.sleepUntil(20*time.Second + time.Millisecond)
				dead.endQueue()
				w.payments.MoveClock(step)
				w.sleepUntil(20*time.Second + heartbeatTimeout*2)
				for _, r := range []*replica{a, b} {
					r.log.requireNoLine(t, expiredLine, "expired=a")
					r.log.requireNoLine(t, expiredLine, "expired=b")
				}
				found := len(a.log.linesWith([]string{expiredLine, "expired=dead"})) +
					len(b.log.linesWith([]string{expiredLine, "expired=dead"}))
				require.Equal(t, 1, found, "and once")
			})
		})
	}
}

// A process that was paused, while the database was away from the others as well, judges them by
// what it sees afterwards.
func TestPausedReplicaReleasesNoReplica(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.OnCharge(slowly(9 * time.Second))
		a, b := w.replica("a"), w.replica("b")
		a.queue()
		w.sleepUntil(time.Second)
		b.queue()
		w.sleepUntil(13500 * time.Millisecond) // b has just seen the heartbeat that is a's last for a while
		got := a.start(context.Background())
		w.sleepUntil(13600 * time.Millisecond)
		a.always("Heartbeat", fake.FailBefore)
		woken := w.began.Add(21 * time.Second)
		b.fault("Heartbeat", 1, func(_ context.Context, _ fake.Call, do func()) error {
			do()
			time.Sleep(time.Until(woken)) // the answer is read when the process goes on
			return nil
		})
		w.sleepUntil(21*time.Second + 500*time.Millisecond)
		a.heal()
		require.Equal(t, payment.StateSucceeded, (<-got).State)
		w.sleepUntil(time.Minute)
		requireNoneReleased(t, w, 1, a, b)
	})
}

// A heartbeat that hangs is given up for the next one.
func TestHangingHeartbeat(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.fault("Heartbeat", 1, func(ctx context.Context, _ fake.Call, _ func()) error {
			<-ctx.Done()
			return ports.ErrUnavailable
		})
		a.queue()
		w.sleepUntil(heartbeatTimeout - time.Second)
		beats, err := w.payments.Heartbeats(t.Context(), "b")
		require.NoError(t, err)
		require.Len(t, beats, 1)
	})
}

// While heartbeats fail, they are tried more often, so that no other replica misses this one for
// longer than it must.
func TestHeartbeatsDuringAnOutage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a", func(s *core.Settings) { s.HeartbeatTimeout = time.Minute })
		a.queue()
		w.sleepUntil(time.Second)
		a.partition()
		w.sleepUntil(time.Hour + 100*time.Millisecond)
		a.heal()
		back := w.since()
		w.sleepUntil(back + time.Minute/10)
		beats, err := w.payments.Heartbeats(t.Context(), "b")
		require.NoError(t, err)
		require.Less(t, beats[0].Age, time.Minute/10)
	})
}

// However many parts of the background work miss the database, and however often they see it again,
// an outage is two lines.
func TestOutageIsTwoLines(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		w.sleepUntil(30 * time.Second)
		a.always("Heartbeat", func(context.Context, fake.Call, func()) error { return ports.ErrNotWritable })
		w.sleepUntil(2 * time.Minute)
		require.Len(t, a.log.linesWith([]string{"queue paused: the database is unavailable", ports.ErrNotWritable.Error()}), 1)
		a.log.requireNoLine(t, "queue resumed: the database is available")
		a.heal()
		w.sleepUntil(3 * time.Minute)
		require.Len(t, a.log.linesWith([]string{"queue paused: the database is unavailable"}), 1)
		a.log.requireLine(t, "queue resumed: the database is available", "outage=1m28.5s")
	})
}
