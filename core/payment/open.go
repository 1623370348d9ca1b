package payment

import "time"

// OpenDecision is the decision on the claim of a new order: insert the payment that
// [ClaimRequest.Open] returns.
func (a ClaimRequest) OpenDecision(now time.Time) Decision {
	verdict := VerdictClaimed
	if a.Deferred {
		verdict = VerdictAccepted
	}
	return Decision{Verdict: verdict, Payment: a.Open(now), Write: true}
}
