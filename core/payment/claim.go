package payment

import (
	"fmt"
	"time"
)

// Ask is a request for a claim on an order's payment.
type ClaimRequest struct {
	OrderID OrderID
	Money   Money
	// NewKey is a fresh gateway key, used if the order has none, or its last one is closed and
	// of no more use.
	NewKey  GatewayKey
	Replica string
	Lease   time.Duration
	Rules   KeyRules
	// Worker is the time by the worker's clock.
	Worker time.Time
	// Later asks only that the payment be accepted: the queue will charge.
	Deferred bool
	// Async says that the caller asked for that (respond-async).
	Async bool
}

// Open returns the payment of an order that was not asked for before, at now.
func (a ClaimRequest) Open(now time.Time) Payment {
	p := Payment{
		OrderID: a.OrderID, Money: a.Money, GatewayKey: a.NewKey, Replica: a.Replica,
		State: StateScheduled, DueAt: now, Attempt: Attempt{Number: 1},
		Async: a.Async, CreatedAt: now, UpdatedAt: now,
	}
	if !a.Deferred {
		p.State = StateProcessing
		p.begin(a.claimant(), Instant{now, a.Worker})
	}
	return p
}

// Decide says what becomes of a request for an order whose payment p is known, under
// the row's lock at now.
func (a ClaimRequest) Decide(p Payment, now time.Time) Decision {
	switch {
	case p.Money != a.Money:
		return a.refuse(p, now)
	case p.State == StateSucceeded:
		return unchanged(VerdictReplay, p)
	case a.Deferred && (a.Rules.Claimed(p, now) || !p.Foreign(a.Rules.Gateway) &&
		(p.State == StateProcessing || p.State == StateScheduled)):
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
	d.addEvent(EventRefused, a.Replica, fmt.Sprintf("asked for %s, the order has %s", a.Money, p.Money))
	return d
}

// schedule hands a payment whose round is over to the queue, which begins a new one.
func (a ClaimRequest) schedule(p Payment, now time.Time) Decision {
	if p.State == StateDeclined && !p.Doubt.Any() {
		p.mint(a.NewKey)
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

// mint gives the payment a new key, which was not sent yet, to whichever gateway it will be.
func (p *Payment) mint(key GatewayKey) {
	p.GatewayKey, p.Gateway = key, ""
	p.KeySent, p.KeyLifetime, p.Doubt = Instant{}, 0, Doubt{}
}

// claimant is the worker that claims a payment, and on which terms.
type claimant struct {
	replica string
	lease   time.Duration
	newKey  GatewayKey
	rules   KeyRules
	queue   bool
}

// claim makes the payment the claimant's: a new fencing number, a new lease, and the old gateway key
// unless that is closed and of no more use. If the old key may not be sent again and is not closed,
// the payment becomes unresolved and is only looked up.
func (p Payment) claim(c claimant, now Instant) Decision {
	takeover, was, read := p.State == StateProcessing, p.Replica, p
	p.repairClocks(c.rules, now)
	if takeover {
		p.LostWorkers++
		p.interrupt(c.lease, c.rules.MaxLease, now)
	}
	d := Decision{Verdict: VerdictClaimed, Write: true}
	switch choice := p.chooseKey(c.rules, now); choice {
	case keyForeign:
		return unchanged(VerdictForeign, read)
	case keyLooked:
		return p.lookOnly(c, now)
	case keyMinted:
		p.mint(c.newKey)
	case keyKept:
	}
	if !c.queue {
		// The caller waits for the answer: no retry once it has one.
		p.Async, p.DeferredRetries, p.LostWorkers = false, 0, 0
	}
	if p.State != StateProcessing && p.State != StateScheduled {
		p.Retries = 0
	}
	d.PriorAttempt = p.archiveAttempt(now.DB)
	p.State = StateProcessing
	p.Code, p.Reason, p.Lookups = "", "", 0
	p.UpdatedAt = now.DB
	p.TakenOver = takeover
	p.begin(c, now)
	d.Payment = p
	d.reopen(p.GatewayKey)
	if takeover {
		d.addEvent(EventTakenOver, c.replica, "the claim of "+was+" had expired")
	}
	return d
}

// lookOnly claims a payment whose key may not be sent again, to look it up.
func (p Payment) lookOnly(c claimant, now Instant) Decision {
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
	p.DueAt = now.DB.Add(c.rules.interval(p.Lookups))
	p.UpdatedAt = now.DB
	d.Payment = p
	if refused != nil {
		d.keepKey(*refused)
	}
	if was != StateUnresolved {
		d.addEvent(EventUnsendable, c.replica, "was "+string(was)+"; "+p.Reason)
	}
	return d
}

// begin makes the payment's next attempt the claimant's: it is under way from now.
func (p *Payment) begin(c claimant, now Instant) {
	p.Fence++
	p.Replica = c.replica
	p.DueAt = now.DB.Add(c.lease)
	if p.KeySent.IsZero() {
		p.Gateway, p.KeySent, p.KeyLifetime = c.rules.Gateway, now, c.rules.KeyLifetime
	}
	if p.Gateway == "" {
		p.Gateway = c.rules.Gateway // the version before did not record it
	}
	p.Attempt = Attempt{
		Number: p.Attempt.Number, Fence: p.Fence, Replica: c.replica,
		GatewayKey: p.GatewayKey, StartedAt: now.DB,
	}
}

// repairClocks replaces what lies in the future of a clock that has stepped back.
func (p *Payment) repairClocks(r KeyRules, now Instant) {
	p.KeySent = p.KeySent.Clamp(now, 0)
	p.Doubt = p.Doubt.clamp(now, r.skew())
}

// setPastAside takes the latest attempt out of the payment, where it has begun, and
// leaves the number of the next one in its place.
func (p *Payment) archiveAttempt(now time.Time) *Attempt {
	past := p.Attempt
	if !past.Begun(now) {
		p.Attempt = Attempt{Number: past.Number}
		return nil
	}
	p.Attempt = Attempt{Number: past.Number + 1}
	return &past
}
