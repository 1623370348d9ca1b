package payment_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// pendingPayment is pending since noon, with a payment method and where the customer must act.
func pendingPayment(t testing.TB, rules payment.KeyRules) payment.Payment {
	t.Helper()
	a := claimRequest(t, "key-1")
	a.Method, a.Rules = "pm_1", rules
	p := open(a, noon)
	end := attemptEnd(payment.Result{Class: payment.ClassPending, RedirectURL: "https://gateway.example/act"})
	d, err := apply(payment.Settlement{
		ClaimRef: p.ClaimRef(), End: end, Outcome: payment.Outcome{State: payment.StatePending, DueIn: time.Minute},
	}, p, noon)
	require.NoError(t, err)
	require.Equal(t, "https://gateway.example/act", d.Payment.RedirectURL())
	return d.Payment
}

// The decision about a request for a pending payment: it is never charged, also when its key has expired or the
// gateway does not honour keys.
func TestClaim_Pending(t *testing.T) {
	t.Parallel()
	for n := range 1 << 5 {
		cancels, deferred, soon, foreign := n&1 > 0, n&2 > 0, n&4 > 0, n&8 > 0
		for _, method := range []payment.PaymentMethod{"", "pm_1", "pm_2"} {
			for _, repeat := range repeats {
				r := rules()
				r.Cancels, r.Repeat = cancels, repeat
				p, now := pendingPayment(t, r), noon.Add(time.Hour)
				if n&16 > 0 {
					now = noon.Add(25 * time.Hour) // the key has expired
				}
				p.UpdatedAt = now.Add(-time.Minute)
				if soon {
					p.UpdatedAt = now.Add(-time.Second + 1)
				}
				if foreign {
					p.Gateway = "gone"
				}
				a := claimRequest(t, "key-2")
				a.Rules, a.Method, a.Deferred = r, method, deferred
				d := decide(a, p, now)
				want := payment.VerdictLookUp
				switch other := method == "pm_2"; {
				case foreign && other: // only its own gateway could cancel it
					want = payment.VerdictKeyOpen
				case foreign:
					want = payment.VerdictForeign
				case other && cancels && !deferred: // soon is a quarter of a second or more
					want = payment.VerdictCancel
				case other:
					want = payment.VerdictKeyOpen
				case deferred, soon:
					want = payment.VerdictAccepted
				}
				name := fmt.Sprintf("cancels %t, deferred %t, soon %t, foreign %t, %q, %q", cancels, deferred, soon, foreign, method, repeat)
				require.Equal(t, want, d.Verdict, name)
				require.Equal(t, payment.StatePending, d.Payment.State, name)
				require.Equal(t, payment.GatewayKey("key-1"), d.Payment.GatewayKey, name)
				require.Equal(t, payment.PaymentMethod("pm_1"), d.Payment.Method, name)
				require.True(t, d.Payment.Doubt.Named, name)
			}
		}
	}
}

// A pending charge is cancelled once the customer's time is over, if there is something to do for the customer
// and the gateway can cancel. The time begins with the attempt.
func TestPickUp_Pending_CancelsAbandoned(t *testing.T) {
	t.Parallel()
	const timeout = 30 * time.Minute
	for n := range 1 << 4 {
		cancels, redirect, limited, reused := n&1 > 0, n&2 > 0, n&4 > 0, n&8 > 0
		for after, over := range map[time.Duration]bool{timeout - time.Second: false, timeout: true} {
			on := pickUpPolicy()
			on.Work, on.Rules.Cancels = payment.WorkPending, cancels
			if limited {
				on.Rules.PendingTimeout = timeout
			}
			p := pendingPayment(t, on.Rules)
			if !redirect {
				p.Keys = nil
			}
			if reused {
				p.KeySent = at(noon.Add(-2 * time.Hour))
			}
			d := pickUp(on, p, noon.Add(after))
			want := payment.VerdictLookUp
			if cancels && redirect && limited && over {
				want = payment.VerdictCancel
			}
			require.Equal(t, want, d.Verdict, "cancels %t, redirect %t, limited %t, reused %t, after %v", cancels, redirect, limited, reused, after)
			require.Equal(t, payment.StatePending, d.Payment.State)
		}
	}
}

// What the answer to a cancellation, or to a lookup, makes of a pending payment.
func TestLookup_Pending(t *testing.T) {
	t.Parallel()
	for found, want := range map[payment.LookupResult]struct {
		state  payment.State
		code   string
		closed payment.Closure
	}{
		payment.FoundApproved:   {payment.StateSucceeded, "", payment.ClosedCharged},
		payment.FoundDeclined:   {payment.StateDeclined, "code", payment.ClosedDeclined},
		payment.FoundVoided:     {payment.StateDeclined, payment.DeclineAbandoned, payment.ClosedVoided},
		payment.FoundPending:    {payment.StatePending, "", ""},
		payment.FoundProcessing: {payment.StatePending, "", ""},
		payment.FoundNothing:    {payment.StatePending, "", ""},
		payment.FoundNoAnswer:   {payment.StatePending, "", ""},
	} {
		t.Run(string(found), func(t *testing.T) {
			t.Parallel()
			p, now := pendingPayment(t, rules()), noon.Add(time.Hour)
			d, err := lookupRecord(rules(), p, found, at(now)).Apply(p, now)
			require.NoError(t, err)
			require.Equal(t, want.state, d.Payment.State)
			require.Equal(t, want.code, d.Payment.Code)
			require.Equal(t, want.closed, d.Payment.Keys[0].Closed)
			require.Equal(t, want.closed == "", d.Payment.Doubt.Any())

			a := claimRequest(t, "key-2")
			next := decide(a, d.Payment, now.Add(time.Minute))
			if want.state == payment.StateDeclined {
				require.Equal(t, payment.VerdictClaimed, next.Verdict)
				require.Equal(t, payment.GatewayKey("key-2"), next.Payment.GatewayKey)
			}
		})
	}
}

// A second lookup that finds nothing closes the key of a charge that was named before.
func TestLookup_PendingAbsentTwice_Fails(t *testing.T) {
	t.Parallel()
	p := pendingPayment(t, rules())
	for i, want := range []payment.State{payment.StatePending, payment.StateFailed} {
		now := noon.Add(time.Hour + time.Duration(i)*late)
		d, err := lookupRecord(rules(), p, payment.FoundNothing, at(now)).Apply(p, now)
		require.NoError(t, err)
		require.Equal(t, want, d.Payment.State)
		p = d.Payment
	}
}

// A pending payment or refund that is declined later, by a gateway that does not save declines, is declined with the
// code once its key is closed. Until then it is pending.
func TestLookup_PendingIsDeclinedLater(t *testing.T) {
	t.Parallel()
	r := rules()
	r.SavesDeclines = false
	p, now := pendingPayment(t, r), noon.Add(time.Hour)
	for range 2 {
		require.Equal(t, payment.StatePending, p.State)
		d, err := lookupRecord(r, p, payment.FoundDeclined, at(now)).Apply(p, now)
		require.NoError(t, err)
		p, now = d.Payment, now.Add(late)
	}
	require.Equal(t, payment.StateDeclined, p.State)
	require.Equal(t, "code", p.Code)
	require.Equal(t, payment.ClosedAbsent, p.Keys[0].Closed)
	require.False(t, p.Doubt.Any())
}
