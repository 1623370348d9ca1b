package payment

import "time"

// maxKeyRecords bounds the keys of an order for which notices create records.
const maxKeyRecords = 100

// Notice is a gateway's event about a charge. It is a reason to look the charge up, and never a proof.
type Notice struct {
	OrderID OrderID
	Key     GatewayKey
	Gateway GatewayID
	// Says is what the event reports. It only distinguishes events that have nothing new.
	Says   LookupResult
	Rules  KeyRules
	Worker time.Time
}

// Apply makes a lookup of the charge due now (VerdictWritten), unless one is due already or the event has
// nothing new (VerdictReplay). While a worker holds the claim with the same key, the lookup waits until that
// has ended. The error is always nil.
func (n Notice) Apply(p Payment, now time.Time) (Decision, error) {
	k, stored := p.findKey(n.Key)
	current := p.GatewayKey == n.Key
	switch {
	case n.known(p, k, current):
		return unchanged(VerdictReplay, p), nil
	case current && p.State.looksUp():
		if !p.DueAt.After(now) {
			return unchanged(VerdictReplay, p), nil
		}
		p.DueAt, p.UpdatedAt = now, now
		return Decision{Verdict: VerdictWritten, Payment: p, Write: true}, nil
	case stored && !k.DueAt.IsZero() && !k.DueAt.After(now), !stored && len(p.Keys) >= maxKeyRecords:
		return unchanged(VerdictReplay, p), nil
	case current:
		k = p.key()
	case !stored:
		k.Gateway = n.Gateway
	}
	k.DueAt = now
	if k.Closed != "" {
		// The closed key is looked up all the same, because the event may contradict the closure.
		if until := now.Add(n.Rules.Late); until.After(k.WatchUntil) {
			k.WatchUntil = until
		}
	}
	p.UpdatedAt = now
	d := Decision{Verdict: VerdictWritten, Payment: p, Write: true}
	d.storeKey(k)
	return d, nil
}

// known reports whether the payment records what the event says.
func (n Notice) known(p Payment, k Key, current bool) bool {
	if k.Closed == ClosedCharged || current && p.State == StateSucceeded {
		return true
	}
	switch n.Says {
	case FoundDeclined, FoundVoided:
		return current && (p.State == StateDeclined || p.State == StateFailed) && !p.Doubt.Any() || k.Closed != ""
	case FoundApproved, FoundProcessing, FoundPending, FoundNothing, FoundNoAnswer:
	}
	return false
}
