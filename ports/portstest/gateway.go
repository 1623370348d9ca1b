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

// GatewayUnderTest is a gateway, and what the suite needs to know of it.
type GatewayUnderTest struct {
	ports.Gateway

	Approved payment.Money // an amount that it approves
	Declined payment.Money // an amount that it declines
	// Slow is an amount whose charge takes a second or more. Zero if there is none.
	Slow payment.Money
	// Method is the payment method of every charge; empty for none.
	Method payment.PaymentMethod
	// OtherMethod is another payment method that the gateway accepts; empty if it takes none.
	OtherMethod payment.PaymentMethod
	// Pending turns a charge into one that is pending until Complete decides it. Nil if no charge is.
	Pending func(payment.Charge) payment.Charge
	// Complete decides the pending charge with a key: it is approved, or declined. Set together with
	// Pending.
	Complete func(key payment.GatewayKey, approve bool)
	// PassLag lets the time pass after which a lookup sees every charge. Nil if lookups do not lag.
	PassLag func()
	// Charges returns how often money was taken with a key. Nil if it is unknown.
	Charges func(payment.GatewayKey) int

	// The rest is for gateways that declare refunds. All of it is optional.

	// DeclinedRefund turns a refund of a whole charge of Approved into one that is declined. It may charge
	// another amount, and refund that. Nil if no refund is.
	DeclinedRefund func(payment.Charge) payment.Charge
	// PendingRefund turns a refund, likewise, into one that is pending until CompleteRefund decides it. Nil if no
	// refund is.
	PendingRefund func(payment.Charge) payment.Charge
	// CompleteRefund decides the pending refund with a key: it is approved, or declined. Set together with
	// PendingRefund.
	CompleteRefund func(key payment.GatewayKey, approve bool)
	// ReturnRefund makes the approved refund with a key one whose money came back. Nil if the gateway has no such
	// refunds.
	ReturnRefund func(key payment.GatewayKey)
	// Refunds returns how often money was given back with the key of a refund, with or without coming back. Nil
	// if it is unknown.
	Refunds func(payment.GatewayKey) int

	// Holds: the adapter implements captures and voids, so that their clauses apply. The rest is for such gateways,
	// and all of it is optional.
	Holds bool

	// CapturesByState: the gateway gets no key with a capture, so that the state of the charge is all that proves one.
	// Another capture of the same amount is then approved without taking money again.
	CapturesByState bool
	// CapturesAll: the gateway captures the whole of a hold only.
	CapturesAll bool
	// ExpireHold lets the hold of the charge with a key expire. Nil if holds cannot be made to.
	ExpireHold func(charge payment.GatewayKey)
	// DeclinedCapture turns a capture of a whole hold of Approved into one that is declined, of a charge that still
	// holds the money afterwards. It may hold another amount, and capture that. Nil if no capture is.
	DeclinedCapture func(payment.Charge) payment.Charge
	// PendingCapture and PendingVoid turn a capture and a void, likewise, into one that is pending until
	// CompleteOperation decides it. Nil if none is.
	PendingCapture, PendingVoid func(payment.Charge) payment.Charge
	// CompleteOperation decides a pending capture or void: it is approved, or declined. Set together with
	// PendingCapture or PendingVoid.
	CompleteOperation func(c payment.Charge, approve bool)
	// Captures returns how often money was taken with the key of a capture. Nil if it is unknown.
	Captures func(payment.GatewayKey) int
}

// Gateway checks that a gateway which honours gateway keys keeps the contract of ports.Gateway. Its keys
// and order ids differ from run to run, so that open may return a gateway that was used before.
func Gateway(t *testing.T, open func(t testing.TB) GatewayUnderTest) {
	t.Helper()
	for _, c := range slices.Concat(charges(), lookUps(), pendings(), cancels(), gatewayRefunds(), gatewayHolds()) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.check(&gateway{GatewayUnderTest: open(t), t: t})
		})
	}
}

type gatewayClause struct {
	name  string
	check func(g *gateway)
}

// gateway is the gateway under test.
type gateway struct {
	GatewayUnderTest

	t *testing.T
}

// order returns a charge with a fresh key.
func (g *gateway) order(m payment.Money) payment.Charge {
	return payment.Charge{
		Key: payment.GatewayKey("key-" + rand.Text()), OrderID: payment.OrderID("order-" + rand.Text()),
		Money: m, Method: g.Method,
	}
}

// charge makes an attempt, and requires the class.
func (g *gateway) charge(c payment.Charge, want payment.Class) payment.Result {
	g.t.Helper()
	r := g.Charge(g.t.Context(), c)
	require.Equal(g.t, want, r.Class, r.Message)
	return r
}

// lookUp looks the key up, and requires the result.
func (g *gateway) lookUp(key payment.GatewayKey, want payment.LookupResult) payment.Lookup {
	g.t.Helper()
	g.passLag()
	l := g.LookUp(g.t.Context(), payment.ChargeRef{Key: key})
	require.Equal(g.t, want, l.Result, l.Message)
	return l
}

func (g *gateway) passLag() {
	if g.PassLag != nil {
		g.PassLag()
	}
}

func (g *gateway) requireCharges(want int, key payment.GatewayKey) {
	g.t.Helper()
	if g.Charges != nil {
		require.Equal(g.t, want, g.Charges(key), "charges with %s", key)
	}
}

func charges() []gatewayClause {
	return []gatewayClause{
		{"it honours gateway keys", func(g *gateway) { require.True(g.t, g.Capabilities().HonoursKeys()) }},
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
		{"charge/a key is for one payment method", keyOfOneMethod},
		{"charge/concurrent attempts with one key are one charge", func(g *gateway) {
			c := g.order(g.Approved)
			g.race(c, payment.ClassApproved)
			g.requireCharges(1, c.Key)
		}},
		{"charge/a cancelled context takes no money unnoticed", func(g *gateway) {
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
				require.Fail(g.t, "the class claims more than is known", r.Class)
			}
			g.charge(c, payment.ClassApproved)
			g.requireCharges(1, c.Key)
		}},
		{"charge/a caller that gives up gets an unknown result", abandonsAttempt},
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
		{"look up/a lookup before any charge finds nothing and charges nothing", func(g *gateway) {
			c := g.order(g.Approved)
			g.lookUp(c.Key, payment.FoundNothing)
			g.lookUp(c.Key, payment.FoundNothing)
			g.requireCharges(0, c.Key)
			g.charge(c, payment.ClassApproved)
			g.lookUp(c.Key, payment.FoundApproved)
		}},
		{"look up/a cancelled context gets no answer", func(g *gateway) {
			ctx, cancel := context.WithCancel(g.t.Context())
			cancel()
			c := g.order(g.Approved)
			g.charge(c, payment.ClassApproved)
			require.Equal(g.t, payment.FoundNoAnswer, g.LookUp(ctx, payment.ChargeRef{Key: c.Key}).Result)
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
		// Neither a decline nor a rejection, because the answer says nothing about the first charge.
		require.Equal(g.t, payment.ClassKeyReused, r.Class, r.Message)
	}
	require.True(g.t, r.Answered)
	g.requireCharges(1, c.Key)
	g.lookUp(c.Key, payment.FoundApproved)
}

// race lets attempts with one key race, which have the result. A gateway may accept one of them and answer the others
// that an attempt is running.
func (g *gateway) race(c payment.Charge, want payment.Class) {
	const n = 16
	var (
		results = make(chan payment.Result, n)
		all     sync.WaitGroup
	)
	for range n {
		all.Go(func() { results <- g.Charge(g.t.Context(), c) })
	}
	all.Wait()
	known := g.charge(c, want)
	for range n {
		if r := <-results; r.Class == want {
			require.Equal(g.t, known.TransactionID, r.TransactionID)
		} else {
			require.Equal(g.t, payment.ClassUnknownUnanswered, r.Class, "an attempt is running: %s", r.Message)
			require.True(g.t, r.Answered)
		}
	}
}

// abandonsAttempt ends the context while the gateway is processing.
func abandonsAttempt(g *gateway) {
	if g.Slow.IsZero() {
		return
	}
	// On a busy machine, the first of these may be over before the request is sent.
	for timeout := 50 * time.Millisecond; ; timeout *= 4 {
		ctx, cancel := context.WithTimeout(g.t.Context(), timeout)
		began := time.Now()
		r := g.Charge(ctx, g.order(g.Slow))
		cancel()
		require.Less(g.t, time.Since(began), timeout+time.Second, "it returns when its context ends")
		if r.Class == payment.ClassNotCharged && timeout < time.Second {
			continue
		}
		require.Equal(g.t, payment.ClassUnknownUnanswered, r.Class, r.Message)
		require.False(g.t, r.Answered)
		return
	}
}
