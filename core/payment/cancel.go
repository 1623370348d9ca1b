package payment

import "cmp"

// CodeCancelRequested is the code of a pending payment whose charge is to be cancelled, because a void was requested.
// It stays until the payment is decided, so that the queue asks the gateway to cancel until that is proven. If the
// gateway holds the money in the meantime, the authorized payment keeps the code until a void releases it.
const CodeCancelRequested = "cancel_requested"

// CancelRequested reports whether a void was accepted while the payment was pending, and its outcome is not known yet.
func (p Payment) CancelRequested() bool {
	return (p.State == StatePending || p.State == StateAuthorized) && p.Code == CodeCancelRequested
}

// keepCancelRequest keeps the request to cancel the payment p in an outcome that does not decide it.
func (o *Outcome) keepCancelRequest(p Payment) {
	if p.CancelRequested() && (o.State == StatePending || o.State == StateAuthorized) {
		o.Code = CodeCancelRequested
	}
}

// voidNow makes a payment due whose money is held although a void was requested before, so that the queue releases it.
func (p *Payment) voidNow(now Instant) {
	if p.State == StateAuthorized && p.CancelRequested() {
		p.DueAt, p.Lookups = now.DB, 0
	}
}

// cancelPending stores the request to cancel a pending payment, and has the caller cancel it, or the queue if the
// request is deferred. A repeat that comes shortly after the latest question to the gateway is left to the queue.
func (a ClaimRequest) cancelPending(p Payment, now Instant) Decision {
	own, _ := a.Rules.At(p.Gateway)
	requested := p.CancelRequested()
	switch {
	case !own.Cancels:
		return unchanged(VerdictKeyOpen, p)
	case requested && (a.Deferred || now.DB.Sub(p.UpdatedAt).Abs() < minCancelInterval):
		return unchanged(VerdictAccepted, p)
	}
	p.clampFutureTimes(a.Rules, now)
	p.Code = CodeCancelRequested
	d := Decision{Verdict: VerdictAccepted, Payment: p, Write: true}
	if !a.Deferred {
		d = p.claimForLookup(a.claimant(), now)
		d.Verdict = VerdictCancel
	}
	if requested {
		return d
	}
	d.Payment.Lookups, d.Payment.DueAt, d.Payment.UpdatedAt = 0, now.DB, now.DB
	if !a.Deferred {
		d.Payment.DueAt = now.DB.Add(a.Rules.LookupFirst)
	}
	if p.Events < maxOperatorEvents {
		detail := "was pending; a void was requested: cancel the charge"
		if a.Note != "" {
			detail += ": " + a.Note
		}
		d.addEvent(EventExpedited, cmp.Or(a.By, a.Replica), detail)
	}
	return d
}
