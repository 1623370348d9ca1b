package portstest

import (
	"context"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// ref returns a reference to a charge with all that the service knows of it.
func (g *gateway) ref(c payment.Charge, r payment.Result) payment.ChargeRef {
	return payment.ChargeRef{
		Key: c.Key, OrderID: c.OrderID, Money: c.Money, Capture: c.Capture, Reference: r.Reference, TransactionID: r.TransactionID,
	}
}

// pending makes a charge that is pending. It returns false if the gateway has no such charges.
func (g *gateway) pending() (c payment.Charge, ref payment.ChargeRef, ok bool) {
	g.t.Helper()
	if g.Pending == nil {
		return payment.Charge{}, payment.ChargeRef{}, false
	}
	c = g.Pending(g.order(g.Approved))
	r := g.charge(c, payment.ClassPending)
	require.True(g.t, r.Answered)
	require.Empty(g.t, r.TransactionID)
	if r.RedirectURL != "" {
		require.NoError(g.t, payment.CheckRedirectURL(r.RedirectURL))
	}
	return c, g.ref(c, r), true
}

// find looks a charge up, and requires the result.
func (g *gateway) find(ref payment.ChargeRef, want payment.LookupResult) payment.Lookup {
	g.t.Helper()
	g.passLag()
	l := g.LookUp(g.t.Context(), ref)
	require.Equal(g.t, want, l.Result, l.Message)
	return l
}

// cancel cancels a charge, and requires the result.
func (g *gateway) cancel(ref payment.ChargeRef, want payment.LookupResult) payment.Lookup {
	g.t.Helper()
	g.passLag()
	l := g.Cancel(g.t.Context(), ref)
	require.Equal(g.t, want, l.Result, l.Message)
	return l
}

// repeatTakesNothing repeats a charge that can take no money any more.
func (g *gateway) repeatTakesNothing(c payment.Charge) {
	g.t.Helper()
	r := g.Charge(g.t.Context(), c)
	require.NotEqual(g.t, payment.ClassApproved, r.Class, r.Message)
	g.requireCharges(0, c.Key)
}

func pendings() []gatewayClause {
	return []gatewayClause{
		{"pending/a pending charge is found, and takes no money", func(g *gateway) {
			c, ref, ok := g.pending()
			if !ok {
				return
			}
			require.True(g.t, g.Capabilities().Asynchronous.Has(payment.OperationCharge), "it declares pending charges")
			first := g.find(ref, payment.FoundPending)
			require.Equal(g.t, payment.ClassPending, g.Charge(g.t.Context(), c).Class)
			require.Equal(g.t, first.RedirectURL, g.find(ref, payment.FoundPending).RedirectURL)
			g.requireCharges(0, c.Key)
		}},
		{"pending/a pending charge is approved once", func(g *gateway) {
			c, ref, ok := g.pending()
			if !ok {
				return
			}
			g.Complete(c.Key, true)
			found := g.find(ref, payment.FoundApproved)
			require.NotEmpty(g.t, found.TransactionID)
			if r := g.Charge(g.t.Context(), c); r.Class == payment.ClassApproved {
				require.Equal(g.t, found.TransactionID, r.TransactionID)
			}
			require.Equal(g.t, found.TransactionID, g.cancel(ref, payment.FoundApproved).TransactionID, "a cancel comes too late")
			g.requireCharges(1, c.Key)
		}},
		{"pending/a pending charge is declined", func(g *gateway) {
			c, ref, ok := g.pending()
			if !ok {
				return
			}
			g.Complete(c.Key, false)
			l := g.LookUp(g.t.Context(), ref)
			if g.Capabilities().SavesDeclines {
				require.Equal(g.t, payment.FoundDeclined, l.Result, l.Message)
				require.NotEmpty(g.t, l.Code)
			} else {
				require.Contains(g.t, []payment.LookupResult{payment.FoundDeclined, payment.FoundVoided, payment.FoundNothing}, l.Result)
			}
			g.repeatTakesNothing(c)
		}},
		{"pending/a cancelled charge can take no money", func(g *gateway) {
			c, ref, ok := g.pending()
			if !ok || !g.Capabilities().Cancels {
				return
			}
			for range 2 {
				g.cancel(ref, payment.FoundVoided)
				g.find(ref, payment.FoundVoided)
			}
			g.repeatTakesNothing(c)
		}},
	}
}

func cancels() []gatewayClause {
	return []gatewayClause{
		{"cancel/a charge that succeeded is found approved", func(g *gateway) {
			c := g.order(g.Approved)
			r := g.charge(c, payment.ClassApproved)
			for range 2 {
				require.Equal(g.t, r.TransactionID, g.cancel(g.ref(c, r), payment.FoundApproved).TransactionID)
			}
			g.find(g.ref(c, r), payment.FoundApproved)
			g.requireCharges(1, c.Key)
		}},
		{"cancel/a charge that was declined took no money", func(g *gateway) {
			c := g.order(g.Declined)
			l := g.Cancel(g.t.Context(), g.ref(c, g.charge(c, payment.ClassDeclined)))
			require.Contains(g.t, []payment.LookupResult{payment.FoundDeclined, payment.FoundVoided}, l.Result, l.Message)
			g.requireCharges(0, c.Key)
		}},
		{"cancel/a key without a charge has none afterwards", func(g *gateway) {
			c := g.order(g.Approved)
			l := g.Cancel(g.t.Context(), g.ref(c, payment.Result{}))
			require.Contains(g.t, []payment.LookupResult{payment.FoundNothing, payment.FoundVoided}, l.Result, l.Message)
			g.requireCharges(0, c.Key)
		}},
		{"cancel/a cancelled context gets no answer", func(g *gateway) {
			ctx, cancel := context.WithCancel(g.t.Context())
			cancel()
			c := g.order(g.Approved)
			ref := g.ref(c, g.charge(c, payment.ClassApproved))
			require.Equal(g.t, payment.FoundNoAnswer, g.Cancel(ctx, ref).Result)
		}},
	}
}

// keyOfOneMethod uses a key with a second payment method.
func keyOfOneMethod(g *gateway) {
	if g.OtherMethod == "" {
		return
	}
	c := g.order(g.Approved)
	first := g.charge(c, payment.ClassApproved)
	other := c
	other.Method = g.OtherMethod
	if r := g.Charge(g.t.Context(), other); r.Class == payment.ClassApproved { // its first result again
		require.Equal(g.t, first.TransactionID, r.TransactionID)
	} else {
		require.Equal(g.t, payment.ClassKeyReused, r.Class, r.Message)
	}
	g.requireCharges(1, c.Key)
	g.find(g.ref(c, first), payment.FoundApproved)
}
