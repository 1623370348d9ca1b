package core_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

// outcomes are all outcomes of a round, each after some time.
var outcomes = []struct {
	name   string
	script []fake.Step
	state  payment.State
	after  time.Duration
}{
	{"success", []fake.Step{fake.Slow(2*time.Second, fake.Approve())}, payment.StateSucceeded, 2 * time.Second},
	{"decline", []fake.Step{fake.Slow(2*time.Second, fake.Decline("card_declined"))}, payment.StateDeclined, 2 * time.Second},
	{"failure", four(fake.Refuse()), payment.StateFailed, 7 * time.Second},
	{"rejection", []fake.Step{fake.Slow(2*time.Second, fake.Reject())}, payment.StateFailed, 2 * time.Second},
	{"unknown", four(fake.Timeout()), payment.StateUnresolved, 7 * time.Second},
}

// A thousand concurrent requests make one claim and one round, and share the result.
func TestFollowers_InOneProcess_ShareTheResult(t *testing.T) {
	t.Parallel()
	for _, outcome := range outcomes {
		t.Run(outcome.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				leaders := 0
				for _, c := range a.sendMany(1000) {
					got := <-c
					require.NoError(t, got.err)
					require.Equal(t, outcome.state, got.State)
					require.Equal(t, outcome.after, got.took)
					require.Equal(t, w.stored().TransactionID, got.TransactionID)
					if !got.Replayed {
						leaders++
					}
				}
				require.Len(t, w.attempts(), len(outcome.script), "followers start no round")
				require.Len(t, w.gateway.Keys(order), 1)
				require.Equal(t, 1, a.calls("Claim"))
				require.Zero(t, a.calls("Find"))
				if outcome.state == payment.StateSucceeded {
					require.Equal(t, 1, leaders, "followers get a replay")
				}
			}, outcome.script...)
		})
	}
}

// A thousand concurrent requests to another replica make one claim, and read the row in one loop.
func TestFollowers_OnAnotherReplica_ShareTheResult(t *testing.T) {
	t.Parallel()
	for _, outcome := range outcomes {
		t.Run(outcome.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.replica("a"), w.replica("b")
				first := a.send()
				for _, c := range b.sendMany(1000) {
					got := <-c
					require.NoError(t, got.err)
					require.Equal(t, outcome.state, got.State)
					require.Equal(t, outcome.state == payment.StateSucceeded, got.Replayed)
					require.InDelta(t, outcome.after, got.took, float64(100*time.Millisecond))
				}
				require.Equal(t, outcome.state, (<-first).State)
				require.Len(t, w.attempts(), len(outcome.script))
				require.Equal(t, 1, b.calls("Claim"))
				perSecond := float64(b.calls("Find")) / outcome.after.Seconds()
				require.Less(t, perSecond, 20.0, "calls a second for a thousand requests")
				require.Greater(t, perSecond, 5.0)
			}, outcome.script...)
		})
	}
}

func TestFollowers_TimeoutPasses_AreBusy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		with func(*core.Request)
		took time.Duration
	}{
		{"at once", withWait(0), 0},
		{"of the request", withWait(3 * time.Second), 3 * time.Second},
		{"of the service", func(*core.Request) {}, wait},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.replica("a"), w.replica("b")
				first := a.send()
				replies := append(a.sendMany(100, tt.with), b.sendMany(100, tt.with)...)
				for _, c := range replies {
					got := <-c
					require.ErrorIs(t, got.err, core.ErrBusy)
					require.Equal(t, tt.took, got.took)
				}
				require.Equal(t, payment.StateSucceeded, (<-first).State)
				if tt.took > 0 {
					require.Equal(t, 1, b.calls("Claim"), "no claim after the timeout")
				}
				w.requireOnce()
			}, four(fake.Slow(5*time.Second, fake.Unavailable()))[:3]...)
		})
	}
}

// Requests with different timeouts share a flight: each returns at its own timeout, or with the result.
func TestFollowers_DifferentTimeouts_EachReturnsOnTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		first := a.send()
		replies := make([]<-chan reply, 100)
		for i := range replies {
			replies[i] = b.send(withWait(time.Duration(i+1) * 100 * time.Millisecond))
		}
		for i, c := range replies {
			got := <-c
			if own := time.Duration(i+1) * 100 * time.Millisecond; own < 8*time.Second {
				require.ErrorIs(t, got.err, core.ErrBusy)
				require.Equal(t, own, got.took)
			} else if own > 8100*time.Millisecond {
				require.NoError(t, got.err)
				require.Equal(t, "txn-1", got.TransactionID)
			}
		}
		<-first
		require.Equal(t, 1, b.calls("Claim"))
		require.InDelta(t, 81, b.calls("Find"), 3)
		w.requireOnce()
	}, fake.Slow(8*time.Second, fake.Approve()))
}

func TestFollowers_OtherAmount_AreRefusedAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		first, watching := a.send(), b.send()
		for _, r := range []*replica{a, b, w.replica("c")} {
			for _, c := range r.sendMany(20, withAmount("99.99", "USD")) {
				got := <-c
				require.ErrorIs(t, got.err, core.ErrMismatch)
				require.Zero(t, got.took)
			}
		}
		require.Equal(t, "txn-1", (<-first).TransactionID)
		require.Equal(t, "txn-1", (<-watching).TransactionID)
		require.Len(t, w.events(), 60)
		require.Equal(t, money("100.00", "USD"), w.gateway.Taken()[0].Money)
	}, fake.Slow(5*time.Second, fake.Approve()))
}

// Of concurrent requests for a new order with different amounts, one amount is charged, and requests with
// another one are refused.
func TestFollowers_ManyAmounts_OneIsCharged(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		replies := make(map[int][]<-chan reply)
		for i := range 100 {
			r := []*replica{a, b}[i%2]
			replies[i/2] = append(replies[i/2], r.send(withAmount(fmt.Sprintf("%d.00", i/2+1), "USD")))
		}
		won := 0
		for i, got := range replies {
			for _, c := range got {
				r := <-c
				if money(fmt.Sprintf("%d.00", i+1), "USD") == w.stored().Money {
					require.NoError(t, r.err)
					won++
				} else {
					require.ErrorIs(t, r.err, core.ErrMismatch)
				}
			}
		}
		require.Equal(t, 2, won)
		w.requireOnce()
	}, fake.Slow(time.Second, fake.Approve()))
}

// The flight completes as soon as the amount is known, and its result is for that amount only.
func TestFollowers_OtherAmountThanReplay_AreRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.pay()
		a.fault("Claim", 1, fake.DelayAnswer(time.Second))
		right, wrong := a.sendMany(50), a.sendMany(50, withAmount("1.00", "USD"))
		for i := range right {
			require.True(t, (<-right[i]).Replayed)
			require.ErrorIs(t, (<-wrong[i]).err, core.ErrMismatch)
		}
		w.requireOnce()
	})
}

// A result that is older than the request is not returned, because the payment may have changed since
// then, and another replica may have returned the change.
func TestFollower_ResultOlderThanRequest_IsNotReturned(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		step fake.Step
	}{
		{"declined", fake.Decline("card_declined")},
		{"rejected", fake.Reject()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.replica("a"), w.replica("b")
				a.fault("Settle", 1, fake.DelayAnswer(2*time.Second))
				first := a.send()
				w.sleepUntil(time.Second)
				require.Equal(t, "txn-1", b.pay().TransactionID)
				late := a.send()
				require.NotEqual(t, payment.StateSucceeded, (<-first).State)
				require.Equal(t, "txn-1", (<-late).TransactionID)
				require.Equal(t, 1, w.gateway.Charges(order))
			}, tt.step)
		})
	}
}

// The leader watches another replica when its flight completes with a result of this process that is
// older. It continues in a new flight.
func TestLeader_FlightCompletesWithOlderResult_WaitsForOtherReplica(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		a.queue()
		a.fault("Settle", 1, fake.DelayAnswer(2*time.Second))
		a.pay(async)
		w.sleepUntil(time.Second)
		other := b.send()
		w.sleepUntil(1500 * time.Millisecond)
		got := <-a.send()
		require.NoError(t, got.err)
		require.Equal(t, "txn-1", got.TransactionID)
		require.InDelta(t, 3500*time.Millisecond, got.took, float64(100*time.Millisecond))
		require.Equal(t, 3, a.calls("Claim"), "the async request, and one in each flight")
		require.Equal(t, "txn-1", (<-other).TransactionID)
	}, fake.Decline("card_declined"), fake.Slow(4*time.Second, fake.Approve()))
}

// The queue of this process requeues the payment that the leader watches.
func TestLeader_FlightCompletesWithScheduled_ReturnsScheduled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.queue()
		a.pay(async)
		synctest.Wait()
		for _, c := range a.sendMany(10) {
			got := <-c
			require.NoError(t, got.err)
			require.Equal(t, payment.StateScheduled, got.State)
			require.Equal(t, 2*time.Second, got.took)
		}
		require.Len(t, w.attempts(), 1)
	}, fake.Slow(2*time.Second, fake.RefuseFor(time.Minute)))
}

// If the client of the leader leaves, the followers get a result nevertheless.
func TestLeader_ClientLeaves_FollowersGetTheResult(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		fault  func(a *replica)
		before func(w *world)
		left   bool // the leader returns an error; otherwise the result
		claims int
	}{
		{
			name:  "claiming",
			fault: func(a *replica) { a.fault("Claim", 1, fake.Delay(2*time.Second)) }, claims: 1,
		},
		{
			name: "claiming, which then fails",
			fault: func(a *replica) {
				a.fault("Claim", 1, func(ctx context.Context, c fake.Call, _ func()) error {
					time.Sleep(2 * time.Second)
					return fake.FailBefore(ctx, c, nil)
				})
			},
			left: true, claims: 2,
		},
		{name: "charging", claims: 1},
		{
			name: "watching",
			before: func(w *world) {
				w.replica("other").send()
			},
			left: true, claims: 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				if tt.before != nil {
					tt.before(w)
				}
				if tt.fault != nil {
					tt.fault(a)
				}
				ctx, leave := context.WithCancel(t.Context())
				leader := a.sendFor(ctx)
				followers := a.sendMany(50)
				w.sleepUntil(time.Second)
				leave()

				got := <-leader
				if tt.left {
					require.Error(t, got.err)
				} else {
					require.NoError(t, got.err, "processed to its outcome")
				}
				for _, c := range followers {
					got := <-c
					require.NoError(t, got.err)
					require.Equal(t, "txn-1", got.TransactionID)
				}
				require.Equal(t, tt.claims, a.calls("Claim"))
				require.Equal(t, payment.StateSucceeded, w.stored().State)
				w.requireOnce()
			}, fake.Slow(4*time.Second, fake.Approve()))
		})
	}
}

func TestFollower_ClientLeaves_Returns(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		first := a.send()
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		got := <-a.sendFor(ctx)
		require.ErrorIs(t, got.err, context.DeadlineExceeded)
		require.Equal(t, time.Second, got.took)
		require.Equal(t, "txn-1", (<-first).TransactionID)
	}, fake.Slow(4*time.Second, fake.Approve()))
}

func TestLeader_ClientLeftBeforeClaim_MakesNoCall(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx, leave := context.WithCancel(t.Context())
		leave()
		a := w.replica("a")
		require.ErrorIs(t, (<-a.sendFor(ctx)).err, context.Canceled)
		require.Empty(t, a.wire.Calls())
	})
}

// A panic in one request affects no other request.
func TestLeader_Panics_LaterRequestsAreServed(t *testing.T) {
	t.Parallel()
	boom := func() { panic("boom") }
	for _, tt := range []struct {
		name   string
		method string
		fault  fake.Fault
		busy   bool // its claim is stored
	}{
		{"before the claim", "Claim", fake.CrashBefore(boom), false},
		{"with the claim stored", "Claim", fake.CrashAfter(boom), true},
		{"before the settlement", "Settle", fake.CrashBefore(boom), true},
		{"after the settlement", "Settle", fake.CrashAfter(boom), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				a.fault(tt.method, 1, tt.fault)
				leader := a.send()
				_, answered := <-leader
				require.False(t, answered)

				for _, c := range a.sendMany(50) {
					got := <-c
					if tt.busy {
						require.ErrorIs(t, got.err, core.ErrBusy)
						require.Equal(t, wait, got.took)
					} else {
						require.Equal(t, "txn-1", got.TransactionID)
						require.Zero(t, got.took)
					}
				}
				w.sleepUntil(lease)
				require.Equal(t, "txn-1", a.pay().TransactionID)
				w.requireOnce()
			})
		})
	}
}

func TestLeader_Panics_FollowersGoOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.fault("Settle", 1, fake.CrashBefore(func() { panic("boom") }))
		for _, c := range a.sendMany(50, withWait(time.Minute)) {
			if got, answered := <-c; answered {
				require.Equal(t, "txn-1", got.TransactionID)
				require.InDelta(t, lease, got.took, float64(100*time.Millisecond))
			}
		}
		require.Equal(t, 3, a.calls("Claim"), "the leader, the follower that finds it busy, and the takeover")
		w.requireOnce()
	})
}

// If the replica that charges crashes, requests that wait on another replica take the payment over when
// the lease has expired, with the same gateway key.
func TestFollowers_WorkerCrashes_TakeOver(t *testing.T) {
	for _, charged := range []bool{false, true} {
		t.Run(fmt.Sprintf("charged: %v", charged), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.replica("a"), w.replica("b")
				crash := fake.CrashBefore
				if charged {
					crash = fake.CrashAfter
				}
				a.fault("Charge", 1, crash(exit))
				<-a.send()
				for _, c := range b.sendMany(100, withWait(time.Minute)) {
					got := <-c
					require.NoError(t, got.err)
					require.Equal(t, "txn-1", got.TransactionID)
					require.InDelta(t, lease, got.took, float64(100*time.Millisecond))
				}
				require.Contains(t, w.events(), payment.EventTakenOver)
				require.Equal(t, 2, b.calls("Claim"), "the leader that finds it busy, and the takeover")
				w.requireOnce()
			})
		})
	}
}

// Waiting counts requests that wait for a worker of this process, and of another.
func TestWaiting_CountsFollowersAndWatchers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		require.Zero(t, a.Waiting())
		replies := a.sendMany(10)
		synctest.Wait() // the first is at the gateway
		replies = append(replies, b.sendMany(5)...)
		w.sleepUntil(time.Second)
		require.Equal(t, 9, a.Waiting(), "all but the leader")
		require.Equal(t, 5, b.Waiting(), "four followers and the leader that watches")
		for _, reply := range replies {
			require.NoError(t, (<-reply).err)
		}
		synctest.Wait()
		require.Zero(t, a.Waiting()+b.Waiting())
	}, fake.Slow(2*time.Second, fake.Approve()))
}
