package portstest

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// refund returns a refund of a charge that was approved with the result, with a fresh key.
func (g *gateway) refund(c payment.Charge, approved payment.Result, m payment.Money) payment.Charge {
	return payment.Charge{
		Key: payment.GatewayKey("refund-" + rand.Text()), OrderID: c.OrderID,
		Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-" + rand.Text()},
		Of:        payment.ChargeID{Key: c.Key, Gateway: g.Capabilities().Gateway, TransactionID: approved.TransactionID},
		Note:      "returned goods", Money: m,
	}
}

// charged makes a charge, and returns a function that returns a refund of n quarters of it.
func (g *gateway) charged() (c payment.Charge, quarters func(n int64) payment.Charge) {
	g.t.Helper()
	require.Zero(g.t, g.Approved.Minor()%4, "the approved amount of a gateway with refunds is divisible by four")
	c = g.order(g.Approved)
	approved := g.charge(c, payment.ClassApproved)
	return c, func(n int64) payment.Charge {
		g.t.Helper()
		m, err := payment.MoneyFromMinor(n*(g.Approved.Minor()/4), g.Approved.Currency())
		require.NoError(g.t, err)
		return g.refund(c, approved, m)
	}
}

// refundRef returns a reference to a refund with all that the service knows of it.
func (g *gateway) refundRef(c payment.Charge, r payment.Result) payment.ChargeRef {
	ref := g.ref(c, r)
	ref.Operation, ref.Of = c.Operation, c.Of
	return ref
}

func (g *gateway) requireRefunds(want int, key payment.GatewayKey) {
	g.t.Helper()
	if g.Refunds != nil {
		require.Equal(g.t, want, g.Refunds(key), "refunds with %s", key)
	}
}

// refuses makes an attempt at a refund that the charge does not allow.
func (g *gateway) refuses(c payment.Charge) {
	g.t.Helper()
	r := g.Charge(g.t.Context(), c)
	require.Contains(g.t, []payment.Class{payment.ClassDeclined, payment.ClassRejected}, r.Class, r.Message)
	require.True(g.t, r.Answered)
	g.requireRefunds(0, c.Key)
}

// refunds are the clauses of a gateway that declares refunds.
func gatewayRefunds() []gatewayClause {
	clauses := slices.Concat(refundKeys(), refundLimits(), refundLookUps(), refundOutcomes())
	for i, c := range clauses {
		clauses[i].check = func(g *gateway) {
			if g.Capabilities().Operations.Has(payment.OperationRefund) {
				c.check(g)
			}
		}
	}
	return clauses
}

func refundKeys() []gatewayClause {
	return []gatewayClause{
		{"refund/an approval has a transaction id of its own", func(g *gateway) {
			c, quarters := g.charged()
			refund := quarters(4)
			r := g.charge(refund, payment.ClassApproved)
			require.NotEmpty(g.t, r.TransactionID)
			require.NotEqual(g.t, refund.Of.TransactionID, r.TransactionID)
			require.Equal(g.t, r, r.Sanitized())
			require.True(g.t, r.Answered)
			g.requireRefunds(1, refund.Key)
			g.requireCharges(1, c.Key)
			found := g.find(g.ref(c, payment.Result{}), payment.FoundApproved)
			require.Equal(g.t, refund.Of.TransactionID, found.TransactionID, "the charge stays approved")
		}},
		{"refund/the same key again is the same refund", func(g *gateway) {
			_, quarters := g.charged()
			refund := quarters(1)
			first := g.charge(refund, payment.ClassApproved)
			for range 3 {
				require.Equal(g.t, first.TransactionID, g.charge(refund, payment.ClassApproved).TransactionID)
			}
			g.requireRefunds(1, refund.Key)
		}},
		{"refund/concurrent attempts with one key are one refund", func(g *gateway) {
			_, quarters := g.charged()
			refund := quarters(1)
			g.race(refund, payment.ClassApproved)
			g.requireRefunds(1, refund.Key)
		}},
		{"refund/a key is for one refund", refundKeyOfOneRefund},
	}
}

func refundLimits() []gatewayClause {
	return []gatewayClause{
		{"refund/several refunds have at most the charge", func(g *gateway) {
			_, quarters := g.charged()
			ids := map[string]bool{}
			for _, n := range []int64{1, 2, 1} {
				ids[g.charge(quarters(n), payment.ClassApproved).TransactionID] = true
			}
			require.Len(g.t, ids, 3)
			g.refuses(quarters(1))
		}},
		{"refund/more than is left is refused, and less is not", func(g *gateway) {
			_, quarters := g.charged()
			g.refuses(quarters(5))
			g.charge(quarters(3), payment.ClassApproved)
			g.refuses(quarters(2))
			g.charge(quarters(1), payment.ClassApproved)
		}},
		{"refund/concurrent refunds have at most the charge", refundsAtOnce},
		{"refund/a charge that does not exist cannot be refunded", func(g *gateway) {
			_, quarters := g.charged()
			refund := quarters(1)
			refund.Of.Key, refund.Of.TransactionID = g.order(g.Approved).Key, "unknown"
			g.refuses(refund)
		}},
		{"refund/a cancelled context gives no money back unnoticed", func(g *gateway) {
			ctx, cancel := context.WithCancel(g.t.Context())
			cancel()
			_, quarters := g.charged()
			refund := quarters(1)
			r := g.Charge(ctx, refund)
			require.False(g.t, r.Answered)
			require.Contains(g.t, []payment.Class{payment.ClassNotCharged, payment.ClassUnknownUnanswered}, r.Class, r.Message)
			require.Equal(g.t, payment.FoundNoAnswer, g.LookUp(ctx, g.refundRef(refund, r)).Result)
			g.charge(refund, payment.ClassApproved)
			g.requireRefunds(1, refund.Key)
		}},
	}
}

func refundLookUps() []gatewayClause {
	return []gatewayClause{
		{"refund/a refund is found with its transaction id", func(g *gateway) {
			_, quarters := g.charged()
			refund := quarters(2)
			r := g.charge(refund, payment.ClassApproved)
			// Without a reference, because the answer may have been lost.
			found := g.find(g.refundRef(refund, payment.Result{}), payment.FoundApproved)
			require.Equal(g.t, r.TransactionID, found.TransactionID)
			other := g.charge(quarters(2), payment.ClassApproved)
			require.NotEqual(g.t, r.TransactionID, other.TransactionID)
			found = g.find(g.refundRef(refund, payment.Result{}), payment.FoundApproved)
			require.Equal(g.t, r.TransactionID, found.TransactionID, "of two refunds of one charge with one amount")
		}},
		{"refund/a lookup before any refund finds nothing and refunds nothing", func(g *gateway) {
			_, quarters := g.charged()
			refund := quarters(1)
			for range 2 {
				g.find(g.refundRef(refund, payment.Result{}), payment.FoundNothing)
			}
			g.requireRefunds(0, refund.Key)
			g.charge(refund, payment.ClassApproved)
			g.find(g.refundRef(refund, payment.Result{}), payment.FoundApproved)
		}},
		{"refund/the key of a refund is not that of a charge", func(g *gateway) {
			c, quarters := g.charged()
			refund := quarters(1)
			g.charge(refund, payment.ClassApproved)
			g.lookUp(refund.Key, payment.FoundNothing)
			ref := g.refundRef(refund, payment.Result{})
			ref.Key = c.Key
			g.find(ref, payment.FoundNothing)
		}},
	}
}

func refundOutcomes() []gatewayClause {
	return []gatewayClause{
		{"refund/a decline is found", func(g *gateway) {
			_, quarters := g.charged()
			refund := quarters(4)
			if g.DeclinedRefund == nil {
				return
			}
			refund = g.DeclinedRefund(refund)
			first := g.charge(refund, payment.ClassDeclined)
			require.NotEmpty(g.t, first.Code)
			require.LessOrEqual(g.t, len(first.Code), payment.MaxCodeBytes)
			g.findDeclined(g.refundRef(refund, first), first.Code)
			require.NotEqual(g.t, payment.ClassApproved, g.Charge(g.t.Context(), refund).Class)
			g.requireRefunds(0, refund.Key)
		}},
		{"refund/a pending refund is found, and approved once", func(g *gateway) {
			refund, ref, ok := g.pendingRefund()
			if !ok {
				return
			}
			g.find(ref, payment.FoundPending)
			require.Equal(g.t, payment.ClassPending, g.Charge(g.t.Context(), refund).Class)
			g.CompleteRefund(refund.Key, true)
			found := g.find(ref, payment.FoundApproved)
			require.NotEmpty(g.t, found.TransactionID)
			if r := g.Charge(g.t.Context(), refund); r.Class == payment.ClassApproved {
				require.Equal(g.t, found.TransactionID, r.TransactionID)
			}
			g.requireRefunds(1, refund.Key)
		}},
		{"refund/a pending refund is declined", func(g *gateway) {
			refund, ref, ok := g.pendingRefund()
			if !ok {
				return
			}
			g.CompleteRefund(refund.Key, false)
			g.findDeclined(ref, "")
			require.NotEqual(g.t, payment.ClassApproved, g.Charge(g.t.Context(), refund).Class)
			g.requireRefunds(0, refund.Key)
		}},
		{"refund/a refund whose money came back is found so", func(g *gateway) {
			c, quarters := g.charged()
			if g.ReturnRefund == nil {
				return
			}
			refund := quarters(4)
			r := g.charge(refund, payment.ClassApproved)
			g.ReturnRefund(refund.Key)
			g.find(g.refundRef(refund, r), payment.FoundReturned)
			g.find(g.ref(c, payment.Result{}), payment.FoundApproved)
		}},
	}
}

// pendingRefund makes a refund of a whole charge that is pending. It returns false if the gateway has no such
// refunds.
func (g *gateway) pendingRefund() (refund payment.Charge, ref payment.ChargeRef, ok bool) {
	g.t.Helper()
	if g.PendingRefund == nil {
		return payment.Charge{}, payment.ChargeRef{}, false
	}
	require.True(g.t, g.Capabilities().Asynchronous.Has(payment.OperationRefund), "it declares pending refunds")
	_, quarters := g.charged()
	refund = g.PendingRefund(quarters(4))
	r := g.charge(refund, payment.ClassPending)
	require.True(g.t, r.Answered)
	require.Empty(g.t, r.TransactionID)
	require.Empty(g.t, r.RedirectURL, "there is nothing to do for the customer")
	return refund, g.refundRef(refund, r), true
}

// findDeclined looks up what was declined: with the code, unless it is empty or the gateway does not save declines.
func (g *gateway) findDeclined(ref payment.ChargeRef, code string) {
	g.t.Helper()
	g.passLag()
	l := g.LookUp(g.t.Context(), ref)
	if !g.Capabilities().SavesDeclines {
		require.Contains(g.t, []payment.LookupResult{payment.FoundDeclined, payment.FoundVoided, payment.FoundNothing}, l.Result, l.Message)
		return
	}
	require.Equal(g.t, payment.FoundDeclined, l.Result, l.Message)
	require.NotEmpty(g.t, l.Code)
	if code != "" {
		require.Equal(g.t, code, l.Code)
	}
}

// refundKeyOfOneRefund uses a key for a second refund, with another amount.
func refundKeyOfOneRefund(g *gateway) {
	_, quarters := g.charged()
	refund := quarters(1)
	first := g.charge(refund, payment.ClassApproved)
	other := refund
	other.Money = quarters(2).Money
	r := g.Charge(g.t.Context(), other)
	if r.Class == payment.ClassApproved { // its first result again
		require.Equal(g.t, first.TransactionID, r.TransactionID)
	} else {
		require.Equal(g.t, payment.ClassKeyReused, r.Class, r.Message)
	}
	require.True(g.t, r.Answered)
	g.requireRefunds(1, refund.Key)
	g.charge(quarters(3), payment.ClassApproved)
}

// refundsAtOnce lets refunds of one charge race, each with a key of its own.
func refundsAtOnce(g *gateway) {
	const n = 12
	var (
		_, quarters = g.charged()
		all         sync.WaitGroup
		results     = make(chan payment.Result, n)
	)
	for range n {
		refund := quarters(1)
		all.Go(func() { results <- g.Charge(g.t.Context(), refund) })
	}
	all.Wait()
	approved := map[string]bool{}
	for range n {
		switch r := <-results; r.Class {
		case payment.ClassApproved:
			approved[r.TransactionID] = true
		default: // a gateway may refuse to refund a charge twice at one time, which is any class but approved
			require.NotEmpty(g.t, r.Class)
		}
	}
	require.LessOrEqual(g.t, len(approved), 4, "quarters of the charge")
}
