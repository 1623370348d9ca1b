package payment

import "time"

// Renewal records the result of an attempt that does not end the round, and extends the claim.
type Renewal struct {
	ClaimRef

	End AttemptEnd
	// Worker is the time by the worker's clock.
	Worker time.Time
	// Next: another attempt follows after Delay. Otherwise the worker looks the key up next.
	Next bool
	// Failover lets the next attempt go to the next gateway, if the domain permits it. Nil otherwise.
	Failover *Failover
	Delay    time.Duration
	Lease    time.Duration // from the next attempt on
}

// Apply returns the renewal of p at now, or [ErrFenced]. If it is applied a second time, because the
// answer to the first was lost, it only extends the lease.
func (r Renewal) Apply(p Payment, now time.Time) (Decision, error) {
	if p.Fence != r.Fence || p.State != r.State || p.State != StateProcessing {
		return Decision{}, ErrFenced
	}
	d := Decision{Verdict: VerdictWritten, Write: true}
	if p.Attempt.Number == r.Attempt && p.Attempt.Class == "" {
		p.Attempt.complete(r.End)
		p.Doubt = p.Doubt.With(r.End.Class, Instant{now, r.Worker})
		switch {
		case r.Failover != nil:
			r.Failover.apply(&d, &p, r.End.Result, Instant{now, r.Worker})
		case r.Next:
			p.Retries++
			d.PriorAttempt = p.archiveAttempt(now)
			p.Attempt.Fence, p.Attempt.Replica = p.Fence, p.Replica
			p.Attempt.GatewayKey, p.Attempt.StartedAt = p.GatewayKey, now.Add(r.Delay)
		}
	}
	p.DueAt = now.Add(r.Delay + r.Lease)
	p.UpdatedAt = now
	d.Payment = p
	if r.Failover == nil {
		d.nameCharge(r.End.Result)
	}
	return d, nil
}
