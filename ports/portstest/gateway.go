package portstest

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// GatewayUnderTest is a gateway, with what the suite has to know of it.
type GatewayUnderTest struct {
	ports.Gateway

	Approved payment.Money // an amount that it approves
	Declined payment.Money // an amount that it declines
	// Slow is an amount that takes it a second or more. Zero when there is none.
	Slow payment.Money
	// Charges returns how often money was taken with a key. Nil when nobody can tell.
	Charges func(payment.GatewayKey) int
}

// Gateway checks that a gateway which honours gateway keys keeps the contract of
// ports.Gateway. The keys and order ids that it uses differ from run to run, so that open
// may return a gateway with a past.
func Gateway(t *testing.T, open func(t testing.TB) GatewayUnderTest) {
	t.Helper()
	for _, c := range slices.Concat(charges(), lookUps()) {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			c.holds(&gateway{GatewayUnderTest: open(t), t: t})
		})
	}
}

type gatewayClause struct {
	says  string
	holds func(g *gateway)
}

// gateway is the one under test.
type gateway struct {
	GatewayUnderTest

	t *testing.T
}

// order returns a charge with a fresh key.
func (g *gateway) order(m payment.Money) payment.Charge {
	return payment.Charge{
		Key: payment.GatewayKey("key-" + rand.Text()), OrderID: payment.OrderID("order-" + rand.Text()),
		Money: m,
	}
}

// charge makes an attempt, and wants the class.
func (g *gateway) charge(c payment.Charge, want payment.Class) payment.Result {
	g.t.Helper()
	r := g.Charge(g.t.Context(), c)
	require.Equal(g.t, want, r.Class, r.Message)
	return r
}

// lookUp asks for the key, and wants the finding.
func (g *gateway) lookUp(key payment.GatewayKey, want payment.LookupResult) payment.Lookup {
	g.t.Helper()
	l := g.LookUp(g.t.Context(), key)
	require.Equal(g.t, want, l.Result, l.Message)
	return l
}

func (g *gateway) requireCharges(want int, key payment.GatewayKey) {
	g.t.Helper()
	if g.Charges != nil {
		require.Equal(g.t, want, g.Charges(key), "charges with %s", key)
	}
}

func charges() []gatewayClause {
	return []gatewayClause{
		{"it honours gateway keys", func(g *gateway) { require.True(g.t, g.Capabilities().HonoursKeys) }},
		{"charge/an approval has a transaction id", func(g *gateway) {
			c := g.order(g.Approved)
			r := g.charge(c, payment.ClassApproved)
			require.NotEmpty(g.t, r.TransactionID)
			require.LessOrEqual(g.t, len(r.TransactionID), payment.MaxTransactionIDBytes)
			require.Equal(g.t, r, r.Sanitized())
			require.True(g.t, r.Answered)
			g.requireCharges(1, c.Key)
		}},
		{"charge/the same key again is the same charge", func(g *gateway) {
			c := g.order(g.Approved)
			first := g.charge(c, payment.ClassApproved)
			for range 3 {
				require.Equal(g.t, first.TransactionID, g.charge(c, payment.ClassApproved).TransactionID)
			}
			g.requireCharges(1, c.Key)
		}},
		{"it says which gateway it is", func(g *gateway) {
			id := g.Capabilities().Gateway
			require.NotEmpty(g.t, id)
			require.LessOrEqual(g.t, len(id), payment.MaxGatewayIDBytes)
			for i := range len(id) {
				require.True(g.t, ' ' <= id[i] && id[i] <= '~', "%q is not printable ASCII", id)
			}
		}},
		{"charge/another key is another charge", func(g *gateway) {
			c := g.order(g.Approved)
			first := g.charge(c, payment.ClassApproved)
			again := c
			again.Key = g.order(g.Approved).Key
			require.NotEqual(g.t, first.TransactionID, g.charge(again, payment.ClassApproved).TransactionID)
			g.requireCharges(1, c.Key)
			g.requireCharges(1, again.Key)
		}},
		{"charge/a decline has a code and is final for its key", func(g *gateway) {
			c := g.order(g.Declined)
			first := g.charge(c, payment.ClassDeclined)
			require.NotEmpty(g.t, first.Code)
			require.LessOrEqual(g.t, len(first.Code), payment.MaxCodeBytes)
			require.True(g.t, first.Answered)
			require.Equal(g.t, first.Code, g.charge(c, payment.ClassDeclined).Code)
			g.requireCharges(0, c.Key)
		}},
		{"charge/a key is for one charge", keyOfOneCharge},
		{"charge/many at once with one key are one charge", chargesOnce},
		{"charge/a context that has ended takes no money unseen", func(g *gateway) {
			ctx, cancel := context.WithCancel(g.t.Context())
			cancel()
			c := g.order(g.Approved)
			r := g.Charge(ctx, c)
			require.False(g.t, r.Answered)
			switch r.Class {
			case payment.ClassNotCharged:
				g.requireCharges(0, c.Key)
			case payment.ClassUnknownUnanswered:
			default:
				require.Fail(g.t, "a class that cannot be known", r.Class)
			}
			g.charge(c, payment.ClassApproved)
			g.requireCharges(1, c.Key)
		}},
		{"charge/a caller that leaves does not know", leaves},
	}
}

func lookUps() []gatewayClause {
	return []gatewayClause{
		{"look up/a charge is found with its transaction id", func(g *gateway) {
			c := g.order(g.Approved)
			first := g.charge(c, payment.ClassApproved)
			require.Equal(g.t, first.TransactionID, g.lookUp(c.Key, payment.FoundApproved).TransactionID)
			g.requireCharges(1, c.Key)
		}},
		{"look up/a decline is found with its code", func(g *gateway) {
			c := g.order(g.Declined)
			first := g.charge(c, payment.ClassDeclined)
			require.Equal(g.t, first.Code, g.lookUp(c.Key, payment.FoundDeclined).Code)
		}},
		{"look up/before any charge there is nothing and it charges nothing", func(g *gateway) {
			c := g.order(g.Approved)
			g.lookUp(c.Key, payment.FoundNothing)
			g.lookUp(c.Key, payment.FoundNothing)
			g.requireCharges(0, c.Key)
			g.charge(c, payment.ClassApproved)
			g.lookUp(c.Key, payment.FoundApproved)
		}},
		{"look up/a context that has ended gets no answer", func(g *gateway) {
			ctx, cancel := context.WithCancel(g.t.Context())
			cancel()
			c := g.order(g.Approved)
			g.charge(c, payment.ClassApproved)
			require.Equal(g.t, payment.FoundNoAnswer, g.LookUp(ctx, c.Key).Result)
		}},
	}
}

// keyOfOneCharge uses a key for a second charge.
func keyOfOneCharge(g *gateway) {
	c := g.order(g.Approved)
	first := g.charge(c, payment.ClassApproved)
	other := c
	other.Money = g.Declined
	r := g.Charge(g.t.Context(), other)
	if r.Class == payment.ClassApproved { // its first result again
		require.Equal(g.t, first.TransactionID, r.TransactionID)
	} else {
		// Neither a decline nor a rejection: what became of the key, this answer does not say.
		require.Equal(g.t, payment.ClassKeyReused, r.Class, r.Message)
	}
	require.True(g.t, r.Answered)
	g.requireCharges(1, c.Key)
	g.lookUp(c.Key, payment.FoundApproved)
}

// chargesOnce lets attempts with one key race. A gateway may let one of them through and
// tell the others to ask again.
func chargesOnce(g *gateway) {
	const n = 16
	var (
		c       = g.order(g.Approved)
		results = make(chan payment.Result, n)
		all     sync.WaitGroup
	)
	for range n {
		all.Go(func() { results <- g.Charge(g.t.Context(), c) })
	}
	all.Wait()
	known := g.charge(c, payment.ClassApproved)
	for range n {
		if r := <-results; r.Class == payment.ClassApproved {
			require.Equal(g.t, known.TransactionID, r.TransactionID)
		} else {
			require.Equal(g.t, payment.ClassUnknownUnanswered, r.Class, "one is running: %s", r.Message)
			require.True(g.t, r.Answered)
		}
	}
	g.requireCharges(1, c.Key)
}

// leaves ends the context while the gateway is at it.
func leaves(g *gateway) {
	if g.Slow.IsZero() {
		return
	}
	// On a busy machine the first of these may be over before the request is on its way.
	for patience := 50 * time.Millisecond; ; patience *= 4 {
		ctx, cancel := context.WithTimeout(g.t.Context(), patience)
		began := time.Now()
		r := g.Charge(ctx, g.order(g.Slow))
		cancel()
		require.Less(g.t, time.Since(began), patience+time.Second, "it returns when its context ends")
		if r.Class == payment.ClassNotCharged && patience < time.Second {
			continue
		}
		require.Equal(g.t, payment.ClassUnknownUnanswered, r.Class, r.Message)
		require.False(g.t, r.Answered)
		return
	}
}
