package portstest

import (
	"crypto/rand"
	"slices"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// hold is a charge that holds money, and the operations that end it.
type hold struct {
	g          *gateway
	charge     payment.Charge
	authorized payment.Result
}

// hold makes a charge of Approved that holds the money.
func (g *gateway) hold() hold {
	g.t.Helper()
	require.Zero(g.t, g.Approved.Minor()%4, "the approved amount of a gateway with holds is divisible by four")
	c := g.order(g.Approved)
	c.Capture = payment.CaptureManual
	return hold{g, c, g.charge(c, payment.ClassAuthorized)}
}

// capture returns a capture of n quarters of the hold, with a fresh key.
func (h hold) capture(quarters int64) payment.Charge {
	h.g.t.Helper()
	m, err := payment.MoneyFromMinor(quarters*(h.charge.Money.Minor()/4), h.charge.Money.Currency())
	require.NoError(h.g.t, err)
	return h.operation(payment.KindCapture, m)
}

// void returns a void of the hold, with a fresh key.
func (h hold) void() payment.Charge { return h.operation(payment.KindVoid, h.charge.Money) }

func (h hold) operation(kind payment.Kind, m payment.Money) payment.Charge {
	return payment.Charge{
		Key: payment.GatewayKey(string(kind) + "-" + rand.Text()), OrderID: h.charge.OrderID,
		Operation: payment.OperationID{Kind: kind}, Of: payment.ChargeID{
			Key: h.charge.Key, Gateway: h.g.Capabilities().Gateway, TransactionID: h.authorized.TransactionID,
		},
		Money: m,
	}
}

// find looks the charge up, and requires the result.
func (h hold) find(want payment.LookupResult) payment.Lookup {
	h.g.t.Helper()
	return h.g.find(h.g.ref(h.charge, h.authorized), want)
}

// requireHeld requires that the money is held as before.
func (h hold) requireHeld() {
	h.g.t.Helper()
	require.Equal(h.g.t, h.authorized.TransactionID, h.find(payment.FoundAuthorized).TransactionID)
	h.g.requireCharges(0, h.charge.Key)
}

// refuses makes an attempt at an operation that the hold does not allow.
func (h hold) refuses(c payment.Charge) {
	h.g.t.Helper()
	r := h.g.Charge(h.g.t.Context(), c)
	require.Contains(h.g.t, []payment.Class{payment.ClassDeclined, payment.ClassRejected}, r.Class, r.Message)
	require.True(h.g.t, r.Answered)
	h.g.requireCaptures(0, c.Key)
}

func (g *gateway) requireCaptures(want int, key payment.GatewayKey) {
	g.t.Helper()
	if g.Captures != nil {
		require.Equal(g.t, want, g.Captures(key), "captures with %s", key)
	}
}

// operationRef returns a reference to an operation with all that the service knows of it.
func (g *gateway) operationRef(c payment.Charge, r payment.Result) payment.ChargeRef {
	return g.refundRef(c, r)
}

// gatewayHolds are the clauses of a gateway that captures and voids.
func gatewayHolds() []gatewayClause {
	clauses := slices.Concat(holdClauses(), captureClauses(), captureLimits(), captureOutcomes(), voidClauses(), gatewayHoldRaces())
	for i, c := range clauses {
		clauses[i].check = func(g *gateway) {
			if g.Holds {
				require.True(g.t, g.Capabilities().Operations.Has(payment.OperationCapture|payment.OperationVoid), "it declares both")
				c.check(g)
			}
		}
	}
	return clauses
}

func holdClauses() []gatewayClause {
	return []gatewayClause{
		{"hold/a hold has a transaction id, and takes no money", func(g *gateway) {
			h := g.hold()
			require.NotEmpty(g.t, h.authorized.TransactionID)
			require.Equal(g.t, h.authorized, h.authorized.Sanitized())
			require.True(g.t, h.authorized.Answered)
			require.Equal(g.t, h.authorized.HoldExpires.UnixMilli(), h.find(payment.FoundAuthorized).HoldExpires.UnixMilli())
			h.requireHeld()
		}},
		{"hold/the same key again is the same hold", func(g *gateway) {
			h := g.hold()
			for range 3 {
				require.Equal(g.t, h.authorized.TransactionID, g.charge(h.charge, payment.ClassAuthorized).TransactionID)
			}
			h.requireHeld()
		}},
		{"hold/concurrent attempts with one key are one hold", func(g *gateway) {
			c := g.order(g.Approved)
			c.Capture = payment.CaptureManual
			g.race(c, payment.ClassAuthorized)
			g.requireCharges(0, c.Key)
		}},
		{"hold/a key is for one way to capture", func(g *gateway) {
			h := g.hold()
			other := h.charge
			other.Capture = payment.CaptureAutomatic
			if r := g.Charge(g.t.Context(), other); r.Class == payment.ClassAuthorized { // its first result again
				require.Equal(g.t, h.authorized.TransactionID, r.TransactionID)
			} else {
				require.Equal(g.t, payment.ClassKeyReused, r.Class, r.Message)
			}
			h.requireHeld()
		}},
		{"hold/an expired hold is voided, and cannot be captured", func(g *gateway) {
			h := g.hold()
			if g.ExpireHold == nil {
				return
			}
			g.ExpireHold(h.charge.Key)
			h.find(payment.FoundVoided)
			h.refuses(h.capture(4))
			h.find(payment.FoundVoided)
			g.requireCharges(0, h.charge.Key)
		}},
	}
}

func captureClauses() []gatewayClause {
	return []gatewayClause{
		{"capture/all of a hold is taken once", func(g *gateway) {
			h := g.hold()
			c := h.capture(4)
			first := g.charge(c, payment.ClassApproved)
			require.NotEmpty(g.t, first.TransactionID)
			require.Equal(g.t, first, first.Sanitized())
			require.True(g.t, first.Answered)
			for range 3 {
				require.Equal(g.t, first.TransactionID, g.charge(c, payment.ClassApproved).TransactionID)
			}
			g.requireCaptures(1, c.Key)
			found := h.find(payment.FoundApproved)
			require.Equal(g.t, h.authorized.TransactionID, found.TransactionID, "the charge keeps its transaction")
			require.Zero(g.t, found.Captured, "all of it")
		}},
		{"capture/a part of a hold is taken, and the rest is released", func(g *gateway) {
			h := g.hold()
			if g.CapturesAll {
				return
			}
			c := h.capture(3)
			g.charge(c, payment.ClassApproved)
			require.Equal(g.t, c.Money, h.find(payment.FoundApproved).Captured)
			h.refuses(h.capture(1))
			g.requireCaptures(1, c.Key)
		}},
		{"capture/a capture is found with its transaction id", func(g *gateway) {
			h := g.hold()
			c := h.capture(4)
			for range 2 {
				g.find(g.operationRef(c, payment.Result{}), payment.FoundNothing)
			}
			h.requireHeld()
			r := g.charge(c, payment.ClassApproved)
			// Without a reference, because the answer may have been lost.
			require.Equal(g.t, r.TransactionID, g.find(g.operationRef(c, payment.Result{}), payment.FoundApproved).TransactionID)
		}},
		{"capture/concurrent attempts with one key are one capture", func(g *gateway) {
			c := g.hold().capture(4)
			g.race(c, payment.ClassApproved)
			g.requireCaptures(1, c.Key)
		}},
		{"capture/a key is for one capture", func(g *gateway) {
			h := g.hold()
			c := h.capture(4)
			first := g.charge(c, payment.ClassApproved)
			other := c
			other.Money = h.capture(2).Money
			r := g.Charge(g.t.Context(), other)
			switch {
			case r.Class == payment.ClassApproved: // its first result again
				require.Equal(g.t, first.TransactionID, r.TransactionID)
			case g.CapturesByState:
				require.Equal(g.t, payment.ClassDeclined, r.Class, r.Message)
			default:
				require.Equal(g.t, payment.ClassKeyReused, r.Class, r.Message)
			}
			g.requireCaptures(1, c.Key)
		}},
		{"capture/the key of a capture is not that of a charge", func(g *gateway) {
			h := g.hold()
			c := h.capture(4)
			g.charge(c, payment.ClassApproved)
			g.lookUp(c.Key, payment.FoundNothing)
		}},
		{"capture/a cancelled context captures nothing unnoticed", func(g *gateway) {
			c := g.hold().capture(4)
			g.notSent(c)
			g.requireCaptures(1, c.Key)
		}},
	}
}

func captureLimits() []gatewayClause {
	return []gatewayClause{
		{"capture/more than is held is refused, and less is not", func(g *gateway) {
			h := g.hold()
			h.refuses(h.capture(5))
			h.requireHeld()
			g.charge(h.capture(4), payment.ClassApproved)
		}},
		{"capture/a hold is captured once", func(g *gateway) {
			h := g.hold()
			g.charge(h.capture(4), payment.ClassApproved)
			if !g.CapturesByState {
				h.refuses(h.capture(4))
				return
			}
			h.refuses(h.capture(2))
			g.charge(h.capture(4), payment.ClassApproved)
			require.Zero(g.t, h.find(payment.FoundApproved).Captured, "all, once")
			g.requireCharges(1, h.charge.Key)
		}},
		{"capture/a charge that took the money at once cannot be captured", func(g *gateway) {
			c := g.order(g.Approved)
			h := hold{g, c, g.charge(c, payment.ClassApproved)}
			h.refuses(h.capture(4))
			g.requireCharges(1, c.Key)
		}},
		{"capture/a charge that does not exist cannot be captured", func(g *gateway) {
			h := g.hold()
			c := h.capture(4)
			c.Of.Key, c.Of.TransactionID = g.order(g.Approved).Key, "unknown"
			h.refuses(c)
			h.requireHeld()
		}},
		{"capture/refunds have at most what was captured", func(g *gateway) {
			if !g.Capabilities().Operations.Has(payment.OperationRefund) {
				return
			}
			h := g.hold()
			g.refuses(g.refund(h.charge, h.authorized, h.capture(1).Money))
			part := int64(2)
			if g.CapturesAll {
				part = 4
			}
			g.charge(h.capture(part), payment.ClassApproved)
			g.refuses(g.refund(h.charge, h.authorized, h.capture(part+1).Money))
			g.charge(g.refund(h.charge, h.authorized, h.capture(part).Money), payment.ClassApproved)
			g.refuses(g.refund(h.charge, h.authorized, h.capture(1).Money))
		}},
	}
}

func captureOutcomes() []gatewayClause {
	return []gatewayClause{
		{"capture/a decline is found, and the money is still held", func(g *gateway) {
			if g.DeclinedCapture == nil {
				return
			}
			c := g.DeclinedCapture(g.hold().capture(4))
			first := g.charge(c, payment.ClassDeclined)
			require.NotEmpty(g.t, first.Code)
			g.findDeclined(g.operationRef(c, first), first.Code)
			require.NotEqual(g.t, payment.ClassApproved, g.Charge(g.t.Context(), c).Class)
			g.requireCaptures(0, c.Key)
			g.find(payment.ChargeRef{
				Key: c.Of.Key, OrderID: c.OrderID, Money: c.Money, Capture: payment.CaptureManual, TransactionID: c.Of.TransactionID,
			}, payment.FoundAuthorized)
		}},
		{"capture/a pending capture is found, and approved once", func(g *gateway) {
			c, ref, ok := g.pendingOperation(g.PendingCapture, func(h hold) payment.Charge { return h.capture(4) })
			if !ok {
				return
			}
			g.CompleteOperation(c, true)
			require.NotEmpty(g.t, g.find(ref, payment.FoundApproved).TransactionID)
			g.requireCaptures(1, c.Key)
		}},
		{"capture/a pending capture is declined", func(g *gateway) {
			c, ref, ok := g.pendingOperation(g.PendingCapture, func(h hold) payment.Charge { return h.capture(4) })
			if !ok {
				return
			}
			g.CompleteOperation(c, false)
			g.findDeclined(ref, "")
			g.requireCaptures(0, c.Key)
		}},
		{"void/a pending void is found, and approved", func(g *gateway) {
			c, ref, ok := g.pendingOperation(g.PendingVoid, hold.void)
			if !ok {
				return
			}
			g.CompleteOperation(c, true)
			require.NotEmpty(g.t, g.find(ref, payment.FoundApproved).TransactionID)
		}},
	}
}

// pendingOperation makes an operation of a hold that is pending. It returns false if the gateway has none.
func (g *gateway) pendingOperation(
	pending func(payment.Charge) payment.Charge, of func(hold) payment.Charge,
) (c payment.Charge, ref payment.ChargeRef, ok bool) {
	g.t.Helper()
	if pending == nil {
		return payment.Charge{}, payment.ChargeRef{}, false
	}
	c = pending(of(g.hold()))
	r := g.charge(c, payment.ClassPending)
	require.True(g.t, r.Answered)
	require.Empty(g.t, r.TransactionID)
	require.Empty(g.t, r.RedirectURL, "there is nothing to do for the customer")
	ref = g.operationRef(c, r)
	g.find(ref, payment.FoundPending)
	require.Equal(g.t, payment.ClassPending, g.Charge(g.t.Context(), c).Class)
	return c, ref, true
}
