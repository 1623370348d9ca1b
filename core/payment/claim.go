package payment

import (
	"cmp"
	"fmt"
	"time"
)

// ClaimRequest is a request for a claim on an order's payment.
type ClaimRequest struct {
	OrderID OrderID
	// Operation is the zero value for the order's charge.
	Operation OperationID
	// SecondTransaction is the transaction of the second charge that the operation [SecondRefundID] gives back. Empty for
	// any other operation. A repository reads the records of the charge's keys then.
	SecondTransaction string
	// Money is the amount. Zero for the stored or the largest one, of an operation that is not a charge.
	Money Money
	// Note is why the operation is asked for, as text for an operator. Empty for a charge.
	Note string
	// By is the operator who asks, for the history of an operation that is not a charge. Empty if a client does.
	By string
	// Capture is whether the charge takes the money, or only holds it.
	Capture CaptureMode
	// Cancel asks to cancel the charge if it is pending, and for nothing else. The request is stored until the payment
	// is decided.
	Cancel bool
	// Method is what to charge. Empty for the stored one.
	Method PaymentMethod
	// NewKey is a fresh gateway key, used if the order has none, or if its key is closed and cannot
	// be used again.
	NewKey  GatewayKey
	Replica string
	Lease   time.Duration
	Rules   KeyRules
	// Worker is the time by the worker's clock.
	Worker time.Time
	// Deferred requests that the payment only be accepted, for the queue to charge.
	Deferred bool
	// Async: the caller requested that (respond-async).
	Async bool
}

// Open returns the payment of an order that was never requested before, at now.
func (a ClaimRequest) Open(now time.Time) Payment {
	p := Payment{
		OrderID: a.OrderID, Money: a.Money, Capture: a.Capture, GatewayKey: a.NewKey, Method: a.Method, Replica: a.Replica,
		State: StateScheduled, DueAt: now, Attempt: Attempt{Number: 1},
		Async: a.Async, CreatedAt: now, UpdatedAt: now,
	}
	if !a.Deferred {
		p.State = StateProcessing
		c := a.claimant()
		c.rules, _ = c.rules.At(c.rules.preferred(p.route(p.Method)))
		p.startAttempt(c, Instant{now, a.Worker})
	}
	return p
}

// Decide decides about a request for an order whose payment p is stored, under the row's lock at now.
func (a ClaimRequest) Decide(p Payment, now time.Time) Decision {
	switch {
	case p.Money != a.Money || p.Capture != a.Capture:
		return a.refuse(p, now)
	case p.State.Approved():
		return unchanged(VerdictReplay, p)
	case p.State == StateVoided:
		return unchanged(VerdictVoided, p)
	case a.Cancel && p.State != StatePending:
		return unchanged(VerdictNotDue, p)
	}
	return a.decideOpen(p, now)
}

// decideOpen decides about a payment that may still take money, or was declined or failed.
func (a ClaimRequest) decideOpen(p Payment, now time.Time) Decision {
	switch {
	case a.Deferred && a.underWay(p, now):
		return unchanged(VerdictAccepted, p)
	case a.Rules.Claimed(p, now):
		return unchanged(VerdictBusy, p)
	case a.otherMethod(p) && a.keepsMethod(p):
		return unchanged(VerdictKeyOpen, p)
	case p.Foreign(a.Rules):
		return unchanged(VerdictForeign, p)
	case p.State == StatePending:
		return a.decidePending(p, Instant{now, a.Worker})
	case a.Deferred:
		return a.schedule(p, now)
	case p.State == StateScheduled && !a.Rules.due(p, now):
		return unchanged(VerdictAccepted, p)
	}
	return p.claim(a.claimant(), Instant{now, a.Worker})
}

// underWay reports whether a worker or the queue already has the payment, so that a deferred request has
// nothing to add.
func (a ClaimRequest) underWay(p Payment, now time.Time) bool {
	return a.Rules.Claimed(p, now) || !p.Foreign(a.Rules) && !p.RoundOver()
}

// minLookupInterval is the shortest time between two lookups of a pending payment by requests, and
// minCancelInterval that before a cancellation. It is shorter, so that clients that poll do not keep a customer
// from changing the payment method.
const (
	minLookupInterval = time.Second
	minCancelInterval = time.Second / 4
)

// decidePending has a pending payment looked up before the request is answered, or cancelled if the
// request has another payment method.
func (a ClaimRequest) decidePending(p Payment, now Instant) Decision {
	if a.Cancel {
		return a.cancelPending(p, now)
	}
	other := a.otherMethod(p)
	own, _ := a.Rules.At(p.Gateway)
	switch since := now.DB.Sub(p.UpdatedAt).Abs(); {
	case other && (a.Deferred || since < minCancelInterval || !own.Cancels):
		return unchanged(VerdictKeyOpen, p)
	case !other && (a.Deferred || since < minLookupInterval):
		return unchanged(VerdictAccepted, p)
	}
	p.clampFutureTimes(a.Rules, now)
	d := p.claimForLookup(a.claimant(), now)
	if other {
		d.Verdict = VerdictCancel
	}
	return d
}

// otherMethod reports whether the request names a payment method other than the stored one.
func (a ClaimRequest) otherMethod(p Payment) bool { return a.Method != "" && a.Method != p.Method }

// keepsMethod reports whether the payment's own payment method may still be charged, and no request changes that. A
// pending charge can be cancelled, but only at its own gateway.
func (a ClaimRequest) keepsMethod(p Payment) bool {
	switch p.State {
	case StateUnresolved:
		return true
	case StateFailed:
		return p.Doubt.Any()
	case StatePending:
		return p.Foreign(a.Rules)
	default:
		return false
	}
}

func (a ClaimRequest) claimant() claimant {
	return claimant{
		replica: a.Replica, lease: a.Lease, newKey: a.NewKey, method: a.Method, rules: a.Rules,
	}
}

func (a ClaimRequest) refuse(p Payment, now time.Time) Decision {
	d := unchanged(VerdictMismatch, p)
	if p.Events >= MaxRefusals {
		return d
	}
	d.Write = true
	d.Payment.UpdatedAt = now
	d.addEvent(EventRefused, cmp.Or(a.By, a.Replica), fmt.Sprintf("requested %s, but the order is for %s",
		describeTerms(a.Money, a.Capture), describeTerms(p.Money, p.Capture)))
	return d
}

// describeTerms returns what a payment and a request must agree on.
func describeTerms(m Money, c CaptureMode) string {
	if c == CaptureManual {
		return m.String() + " with capture manual"
	}
	return m.String()
}

// schedule hands a payment whose round is over to the queue, which begins a new round.
func (a ClaimRequest) schedule(p Payment, now time.Time) Decision {
	var left *Key
	if p.State.Final() && !p.Doubt.Any() && (p.State == StateDeclined || a.otherMethod(p)) {
		left = p.declinedKey(Instant{now, a.Worker})
		p.replaceKey(a.NewKey, cmp.Or(a.Method, p.Method))
	}
	d := Decision{Verdict: VerdictAccepted, Write: true}
	d.PriorAttempt = p.archiveAttempt(now)
	p.State, p.DueAt = StateScheduled, now
	p.Code, p.Reason = "", ""
	p.Async, p.DeferredRetries, p.LostWorkers, p.Lookups, p.Retries = a.Async, 0, 0, 0, 0
	p.UpdatedAt = now
	d.Payment = p
	if left != nil {
		d.storeKey(*left)
	}
	d.addEvent(EventScheduled, cmp.Or(a.By, a.Replica), "accepted for later")
	return d
}

// claimant is the worker that claims a payment, with the terms of its claim.
type claimant struct {
	replica string
	lease   time.Duration
	newKey  GatewayKey
	method  PaymentMethod // of a request; empty for the stored one
	rules   KeyRules
	queue   bool // a worker of the queue, and not a request
}

// claim gives the payment a new fencing token, a new lease, and the current gateway key unless that is
// closed and cannot be used again. If the key may not be sent again and is not closed, the payment
// becomes unresolved and is only looked up.
func (p Payment) claim(c claimant, now Instant) Decision {
	takeover, was, read := p.State == StateProcessing, p.Replica, p
	p.clampFutureTimes(c.rules, now)
	if takeover {
		p.LostWorkers++
		p.recordLostAttempt(c.lease, c.rules.MaxLease, now)
	}
	d := Decision{Verdict: VerdictClaimed, Write: true}
	method := p.methodFor(c.method)
	var left *Key
	choice, target := p.chooseKey(c.rules, method, now)
	switch choice {
	case keyForeign:
		return unchanged(VerdictForeign, read)
	case keyLookUpOnly:
		return p.claimForLookup(c, now)
	case keyReplaced:
		left = p.declinedKey(now)
		p.replaceKey(c.newKey, method)
	case keyMoved:
		left = p.moveTo(c.rules, target, c.newKey, method, now)
		p.Retries = 0 // each gateway has its own
	case keyKept:
		p.Method = method
	}
	c.rules, _ = c.rules.At(target)
	if !c.queue {
		// The caller waits for the result, so nothing is retried after the response.
		p.Async, p.DeferredRetries, p.LostWorkers = false, 0, 0
	}
	if p.RoundOver() {
		p.Retries = 0
	}
	d.PriorAttempt = p.archiveAttempt(now.DB)
	p.State = StateProcessing
	p.Code, p.Reason, p.Lookups = "", "", 0
	p.UpdatedAt = now.DB
	p.TakenOver = takeover
	p.startAttempt(c, now)
	d.Payment = p
	if left != nil {
		d.storeKey(*left)
	}
	d.reopenKey(p.GatewayKey)
	if takeover {
		d.addEvent(EventTakenOver, c.replica, "the claim of "+was+" had expired")
	}
	return d
}

// claimForLookup claims a pending or unresolved payment, or one whose key may not be sent again, to look the key
// up. A lookup's claim has no lease: if its worker is lost, the next lookup is due all the same.
func (p Payment) claimForLookup(c claimant, now Instant) Decision {
	d := Decision{Verdict: VerdictLookUp, Write: true}
	refused := p.refusedKey()
	d.PriorAttempt = p.archiveAttempt(now.DB)
	was := p.State
	if !was.looksUp() {
		p.State, p.Lookups, p.Code = StateUnresolved, 0, ""
		p.Reason = "the key may not be sent again: the gateway does not honour keys, or may have forgotten this one"
	}
	p.Fence++
	p.Replica = c.replica
	if c.queue || !was.looksUp() || !p.DueAt.After(now.DB) {
		// A request's lookup is made in addition to the service's own, and does not postpone them.
		p.Lookups++
		p.DueAt = now.DB.Add(c.rules.lookupInterval(p.Lookups)) // of a hold, until the lookup gets an answer
	}
	p.UpdatedAt = now.DB
	d.Payment = p
	if refused != nil {
		d.storeKey(*refused)
	}
	if !was.looksUp() {
		d.addEvent(EventUnsendable, c.replica, "was "+string(was)+"; "+p.Reason)
	}
	return d
}
