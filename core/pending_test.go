package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

const redirectURL = "https://gateway.example/authenticate/1"

// withCancel makes the world's gateway one that can cancel pending charges, and the timeout half an hour.
func withCancel(w *world) func(*core.Settings) {
	w.gateway.Declare(func(c *payment.Capabilities) { c.Cancels = true })
	return func(s *core.Settings) { s.PendingTimeout = 30 * time.Minute }
}

// A pending payment is looked up at growing intervals, for as long as the gateway takes.
func TestPending_IsLookedUpUntilDecided(t *testing.T) {
	for name, decided := range map[payment.State]fake.Step{
		payment.StateSucceeded: fake.Approve(), payment.StateDeclined: fake.Decline("card_declined"),
	} {
		t.Run(string(name), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				a.queue()
				got := a.pay()
				require.Equal(t, payment.StatePending, got.State)
				require.Equal(t, lookupFirst, got.RetryAfter)
				require.Zero(t, got.took)
				w.sleepUntil(2 * time.Hour)
				require.Equal(t, payment.StatePending, w.stored().State)
				require.Less(t, w.gateway.LookUps(), 20, "the intervals grow")
				require.True(t, w.gateway.Complete("key-1", decided))
				w.sleepUntil(2*time.Hour + lookupMax + time.Minute)
				require.Equal(t, name, w.stored().State)
				require.Len(t, w.gateway.Attempts(), 1)
			}, fake.Pending())
		})
	}
}

// A request for a pending payment looks it up first, at most once a second, and gets where the customer
// must act.
func TestPending_RequestLooksItUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		require.Equal(t, redirectURL, a.pay().RedirectURL)
		time.Sleep(time.Second)
		for range 10 {
			got := a.pay()
			require.Equal(t, payment.StatePending, got.State)
			require.Equal(t, redirectURL, got.RedirectURL)
		}
		require.Equal(t, 1, w.gateway.LookUps())
		time.Sleep(time.Second)
		require.Equal(t, redirectURL, a.pay(async).RedirectURL, "an async request charges nothing")
		require.Equal(t, 1, w.gateway.LookUps())
		w.gateway.Complete("key-1", fake.Approve())
		got := a.pay()
		require.Equal(t, payment.StateSucceeded, got.State)
		require.True(t, got.Replayed)
		require.Equal(t, 2, w.gateway.LookUps())
		w.requireOnce()
	}, fake.Redirect(redirectURL))
}

// A customer who does not act in time: the charge is cancelled, and only then is the payment declined.
func TestPending_CustomerDoesNotAct_IsAbandoned(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a", withCancel(w))
		a.queue()
		a.pay()
		w.sleepUntil(30*time.Minute - time.Second)
		require.Equal(t, payment.StatePending, w.stored().State)
		w.sleepUntil(30*time.Minute + 2*lookupMax)
		p := w.stored()
		require.Equal(t, payment.StateDeclined, p.State)
		require.Equal(t, payment.DeclineAbandoned, p.Code)
		require.Equal(t, 1, a.calls("Cancel"))
		require.False(t, w.gateway.Complete("key-1", fake.Approve()), "it can take no money any more")
		require.Equal(t, payment.StateSucceeded, a.pay().State)
		require.Equal(t, []payment.GatewayKey{"key-1", "key-2"}, w.gateway.Keys(order)[:2])
		require.Equal(t, 1, w.gateway.Charges(order))
	}, fake.Redirect(redirectURL))
}

// The customer's time begins with the attempt that became pending, and not with the first sending of its key:
// an earlier round may have used the same key and failed.
func TestPending_KeyUsedBefore_TimeoutBeginsWithTheAttempt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a", withCancel(w))
		a.queue()
		require.Equal(t, payment.StateFailed, a.pay().State)
		w.sleepUntil(time.Hour)
		require.Equal(t, payment.StatePending, a.pay().State)
		require.Len(t, w.gateway.Keys(order), 1)
		w.sleepUntil(time.Hour + 29*time.Minute)
		require.Equal(t, payment.StatePending, w.stored().State)
		w.sleepUntil(time.Hour + 30*time.Minute + 2*lookupMax)
		require.Equal(t, payment.DeclineAbandoned, w.stored().Code)
	}, append(four(fake.Refuse()), fake.Redirect(redirectURL))...)
}

// A charge for which the customer need not act is never cancelled by a timeout.
func TestPending_WithoutRedirect_IsNotCancelled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a", withCancel(w))
		a.queue()
		a.pay()
		w.sleepUntil(24 * time.Hour)
		require.Equal(t, payment.StatePending, w.stored().State)
		require.Zero(t, a.calls("Cancel"))
	}, fake.Pending())
}

// A request with another payment method has the pending charge cancelled, and charges its own method once
// that is proven.
func TestPending_OtherMethod_ReplacesIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a", withCancel(w))
		require.Equal(t, payment.StatePending, a.pay(withMethod("pm_1")).State)
		require.Equal(t, core.ErrKeyOpen, a.pay(withMethod("pm_2")).err, "at most one question a second")
		require.Zero(t, a.calls("Cancel"))
		time.Sleep(time.Second)
		a.fault("Cancel", 1, fake.FailBefore)
		require.Equal(t, core.ErrKeyOpen, a.pay(withMethod("pm_2")).err, "it is not known whether it was cancelled")
		time.Sleep(time.Second)
		require.Equal(t, payment.StateSucceeded, a.pay(withMethod("pm_2")).State)
		attempts := w.gateway.Attempts()
		require.Len(t, attempts, 2)
		require.Equal(t, payment.PaymentMethod("pm_2"), attempts[1].Method)
		require.NotEqual(t, attempts[0].Key, attempts[1].Key)
		require.Equal(t, 1, w.gateway.Charges(order))
	}, fake.Redirect(redirectURL))
}

// If the customer has acted meanwhile, the request gets the success of the earlier method.
func TestPending_OtherMethodTooLate_IsReplayed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a", withCancel(w))
		a.pay(withMethod("pm_1"))
		w.gateway.Complete("key-1", fake.Approve())
		time.Sleep(time.Second)
		got := a.pay(withMethod("pm_2"))
		require.Equal(t, payment.StateSucceeded, got.State)
		require.True(t, got.Replayed)
		w.requireOnce()
	}, fake.Redirect(redirectURL))
}

// A gateway that cannot cancel: another payment method has to wait until the first is decided.
func TestPending_GatewayCannotCancel_OtherMethodWaits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.Declare(func(c *payment.Capabilities) { c.Cancels = false })
		a := w.replica("a")
		a.pay(withMethod("pm_1"))
		time.Sleep(time.Second)
		require.Equal(t, core.ErrKeyOpen, a.pay(withMethod("pm_2")).err)
		require.Zero(t, a.calls("Cancel"))
	}, fake.Redirect(redirectURL))
}

// Requests neither postpone the service's own lookups nor replace them: a client that polls, or that asks for
// another payment method to be charged later, does not delay the outcome.
func TestPending_ManyRequests_DoNotPostponeLookups(t *testing.T) {
	for name, with := range map[string][]func(*core.Request){
		"the same method":           {withMethod("pm_1")},
		"another method, for later": {withMethod("pm_2"), async},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.gateway.Declare(func(c *payment.Capabilities) { c.Cancels = false })
				a := w.replica("a")
				a.pay(withMethod("pm_1"))
				due := w.stored().DueAt
				for range 3 {
					time.Sleep(1100 * time.Millisecond)
					a.pay(with...)
				}
				require.Equal(t, due, w.stored().DueAt)
				a.queue()
				w.gateway.Complete("key-1", fake.Approve())
				w.sleepUntil(2 * lookupFirst)
				require.Equal(t, payment.StateSucceeded, w.stored().State)
			}, fake.Redirect(redirectURL))
		})
	}
}

// An unresolved payment is not charged with the method that the request no longer names.
func TestUnresolved_OtherMethod_Waits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.NoAnswer })
		a := w.replica("a")
		require.Equal(t, payment.StateUnresolved, a.pay(withMethod("pm_1")).State)
		require.Equal(t, core.ErrKeyOpen, a.pay(withMethod("pm_2")).err)
		require.Len(t, w.gateway.Attempts(), 4)
		require.Equal(t, payment.StateSucceeded, a.pay().State)
	}, four(fake.Timeout())...)
}
