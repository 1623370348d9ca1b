package fake

import (
	"slices"
	"time"

	"paymentd/core/payment"
)

// Held is money that a charge has held, which a capture, a void or its expiry releases.
type Held struct {
	payment.Charge

	TransactionID string
	At            time.Time
	Expires       time.Time // zero for never
	// EndedAt is when a capture, a void or the expiry ended the hold; zero while the money is held.
	EndedAt time.Time
	// Captured is what a capture has taken of it, in minor units.
	Captured int64
	// Expired: neither a capture nor a void has ended the hold.
	Expired bool
}

// Captured is money that a capture has taken of a hold.
type Captured struct {
	payment.Charge // the capture

	TransactionID string
	At            time.Time
}

// Voided is a void that was approved.
type Voided struct {
	payment.Charge // the void

	TransactionID string
	At            time.Time
}

// CodeInProgress is the code of a capture or a void that was declined because another one of its charge is pending.
const CodeInProgress = "in_progress"

// HoldFor makes it a gateway that releases money d after it was held, and reports when.
func (g *Gateway) HoldFor(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holdFor = d
}

// ExpireHold ends the hold of a charge now, as a bank may. It reports whether the charge held money that no pending
// operation is about to take or release.
func (g *Gateway) ExpireHold(charge payment.GatewayKey) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.decideDue(now)
	h := g.ledger[slot{payment.KindCharge, charge}].hold
	if h == nil || !h.holds() || g.claimed(h) {
		return false
	}
	h.EndedAt, h.Expired = now, true
	return true
}

// Held returns the money that charges have held, in order.
func (g *Gateway) Held() []Held {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.decideDue(time.Now())
	held := make([]Held, 0, len(g.held))
	for _, h := range g.held {
		held = append(held, *h)
	}
	return held
}

// HoldsWith returns how often money was held with a charge's key. More than once is a double hold.
func (g *Gateway) HoldsWith(key payment.GatewayKey) (n int) {
	for _, h := range g.Held() {
		if h.Key == key {
			n++
		}
	}
	return n
}

// Captured returns the money that captures have taken, in order.
func (g *Gateway) Captured() []Captured {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.decideDue(time.Now())
	return slices.Clone(g.captured)
}

// CapturesWith returns how often money was taken with a capture's key. More than once is a double capture.
func (g *Gateway) CapturesWith(key payment.GatewayKey) (n int) {
	for _, c := range g.Captured() {
		if c.Key == key {
			n++
		}
	}
	return n
}

// CapturedOf returns how much captures have taken of the charge with this key, in minor units.
func (g *Gateway) CapturedOf(charge payment.GatewayKey) (minor int64) {
	for _, c := range g.Captured() {
		if c.Of.Key == charge {
			minor += c.Money.Minor()
		}
	}
	return minor
}

// Voided returns the voids that were approved, in order.
func (g *Gateway) Voided() []Voided {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.decideDue(time.Now())
	return slices.Clone(g.voided)
}

// DecidedOperation returns the ledger's result of the key of an operation of the kind: approved, authorized,
// declined, pending, or no class.
func (g *Gateway) DecidedOperation(kind payment.Kind, key payment.GatewayKey) payment.Result {
	return g.decided(slot{kind, key}).result
}

// holds reports whether the money is held.
func (h *Held) holds() bool { return h.EndedAt.IsZero() }

// found is what a lookup of the charge finds.
func (h *Held) found() payment.Lookup {
	switch {
	case h.holds():
		return payment.Lookup{Result: payment.FoundAuthorized, TransactionID: h.TransactionID, HoldExpires: h.Expires}
	case h.Captured > 0:
		l := payment.Lookup{Result: payment.FoundApproved, TransactionID: h.TransactionID}
		if h.Captured < h.Money.Minor() {
			l.Captured, _ = payment.MoneyFromMinor(h.Captured, h.Money.Currency())
		}
		return l
	}
	return payment.Lookup{Result: payment.FoundVoided}
}

// authorize holds the money of a charge.
func (g *Gateway) authorize(c payment.Charge, decision payment.Result, at time.Time) (payment.Result, *Held) {
	h := &Held{Charge: c, TransactionID: g.transactionID(), At: at}
	if g.holdFor > 0 {
		h.Expires = at.Add(g.holdFor)
	}
	g.held = append(g.held, h)
	decision.Class, decision.TransactionID, decision.HoldExpires = payment.ClassAuthorized, h.TransactionID, h.Expires
	return decision, h
}

// capture takes money of the hold of the capture's charge.
func (g *Gateway) capture(c payment.Charge, transactionID string, at time.Time) {
	g.captured = append(g.captured, Captured{c, transactionID, at})
	if h := g.holdOf(c); h != nil && h.holds() {
		h.EndedAt, h.Captured = at, c.Money.Minor()
	}
}

// release ends the hold of the void's charge.
func (g *Gateway) release(c payment.Charge, transactionID string, at time.Time) {
	g.voided = append(g.voided, Voided{c, transactionID, at})
	if h := g.holdOf(c); h != nil && h.holds() {
		h.EndedAt = at
	}
}

// holdOf returns the hold of an operation's charge; nil if the charge never held money. It stays known when the
// charge's key is forgotten.
func (g *Gateway) holdOf(c payment.Charge) *Held {
	i := slices.IndexFunc(g.held, func(h *Held) bool {
		return sameCharge(payment.ChargeID{Key: h.Key, TransactionID: h.TransactionID}, c.Of)
	})
	if i < 0 {
		return nil
	}
	return g.held[i]
}

// claimed reports whether a pending capture or void of the hold is undecided.
func (g *Gateway) claimed(h *Held) bool {
	for at, e := range g.ledger {
		if (at.kind == payment.KindCapture || at.kind == payment.KindVoid) && e.pending() && g.holdOf(e.charge) == h {
			return true
		}
	}
	return false
}

// limitHold returns the decision about a capture or a void, or a decline if its charge does not hold the money. A
// void of a hold that has ended without a capture is as approved as one that ends it.
func (g *Gateway) limitHold(c payment.Charge, decision payment.Result) payment.Result {
	if decision.Class != payment.ClassApproved && decision.Class != payment.ClassPending {
		return decision
	}
	code, h := "", g.holdOf(c)
	switch {
	case h == nil, c.Operation.Kind == payment.KindCapture && c.Money.Currency() != h.Money.Currency():
		code = CodeExceedsCharge
		if g.takenOf(c) > 0 {
			code = payment.DeclineSucceeded
		}
	case h.Captured > 0:
		code = payment.DeclineSucceeded
	case g.claimed(h):
		code = CodeInProgress
	case c.Operation.Kind == payment.KindVoid:
	case h.Expired:
		code = payment.DeclineHoldExpired
	case !h.holds():
		code = payment.DeclineVoided
	case c.Money.Minor() > h.Money.Minor():
		code = CodeExceedsCharge
	}
	if code == "" {
		return decision
	}
	decision = Decline(code).decision
	decision.Message = "the charge does not allow the " + string(c.Operation.Kind)
	return decision
}

// expireHolds ends the holds that are due for it, unless a pending operation may still take or release the money.
func (g *Gateway) expireHolds(now time.Time) {
	for _, h := range g.held {
		if h.holds() && !h.Expires.IsZero() && !h.Expires.After(now) && !g.claimed(h) {
			h.EndedAt, h.Expired = h.Expires, true
		}
	}
}
