package core_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

func (w *world) requireCancelled() {
	w.t.Helper()
	require.Equal(w.t, payment.StateDeclined, w.stored().State)
	require.Equal(w.t, payment.DeclineAbandoned, w.stored().Code)
	require.False(w.t, w.gateway.Complete("key-1", fake.Approve()), "it can take no money any more")
}

// A void of a pending payment is stored before it is answered, so that the queue of any replica cancels the payment.
func TestVoid_OfAPendingPayment_IsDurable(t *testing.T) {
	noAnswer := func(r *replica) { r.always("Cancel", fake.FailBefore) }
	for name, c := range map[string]struct {
		prepare func(*replica)
		with    []func(*core.Request)
	}{
		"the gateway does not answer":         {prepare: noAnswer},
		"accepted for later":                  {with: []func(*core.Request){async}},
		"the service is stopping":             {prepare: func(r *replica) { _, _ = r.stop() }},
		"the worker ends during the question": {prepare: func(r *replica) { r.fault("Cancel", 1, fake.CrashBefore(runtime.Goexit)) }},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.replica("a"), w.replica("b")
				require.Equal(t, payment.StatePending, a.pay().State)
				if c.prepare != nil {
					c.prepare(a)
				}
				if got, answered := <-a.startOperation(voidID, "", c.with...); answered {
					require.NoError(t, got.err)
					require.Equal(t, payment.StatePending, got.State)
					require.Equal(t, len(c.with) > 0, got.Async)
				}
				require.Equal(t, payment.CodeCancelRequested, w.stored().Code)
				require.Contains(t, w.history().Events[0].Detail, "as the customer asked")
				b.queue()
				time.Sleep(2 * lookupMax)
				synctest.Wait()
				w.requireCancelled()
			}, fake.Redirect(redirectURL))
		})
	}
}

// The request waits for the outcome for as long as it may, also if the payment was looked up a moment ago.
func TestVoid_OfAPendingPayment_WaitsForTheOutcome(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica("a")
		r.queue()
		require.Equal(t, payment.StatePending, r.pay().State)
		r.fault("Cancel", 1, fake.FailBefore)
		got := r.operate(voidID, "")
		require.NoError(t, got.err)
		require.Equal(t, payment.StateSucceeded, got.State)
		require.False(t, got.Replayed)
		require.LessOrEqual(t, got.took, wait)
		w.requireCancelled()
		again := r.operate(voidID, "")
		require.Equal(t, payment.StateSucceeded, again.State)
		require.True(t, again.Replayed, "a repeat changes nothing")
	}, fake.Redirect(redirectURL))
}

// A replica that is not configured for the gateway stores nothing, and does not answer as if it had.
func TestVoid_OfAPendingPaymentAtAnotherGateway_IsRefused(t *testing.T) {
	for name, with := range map[string][]func(*core.Request){"at once": nil, "accepted for later": {async}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				r := w.replica("a")
				require.Equal(t, payment.StatePending, r.pay().State)
				w.gateway.Declare(func(c *payment.Capabilities) { c.Gateway = "other:" })
				require.ErrorIs(t, r.operate(voidID, "", with...).err, core.ErrForeignGateway)
				require.Empty(t, w.stored().Code)
			}, fake.Redirect(redirectURL))
		})
	}
}

// If the gateway takes the money before it is asked to cancel, the void is refused. Money that it holds is released.
func TestVoid_OfAPendingPayment_ApprovedMeanwhile(t *testing.T) {
	for name, capture := range map[string]payment.CaptureMode{"taken": payment.CaptureAutomatic, "held": payment.CaptureManual} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				r := w.replica("a")
				mode := func(q *core.Request) { q.Capture = capture }
				require.Equal(t, payment.StatePending, r.pay(mode).State)
				require.Equal(t, payment.StatePending, r.operate(voidID, "", async).State)
				r.always("Cancel", fake.FailBefore)
				r.queue()
				require.True(t, w.gateway.Complete("key-1", fake.Approve()))
				time.Sleep(time.Second)
				r.pay(mode) // looks it up
				time.Sleep(2 * lookupMax)
				synctest.Wait()
				if capture == payment.CaptureManual {
					require.Equal(t, payment.StateVoided, w.stored().State)
					require.Empty(t, w.stored().Code)
					return
				}
				require.Equal(t, payment.StateSucceeded, w.stored().State)
				require.Empty(t, w.stored().Code)
				requireRefusedIn(t, r.operate(voidID, "").err, payment.StateSucceeded)
			}, fake.Redirect(redirectURL))
		})
	}
}

// An operator's void of a pending payment has it cancelled as well.
func TestRequestOperation_VoidOfAPendingPayment_CancelsIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica("a")
		r.pay()
		request := w.refundByHand("", "")
		request.Operation = voidID
		p, err := core.RequestOperation(t.Context(), w.payments, request)
		require.NoError(t, err)
		require.Equal(t, payment.StatePending, p.State)
		require.Equal(t, voidID, p.Operation)
		event := w.history().Events[0]
		require.Equal(t, "ann", event.Replica)
		require.Equal(t, "was pending; a void was requested: cancel the charge: damaged in transit", event.Detail)
		_, err = core.RequestOperation(t.Context(), w.payments, request)
		require.NoError(t, err)
		require.Len(t, w.history().Events, 1, "a repeat changes nothing")
		r.queue()
		time.Sleep(time.Minute)
		w.requireCancelled()

		w.gateway.Declare(func(c *payment.Capabilities) { c.Cancels = false })
		w.gateway.Script(order, fake.Pending())
		require.Equal(t, payment.StatePending, r.pay().State)
		request.Rules.Cancels = false
		_, err = core.RequestOperation(t.Context(), w.payments, request)
		requireRefusedIn(t, err, payment.StatePending)
	}, fake.Redirect(redirectURL))
}
