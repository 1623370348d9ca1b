package payment

import "time"

// Notice is a gateway's event about a charge. It is a reason to look the charge up, and never a proof.
type Notice struct {
	OrderID OrderID
	// Kind is that of the operation with the key. A repository finds the operation by the key.
	Kind    Kind
	Key     GatewayKey
	Gateway GatewayID
	// Says is what the event reports. It only distinguishes events that have nothing new.
	Says LookupResult
	// Sent: the order's stored attempts have the key. It counts for a key that has no record and is not
	// the current one.
	Sent   bool
	Rules  KeyRules
	Worker time.Time
}

// Apply makes a lookup of the charge due now (VerdictWritten), unless one is due already or the event has
// nothing new (VerdictReplay). While a worker holds the claim with the same key, the lookup waits until that
// has ended. A key that the order never sent to this gateway may be another order's, and is not looked up
// (VerdictUnknownKey): the charge that a lookup finds would be taken for this order's. The error is always nil.
func (n Notice) Apply(p Payment, now time.Time) (Decision, error) {
	k, stored := p.findKey(n.Key)
	current := p.GatewayKey == n.Key
	switch {
	case !n.sentTo(p, current || stored):
		return unchanged(VerdictUnknownKey, p), nil
	case n.known(p, k, current):
		return unchanged(VerdictReplay, p), nil
	case current && p.State.looksUp():
		return n.hasten(p, now), nil
	case stored && !k.DueAt.IsZero() && !k.DueAt.After(now):
		return unchanged(VerdictReplay, p), nil
	case current:
		k = p.key()
	case !stored:
		k.Gateway = n.Gateway
	}
	k.DueAt, k.Lookups = now, 0
	if k.Closed != "" || n.Says == FoundReturned {
		k.watch(now) // the event contradicts the closure or the success, also one that is recorded later
	}
	p.UpdatedAt = now
	d := Decision{Verdict: VerdictWritten, Payment: p, Write: true}
	d.storeKey(k)
	return d, nil
}

// hasten makes the lookup due that a pending or unresolved payment waits for.
func (n Notice) hasten(p Payment, now time.Time) Decision {
	k := p.key()
	watches := n.Says == FoundReturned && !now.Before(k.WatchUntil)
	if !p.DueAt.After(now) && !watches {
		return unchanged(VerdictReplay, p)
	}
	// If its worker is lost, the next lookup follows after the shortest interval.
	p.DueAt, p.UpdatedAt, p.Lookups = now, now, 0
	d := Decision{Verdict: VerdictWritten, Payment: p, Write: true}
	if watches {
		// The refund may succeed with an answer that is older than the event, such as the first one again.
		k.watch(now)
		k.DueAt, k.Lookups = now, 0
		d.storeKey(k)
	}
	return d
}

// watch lets the lookups of the key go on for as long as after a person's resolution, because the first may get
// no answer, or be lost with their worker.
func (k *Key) watch(now time.Time) {
	if until := now.Add(watchDuration); until.After(k.WatchUntil) {
		k.WatchUntil = until
	}
}

// sentTo reports whether the order has sent the key to the gateway that the event is from.
func (n Notice) sentTo(p Payment, recorded bool) bool {
	to := p.GatewayOf(n.Key)
	return (recorded || n.Sent) && (to == "" || to == n.Gateway)
}

// known reports whether the payment records what the event says.
func (n Notice) known(p Payment, k Key, current bool) bool {
	if n.Says == FoundReturned || current && p.returned() {
		return current && p.returned()
	}
	if current && p.State == StateAuthorized {
		return n.Says == FoundAuthorized // anything else may have ended the hold
	}
	if k.Closed == ClosedCharged || current && p.State == StateSucceeded {
		return true
	}
	switch n.Says {
	case FoundDeclined, FoundVoided:
		return current && p.endedWithoutMoney() || k.Closed != ""
	case FoundApproved, FoundAuthorized, FoundProcessing, FoundPending, FoundReturned, FoundNothing, FoundNoAnswer:
	}
	return false
}

// endedWithoutMoney reports whether the payment provably took no money, or released what it held.
func (p *Payment) endedWithoutMoney() bool {
	return p.State.Final() && p.State != StateSucceeded && !p.Doubt.Any()
}
