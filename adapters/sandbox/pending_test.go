package sandbox_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sandbox"
	"paymentd/core/payment"
)

// find requires what a lookup of the key finds.
func find(t testing.TB, g *sandbox.Gateway, key payment.GatewayKey, want payment.LookupResult) payment.Lookup {
	t.Helper()
	l := g.LookUp(t.Context(), payment.ChargeRef{Key: key})
	require.Equal(t, want, l.Result, l.Message)
	return l
}

// The states of pending charges, over time, with and without a restart of the sandbox between.
func TestPending_IsDecidedOverTime(t *testing.T) {
	t.Parallel()
	for amount, want := range map[string]payment.Lookup{
		"9201": {Result: payment.FoundPending},
		"9202": {Result: payment.FoundApproved, TransactionID: "txn-1"},
		"9203": {Result: payment.FoundDeclined, Code: "card_declined"},
	} {
		for name, restart := range map[string]time.Duration{"no restart": 0, "a short restart": time.Second, "a long restart": time.Hour} {
			t.Run(amount+", "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					path := ledgerPath(t)
					g := open(t, path)
					c := charge(t, "key-1", amount)
					require.Equal(t, payment.ClassPending, g.Charge(t.Context(), c).Class)
					time.Sleep(3 * time.Second)
					find(t, g, c.Key, payment.FoundPending)
					if restart > 0 {
						require.NoError(t, g.Close())
						time.Sleep(restart)
						g = open(t, path)
					}
					time.Sleep(3 * time.Second)
					synctest.Wait()
					got := find(t, g, c.Key, want.Result)
					got.Message = ""
					require.Equal(t, want, got)
					if restart > 0 { // what is decided is stored
						require.NoError(t, g.Close())
						find(t, open(t, path), c.Key, want.Result)
					}
				})
			})
		}
	}
}

// A void that comes before the decision is final; one that comes after it changes nothing.
func TestCancel_DecidesAgainstTheClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := ledgerPath(t)
		g := open(t, path)
		early, late := charge(t, "key-1", "9202"), charge(t, "key-2", "9202")
		for _, c := range []payment.Charge{early, late} {
			require.Equal(t, payment.ClassPending, g.Charge(t.Context(), c).Class)
		}
		require.Equal(t, payment.FoundVoided, g.Cancel(t.Context(), payment.ChargeRef{Key: early.Key}).Result)
		time.Sleep(time.Minute)
		require.Equal(t, payment.FoundApproved, g.Cancel(t.Context(), payment.ChargeRef{Key: late.Key}).Result)
		require.False(t, g.Complete(t.Context(), early.Key, true))

		require.NoError(t, g.Close())
		g = open(t, path)
		time.Sleep(time.Minute)
		find(t, g, early.Key, payment.FoundVoided)
		require.Equal(t, "txn-1", find(t, g, late.Key, payment.FoundApproved).TransactionID)
		require.Equal(t, payment.ClassUnknownAnswered, g.Charge(t.Context(), early).Class, "a voided key charges no more")
		require.Len(t, readLedger(t, path), 5)
	})
}

// The age of a key counts from its charge, not from the decision.
func TestPending_ForgottenKeyIsAnotherCharge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := ledgerPath(t)
		g := open(t, path, sandbox.WithForgetAfter(time.Minute))
		c := charge(t, "key-1", "9201")
		require.Equal(t, payment.ClassPending, g.Charge(t.Context(), c).Class)
		time.Sleep(50 * time.Second)
		require.True(t, g.Complete(t.Context(), c.Key, true))
		require.NoError(t, g.Close())
		g = open(t, path, sandbox.WithForgetAfter(time.Minute))
		find(t, g, c.Key, payment.FoundApproved)
		time.Sleep(20 * time.Second)
		find(t, g, c.Key, payment.FoundNothing)
		require.Equal(t, payment.FoundNothing, g.Cancel(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
		require.Equal(t, payment.ClassPending, g.Charge(t.Context(), c).Class)
		require.True(t, g.Complete(t.Context(), c.Key, false))
		require.NoError(t, g.Close())
		require.Equal(t, payment.DeclineAuthentication, find(t, open(t, path), c.Key, payment.FoundDeclined).Code)
	})
}

// A method is part of the charge, and survives a restart.
func TestCharge_OtherMethodIsAnotherCharge(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	g := open(t, path)
	c := charge(t, "key-1", "100")
	c.Method, c.ReturnURL = "pm_1", "https://shop.example"
	first := g.Charge(t.Context(), c)
	require.Equal(t, payment.ClassApproved, first.Class)
	for range 2 {
		require.Equal(t, first, g.Charge(t.Context(), c))
		for _, method := range []payment.PaymentMethod{"", "pm_2"} {
			other := c
			other.Method = method
			require.Equal(t, payment.ClassKeyReused, g.Charge(t.Context(), other).Class)
		}
		require.NoError(t, g.Close())
		g = open(t, path)
	}
}
