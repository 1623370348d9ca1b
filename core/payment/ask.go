package payment

import (
	"fmt"
	"time"
)

// Ask is a request for a claim on an order's payment.
type Ask struct {
	OrderID OrderID
	Money   Money
	// NewKey is a fresh gateway key, used where the order has none or its last one
	// was declined.
	NewKey  GatewayKey
	Replica string
	Lease   time.Duration
	// Later asks only that the payment be accepted: the queue will charge.
	Later bool
	// Async says that the caller asked for that (respond-async).
	Async bool
}

// Open returns the payment of an order that nobody has asked for before, at now.
func (a Ask) Open(now time.Time) Payment {
	p := Payment{
		OrderID: a.OrderID, Money: a.Money, GatewayKey: a.NewKey, Replica: a.Replica,
		State: StateScheduled, DueAt: now, Attempt: Attempt{Number: 1},
		Async: a.Async, CreatedAt: now, UpdatedAt: now,
	}
	if !a.Later {
		p.State = StateProcessing
		p.begin(a.Replica, a.Lease, now)
	}
	return p
}

// Decide says what becomes of a request for an order whose payment p is known, under
// the row's lock at now.
func (a Ask) Decide(p Payment, now time.Time) Decision {
	switch {
	case p.Money != a.Money:
		return a.refuse(p, now)
	case p.State == StateSucceeded:
		return unchanged(VerdictReplay, p)
	case a.Later && (p.State == StateProcessing || p.State == StateScheduled):
		return unchanged(VerdictAccepted, p)
	case a.Later:
		return a.schedule(p, now)
	case p.Claimed(now):
		return unchanged(VerdictBusy, p)
	}
	return p.claim(claimant{a.Replica, a.Lease, a.NewKey, false}, now)
}

func (a Ask) refuse(p Payment, now time.Time) Decision {
	d := unchanged(VerdictMismatch, p)
	if p.Events >= MaxRefusals {
		return d
	}
	d.Write = true
	d.Payment.UpdatedAt = now
	d.tell(EventRefused, a.Replica, fmt.Sprintf("asked for %s, the order has %s", a.Money, p.Money))
	return d
}

// schedule hands a payment that came to an end, or is unresolved, to the queue.
func (a Ask) schedule(p Payment, now time.Time) Decision {
	if p.State == StateDeclined {
		p.GatewayKey, p.Doubt = a.NewKey, Doubt{}
	}
	d := Decision{Verdict: VerdictAccepted, Write: true}
	d.Past = p.setPastAside(now)
	p.State, p.DueAt = StateScheduled, now
	p.Code, p.Reason = "", ""
	p.Async, p.LaterRetries, p.Strikes, p.Lookups = a.Async, 0, 0, 0
	p.UpdatedAt = now
	d.Payment = p
	d.tell(EventScheduled, a.Replica, "accepted for later")
	return d
}

// claimant is who claims a payment, and on which terms.
type claimant struct {
	replica string
	lease   time.Duration
	newKey  GatewayKey
	queue   bool
}

// claim makes the payment the claimant's: a new fencing number, a new lease, a new
// round, and the old gateway key unless the gateway has declined it.
func (p Payment) claim(c claimant, now time.Time) Decision {
	d := Decision{Verdict: VerdictClaimed, Write: true}
	takeover := p.State == StateProcessing
	was := p.Replica
	if takeover {
		p.Strikes++
		p.interrupt(c.lease, now)
	}
	if p.State == StateDeclined {
		p.GatewayKey, p.Doubt = c.newKey, Doubt{}
	}
	if !c.queue {
		// The caller waits for the answer and will be told: no retry behind its back.
		p.Async, p.LaterRetries, p.Strikes = false, 0, 0
	}
	d.Past = p.setPastAside(now)
	p.State = StateProcessing
	p.Code, p.Reason, p.Lookups = "", "", 0
	p.UpdatedAt = now
	p.TakenOver = takeover
	p.begin(c.replica, c.lease, now)
	d.Payment = p
	if takeover {
		d.tell(EventTakenOver, c.replica, "the claim of "+was+" had expired")
	}
	return d
}

// begin starts a round: its first attempt is under way from now.
func (p *Payment) begin(replica string, lease time.Duration, now time.Time) {
	p.Fence++
	p.Replica = replica
	p.DueAt = now.Add(lease)
	p.Attempt = Attempt{
		Number: p.Attempt.Number, Fence: p.Fence, Replica: replica,
		GatewayKey: p.GatewayKey, StartedAt: now,
	}
}

// setPastAside takes the latest attempt out of the payment, where it has begun, and
// leaves the number of the next one in its place.
func (p *Payment) setPastAside(now time.Time) *Attempt {
	past := p.Attempt
	if !past.Begun(now) {
		p.Attempt = Attempt{Number: past.Number}
		return nil
	}
	p.Attempt = Attempt{Number: past.Number + 1}
	return &past
}
