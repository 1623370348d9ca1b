package core_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

var (
	captureID = payment.OperationID{Kind: payment.KindCapture}
	voidID    = payment.OperationID{Kind: payment.KindVoid}
)

// held makes a request one to hold the money.
func held(r *core.Request) { r.Capture = payment.CaptureManual }

// operate requests an operation of the order, and returns the reply. An empty amount is the default.
func (r *replica) operate(id payment.OperationID, amount string, with ...func(*core.Request)) reply {
	return <-r.startOperation(id, amount, with...)
}

// startOperation sends a request for an operation. The channel is closed without a reply if the worker crashes.
func (r *replica) startOperation(id payment.OperationID, amount string, with ...func(*core.Request)) <-chan reply {
	request := core.Request{OrderID: order, Operation: id, Note: "as the customer asked"}
	if amount != "" {
		request.Money = money(amount, "USD")
	}
	for _, set := range with {
		set(&request)
	}
	do := map[payment.Kind]func(context.Context, core.Request) (core.Answer, error){
		payment.KindRefund: r.Refund, payment.KindCapture: r.Capture, payment.KindVoid: r.Void,
	}[id.Kind]
	got := make(chan reply, 1)
	go func() {
		defer close(got)
		defer func() { _ = recover() }()
		began := time.Now()
		a, err := do(context.Background(), request)
		got <- reply{a, err, time.Since(began)}
	}()
	return got
}

// inHeldWorld runs a test in which 100.00 are held for the order, and the gateway follows the script from then on.
func inHeldWorld(t *testing.T, test func(*testing.T, *world, *replica), script ...fake.Step) {
	t.Helper()
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica("replica-1")
		require.Equal(t, payment.StateAuthorized, r.pay(held).State)
		w.gateway.Script(order, script...)
		test(t, w, r)
	})
}

func (w *world) storedOperation(id payment.OperationID) payment.Payment {
	w.t.Helper()
	p, err := w.payments.FindOperation(w.t.Context(), payment.Ref{OrderID: order, Operation: id})
	require.NoError(w.t, err)
	return p
}

func requireRefusedIn(t *testing.T, err error, state payment.State) {
	t.Helper()
	var refused *payment.OperationRefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, state, refused.State)
}

func TestHold_IsReplayed(t *testing.T) {
	inHeldWorld(t, func(t *testing.T, w *world, r *replica) {
		require.Len(t, w.gateway.Held(), 1)
		again := r.pay(held)
		require.NoError(t, again.err)
		require.Equal(t, payment.StateAuthorized, again.State)
		require.True(t, again.Replayed)
		require.Equal(t, w.gateway.Held()[0].TransactionID, again.TransactionID)
		require.ErrorIs(t, r.pay().err, core.ErrMismatch, "the order is for capture manual")
		require.Len(t, w.gateway.Attempts(), 1)
	})
}

func TestCapture_WholeOrPart_ThenRefund(t *testing.T) {
	inHeldWorld(t, func(t *testing.T, w *world, r *replica) {
		requireRefusedIn(t, r.refund("r-0", "1.00").err, payment.StateAuthorized)
		got := r.operate(captureID, "60.00")
		require.NoError(t, got.err)
		require.Equal(t, payment.StateSucceeded, got.State)
		require.EqualValues(t, 6000, w.gateway.CapturedOf(w.stored().GatewayKey))
		require.Equal(t, payment.StateSucceeded, w.stored().State)

		again := r.operate(captureID, "")
		require.NoError(t, again.err)
		require.True(t, again.Replayed, "a repeat without an amount matches")
		require.ErrorIs(t, r.operate(captureID, "60.01").err, core.ErrMismatch)
		paid := r.pay(held)
		require.Equal(t, payment.StateSucceeded, paid.State, "a repeat of the payment is answered as succeeded")
		requireLeft(t, r.refund("r-1", "60.01").err, "60.00")
		require.NoError(t, r.refund("r-2", "").err)
		require.EqualValues(t, 6000, w.gateway.RefundedOf(w.stored().GatewayKey))
		requireRefusedIn(t, r.operate(voidID, "").err, payment.StateSucceeded)
		require.Len(t, w.gateway.Captured(), 1)
	})
}

func TestVoid_ReleasesTheMoney(t *testing.T) {
	inHeldWorld(t, func(t *testing.T, w *world, r *replica) {
		require.NoError(t, r.operate(voidID, "").err)
		require.Equal(t, payment.StateVoided, w.stored().State)
		require.Len(t, w.gateway.Voided(), 1)
		again := r.operate(voidID, "")
		require.NoError(t, again.err)
		require.True(t, again.Replayed)
		require.ErrorIs(t, r.pay(held).err, core.ErrVoided)
		requireRefusedIn(t, r.operate(captureID, "").err, payment.StateVoided)
		require.Empty(t, w.gateway.Captured())
	})
}

// Of a capture and a void at once, over two replicas, one wins, and the other is refused with the state.
func TestCaptureAgainstVoid_OneWins(t *testing.T) {
	for _, first := range []payment.OperationID{captureID, voidID} {
		inHeldWorldNamed(t, first.String(), func(t *testing.T, w *world, r *replica) {
			second := map[payment.OperationID]payment.OperationID{captureID: voidID, voidID: captureID}[first]
			winner := r.startOperation(first, "")
			synctest.Wait() // it is at the gateway
			requireRefusedIn(t, w.replica("replica-2").operate(second, "").err, payment.StateAuthorized)
			require.NoError(t, (<-winner).err)
			require.Len(t, w.gateway.Captured(), map[bool]int{true: 1, false: 0}[first == captureID])
		}, fake.Slow(5*time.Second, fake.Approve()))
	}
}

func inHeldWorldNamed(t *testing.T, name string, test func(*testing.T, *world, *replica), script ...fake.Step) {
	t.Helper()
	t.Run(name, func(t *testing.T) { inHeldWorld(t, test, script...) })
}

func TestCapture_Declined_TheHoldIsFree(t *testing.T) {
	inHeldWorld(t, func(t *testing.T, w *world, r *replica) {
		got := r.operate(captureID, "")
		require.NoError(t, got.err)
		require.Equal(t, payment.StateDeclined, got.State)
		require.Equal(t, payment.StateAuthorized, w.stored().State)
		require.NoError(t, r.operate(voidID, "").err)
		require.Equal(t, payment.StateVoided, w.stored().State)
	}, fake.Decline("insufficient_funds"))
}

// A capture whose outcome is unknown keeps the hold until its key is closed, and is found if it took the money.
func TestCapture_Unknown_IsLookedUp(t *testing.T) {
	for name, steps := range map[string][]fake.Step{
		"taken":     {fake.LoseAnswer(), fake.Timeout(), fake.Timeout(), fake.Timeout()},
		"not taken": four(fake.Timeout()),
	} {
		inHeldWorldNamed(t, name, func(t *testing.T, w *world, r *replica) {
			r.queue()
			r.always("LookUp", fake.FailBefore)
			got := r.operate(captureID, "")
			require.NoError(t, got.err)
			require.Equal(t, payment.StateUnresolved, got.State)
			requireRefusedIn(t, r.operate(voidID, "").err, payment.StateAuthorized)
			require.ErrorIs(t, r.refund("r-1", "").err, payment.ErrChargeOpen)
			r.heal()
			time.Sleep(time.Hour)
			want := map[string][2]payment.State{
				"taken":     {payment.StateSucceeded, payment.StateSucceeded},
				"not taken": {payment.StateFailed, payment.StateAuthorized},
			}[name]
			require.Equal(t, want[0], w.storedOperation(captureID).State)
			require.Equal(t, want[1], w.stored().State)
			require.Len(t, w.gateway.Captured(), map[string]int{"taken": 1}[name])
		}, steps...)
	}
}

func TestHold_Expires(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.HoldFor(3 * time.Hour)
		r := w.replica("replica-1")
		r.queue()
		require.Equal(t, payment.StateAuthorized, r.pay(held).State)
		w.sleepUntil(3*time.Hour - time.Minute)
		require.Equal(t, payment.StateAuthorized, w.stored().State)
		w.sleepUntil(3*time.Hour + 5*time.Minute)
		require.Equal(t, payment.StateVoided, w.stored().State, "it is looked up when it expires")
		require.Contains(t, w.stored().Reason, "expired")
		require.Contains(t, w.events(), payment.EventHoldEnded)
		requireRefusedIn(t, r.operate(captureID, "").err, payment.StateVoided)
	})
}

// A hold that has expired at the authorization, or expires soon after, is looked up then.
func TestHold_ExpiresSoon(t *testing.T) {
	for _, in := range []time.Duration{-time.Minute, 0, time.Nanosecond, 5 * time.Second} {
		t.Run(in.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.gateway.HoldFor(max(in, time.Nanosecond))
				r := w.replica("replica-1")
				r.queue()
				w.sleepUntil(30 * time.Second) // the queue sleeps
				require.Equal(t, payment.StateAuthorized, r.pay(held).State)
				time.Sleep(max(in, 0) + 2*time.Second)
				synctest.Wait()
				require.Equal(t, payment.StateVoided, w.stored().State)
			})
		})
	}
}

// A capture that is declined because the hold has ended is a reason to look at once.
func TestCapture_DeclinedAsExpired_LooksAtOnce(t *testing.T) {
	inHeldWorld(t, func(t *testing.T, w *world, r *replica) {
		r.queue()
		require.True(t, w.gateway.ExpireHold(w.stored().GatewayKey))
		time.Sleep(30 * time.Second)
		got := r.operate(captureID, "")
		require.NoError(t, got.err)
		require.Equal(t, payment.DeclineHoldExpired, got.Code)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, payment.StateVoided, w.stored().State)
	})
}

// An expiry ends nothing while a capture is in doubt.
func TestHold_ExpiresWhileACaptureIsInDoubt(t *testing.T) {
	for name, took := range map[string]bool{"captured": true, "not captured": false} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.gateway.HoldFor(time.Hour)
				r := w.replica("replica-1")
				r.queue()
				require.Equal(t, payment.StateAuthorized, r.pay(held).State)
				steps := four(fake.Timeout())
				if took {
					steps[0] = fake.LoseAnswer()
				}
				w.gateway.Script(order, steps...)
				w.gateway.OnLookUp(func(key payment.GatewayKey) fake.Answer {
					if key == w.stored().GatewayKey {
						return fake.FromLedger
					}
					return fake.NoAnswer
				})
				w.sleepUntil(time.Hour - 30*time.Second)
				require.Equal(t, payment.StateUnresolved, r.operate(captureID, "").State)
				w.sleepUntil(90 * time.Minute)
				require.Equal(t, payment.StateAuthorized, w.stored().State, "the capture's own outcome decides")
				w.gateway.ScriptLookUps() // all from the ledger
				w.sleepUntil(3 * time.Hour)
				if took {
					require.Equal(t, payment.StateSucceeded, w.stored().State)
				} else {
					require.Equal(t, payment.StateVoided, w.stored().State)
				}
			})
		})
	}
}

func TestHold_CapturedOutsideTheService(t *testing.T) {
	inHeldWorld(t, func(t *testing.T, w *world, r *replica) {
		r.queue()
		p := w.stored()
		w.gateway.Charge(t.Context(), payment.Charge{
			Key: "by hand", OrderID: order, Operation: captureID, Money: money("40.00", "USD"),
			Of: payment.ChargeID{Key: p.GatewayKey, Gateway: p.Gateway, TransactionID: p.TransactionID},
		})
		time.Sleep(25 * time.Hour)
		p = w.stored()
		require.Equal(t, payment.StateSucceeded, p.State)
		require.Equal(t, "40.00 USD", p.Captured().String())
		requireLeft(t, r.refund("r-1", "40.01").err, "40.00")
	})
}

func TestVoid_OfAPendingPayment_CancelsIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica("replica-1")
		require.Equal(t, payment.StatePending, r.pay(held).State)
		time.Sleep(time.Second)
		got := r.operate(voidID, "")
		require.NoError(t, got.err)
		require.Equal(t, payment.StateSucceeded, got.State)
		require.Equal(t, payment.StateDeclined, w.stored().State)
		require.Equal(t, payment.DeclineAbandoned, w.stored().Code)
		require.NoError(t, r.operate(voidID, "").err, "a repeat is answered the same")
		require.Empty(t, w.gateway.Held())
	}, fake.Pending())
}

func TestOperation_OfAnUnknownOrder(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica("replica-1")
		require.ErrorIs(t, r.operate(captureID, "").err, ports.ErrNotFound)
		require.ErrorIs(t, r.operate(voidID, "").err, ports.ErrNotFound)
		_, err := r.Capture(t.Context(), core.Request{OrderID: order, Operation: voidID})
		require.Error(t, err)
		require.NotErrorIs(t, err, ports.ErrNotFound, "the program asks for another kind")
	})
}

// A worker that was fenced out while it held the money keeps the authorization as evidence.
func TestHold_FencedWorker_KeepsTheAuthorization(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		slow := w.replica("replica-1")
		slow.fault("Settle", 1, fake.Delay(2*lease))
		first := slow.send(held)
		other := w.replica("replica-2")
		w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.NoAnswer })
		w.sleepUntil(lease + time.Second)
		w.gateway.Script(order, four(fake.Timeout())...)
		require.Equal(t, payment.StateUnresolved, other.pay(held).State)
		<-first
		w.sleepUntil(3 * lease)
		require.Equal(t, payment.StateAuthorized, w.stored().State)
		require.Contains(t, w.events(), payment.EventEvidence)
		require.Len(t, w.gateway.Held(), 1)
	})
}

func TestAsyncHold_IsAuthorizedByTheQueue(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica("replica-1")
		require.Equal(t, payment.StateScheduled, r.pay(held, async).State)
		r.queue()
		time.Sleep(5 * time.Second)
		require.Equal(t, payment.StateAuthorized, w.stored().State)
		require.Equal(t, payment.StateScheduled, r.operate(captureID, "", async).State)
		time.Sleep(5 * time.Second)
		require.Equal(t, payment.StateSucceeded, w.stored().State)
		require.Len(t, w.gateway.Captured(), 1)
	})
}
