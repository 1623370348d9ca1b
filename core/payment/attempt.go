package payment

import "time"

// Attempt is one call to the gateway. The attempts with one fencing token are a round.
type Attempt struct {
	// Number counts the payment's attempts from 1. If StartedAt is zero, it is the number of the
	// next attempt.
	Number     int
	Fence      int64
	Replica    string
	GatewayKey GatewayKey
	// StartedAt lies in the future during the backoff before the attempt.
	StartedAt time.Time
	// EndedAt is zero while the attempt is running. It stays zero if its worker was lost before it
	// recorded a result.
	EndedAt time.Time
	Class   Class // empty while running
	Code    string
	Message string
}

// Begun reports whether the attempt is running at now, or complete.
func (a Attempt) Begun(now time.Time) bool {
	return !a.StartedAt.IsZero() && (a.Class != "" || !a.StartedAt.After(now))
}

// AttemptEnd is the result of an attempt, as its worker observed it.
type AttemptEnd struct {
	Result

	// Took is how long the attempt ran, measured by its worker.
	Took time.Duration
}

func (a *Attempt) complete(e AttemptEnd) {
	a.EndedAt = a.StartedAt.Add(e.Took)
	a.Class, a.Code, a.Message = e.Class, sanitizeCode(e.Code), sanitizeMessage(e.Message)
}

// startAttempt makes the payment's next attempt the claimant's, running from now.
func (p *Payment) startAttempt(c claimant, now Instant) {
	p.Fence++
	p.Replica = c.replica
	p.DueAt = now.DB.Add(c.lease)
	p.bindKey(c.rules.Capabilities, now)
	p.Attempt = Attempt{
		Number: p.Attempt.Number, Fence: p.Fence, Replica: c.replica,
		GatewayKey: p.GatewayKey, StartedAt: now.DB,
	}
}

// bindKey records, before the key is first sent, the gateway that gets it and when that may have been.
func (p *Payment) bindKey(c Capabilities, now Instant) {
	if p.KeySent.IsZero() {
		p.Gateway, p.KeySent, p.KeyLifetime, p.ReturnURL = c.Gateway, now, c.KeyLifetime, c.ReturnURL
	}
	if p.Gateway == "" {
		p.Gateway = c.Gateway // the previous version did not record it
	}
}

// completeAttempt records the result of the attempt that the claim names, unless it is recorded or the
// attempt never began.
func (p *Payment) completeAttempt(claim ClaimRef, end *AttemptEnd, now Instant) {
	switch {
	case p.Attempt.Class != "": // recorded already
	case end == nil || p.Attempt.Number > claim.Attempt || p.Attempt.StartedAt.IsZero():
		// The current attempt never began. If it is not the one that the claim names, a renewal
		// whose answer was lost has recorded that one and planned this.
		p.Attempt = Attempt{Number: p.Attempt.Number}
	default:
		p.Attempt.complete(*end)
		p.Doubt = p.Doubt.With(end.Class, now)
	}
}

// archiveAttempt takes the latest attempt out of the payment's row if it has begun, and leaves the
// number of the next one in its place.
func (p *Payment) archiveAttempt(now time.Time) *Attempt {
	prior := p.Attempt
	if !prior.Begun(now) {
		p.Attempt = Attempt{Number: prior.Number}
		return nil
	}
	p.Attempt = Attempt{Number: prior.Number + 1}
	return &prior
}

// recordLostAttempt completes the attempt of a worker that did not record a result, if one is running
// or planned. lease is how long, from the start of an attempt, its worker may have held the claim, and
// longest bounds how long from now it may still hold it, a backoff included; zero for no limit.
//
// A worker begins no attempt after its lease has expired by its own clock. But a claim can also be
// taken over from a live worker, because a clock stepped forward or a heartbeat is missing. That worker
// may begin an attempt until its lease expires, including one that is planned after its backoff.
func (p *Payment) recordLostAttempt(lease, longest time.Duration, now Instant) {
	a := &p.Attempt
	if a.Class != "" || a.StartedAt.IsZero() {
		return
	}
	left := max(0, lease-p.attemptStart().Elapsed(now), p.DueAt.Sub(now.DB))
	if p.clocksStepped(now) {
		left = max(left, lease, longest) // neither clock proves how much of the backoff and of the lease is over
	}
	if longest > 0 {
		left = min(left, longest)
	}
	sent := Instant{DB: now.DB.Add(left)}
	if !now.Worker.IsZero() {
		sent.Worker = now.Worker.Add(left)
	}
	p.Doubt = p.Doubt.With(ClassUnknownUnanswered, sent)
	if a.Begun(now.DB) {
		a.Class = ClassUnknownUnanswered
		a.Message = "interrupted: its worker did not report a result"
	}
}

// attemptStart is when the current attempt begins, by both clocks. The worker's time of it is not
// stored; it is computed with the offset between the clocks at [Payment.clockReference].
func (p *Payment) attemptStart() Instant {
	start, reference := Instant{DB: p.Attempt.StartedAt}, p.clockReference()
	if !reference.IsZero() {
		start.Worker = start.DB.Add(reference.Worker.Sub(reference.DB))
	}
	return start
}

// clockReference is the latest moment before the current attempt that is known by both clocks; zero if
// there is none.
func (p *Payment) clockReference() Instant {
	for _, i := range []Instant{p.Doubt.Latest, p.KeySent} {
		if !i.DB.IsZero() && !i.Worker.IsZero() {
			return Instant{DB: i.DB, Worker: i.Worker.Round(0)}
		}
	}
	return Instant{}
}

// clocksStepped reports whether the offset between the clocks has changed since
// [Payment.clockReference]. Either clock may have stepped, also during the current claim, so that its
// times prove nothing.
func (p *Payment) clocksStepped(now Instant) bool {
	const tolerance = time.Second
	reference := p.clockReference()
	if reference.IsZero() || now.DB.IsZero() || now.Worker.IsZero() {
		return false
	}
	change := now.Worker.Round(0).Sub(now.DB) - reference.Worker.Sub(reference.DB)
	return change.Abs() > tolerance
}
