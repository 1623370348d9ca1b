package payment

import (
	"fmt"
	"time"
)

// ClaimRequest is a request for a claim on an order's payment.
type ClaimRequest struct {
	OrderID OrderID
	Money   Money
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
		OrderID: a.OrderID, Money: a.Money, GatewayKey: a.NewKey, Replica: a.Replica,
		State: StateScheduled, DueAt: now, Attempt: Attempt{Number: 1},
		Async: a.Async, CreatedAt: now, UpdatedAt: now,
	}
	if !a.Deferred {
		p.State = StateProcessing
		p.startAttempt(a.claimant(), Instant{now, a.Worker})
	}
	return p
}

// Decide decides about a request for an order whose payment p is stored, under the row's lock at now.
func (a ClaimRequest) Decide(p Payment, now time.Time) Decision {
	switch {
	case p.Money != a.Money:
		return a.refuse(p, now)
	case p.State == StateSucceeded:
		return unchanged(VerdictReplay, p)
	case a.Deferred && (a.Rules.Claimed(p, now) || !p.Foreign(a.Rules.Gateway) && !p.RoundOver()):
		return unchanged(VerdictAccepted, p)
	case a.Rules.Claimed(p, now):
		return unchanged(VerdictBusy, p)
	case p.Foreign(a.Rules.Gateway):
		return unchanged(VerdictForeign, p)
	case a.Deferred:
		return a.schedule(p, now)
	case p.State == StateScheduled && !a.Rules.due(p, now):
		return unchanged(VerdictAccepted, p)
	}
	return p.claim(a.claimant(), Instant{now, a.Worker})
}

func (a ClaimRequest) claimant() claimant {
	return claimant{replica: a.Replica, lease: a.Lease, newKey: a.NewKey, rules: a.Rules}
}

func (a ClaimRequest) refuse(p Payment, now time.Time) Decision {
	d := unchanged(VerdictMismatch, p)
	if p.Events >= MaxRefusals {
		return d
	}
	d.Write = true
	d.Payment.UpdatedAt = now
	d.addEvent(EventRefused, a.Replica, fmt.Sprintf("requested %s, but the order is for %s", a.Money, p.Money))
	return d
}

// schedule hands a payment whose round is over to the queue, which begins a new round.
func (a ClaimRequest) schedule(p Payment, now time.Time) Decision {
	if p.State == StateDeclined && !p.Doubt.Any() {
		p.replaceKey(a.NewKey)
	}
	d := Decision{Verdict: VerdictAccepted, Write: true}
	d.PriorAttempt = p.archiveAttempt(now)
	p.State, p.DueAt = StateScheduled, now
	p.Code, p.Reason = "", ""
	p.Async, p.DeferredRetries, p.LostWorkers, p.Lookups, p.Retries = a.Async, 0, 0, 0, 0
	p.UpdatedAt = now
	d.Payment = p
	d.addEvent(EventScheduled, a.Replica, "accepted for later")
	return d
}

// claimant is the worker that claims a payment, with the terms of its claim.
type claimant struct {
	replica string
	lease   time.Duration
	newKey  GatewayKey
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
	switch choice := p.chooseKey(c.rules, now); choice {
	case keyForeign:
		return unchanged(VerdictForeign, read)
	case keyLookUpOnly:
		return p.claimForLookup(c, now)
	case keyReplaced:
		p.replaceKey(c.newKey)
	case keyKept:
	}
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
	d.reopenKey(p.GatewayKey)
	if takeover {
		d.addEvent(EventTakenOver, c.replica, "the claim of "+was+" had expired")
	}
	return d
}

// claimForLookup claims an unresolved payment, or one whose key may not be sent again, to look the key
// up. A lookup's claim has no lease: if its worker is lost, the next lookup is due all the same.
func (p Payment) claimForLookup(c claimant, now Instant) Decision {
	d := Decision{Verdict: VerdictLookUp, Write: true}
	refused := p.refusedKey()
	d.PriorAttempt = p.archiveAttempt(now.DB)
	was := p.State
	if was != StateUnresolved {
		p.State, p.Lookups, p.Code = StateUnresolved, 0, ""
		p.Reason = "the key may not be sent again: the gateway does not honour keys, or may have forgotten this one"
	}
	p.Fence++
	p.Replica = c.replica
	p.Lookups++
	p.DueAt = now.DB.Add(c.rules.lookupInterval(p.Lookups))
	p.UpdatedAt = now.DB
	d.Payment = p
	if refused != nil {
		d.storeKey(*refused)
	}
	if was != StateUnresolved {
		d.addEvent(EventUnsendable, c.replica, "was "+string(was)+"; "+p.Reason)
	}
	return d
}
