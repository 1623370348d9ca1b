package core_test

import (
	"testing"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
)

// holdMutations are mistakes in what the repository decides about captures and voids.
var holdMutations = map[string]func(*fake.Rules){
	"an unknown outcome releases the hold": releases(func(p payment.Payment) bool {
		return p.State == payment.StateUnresolved
	}),
	"one lookup releases the hold": releases(func(p payment.Payment) bool { return p.State == payment.StateFailed }),
	"a hold is not claimed": func(r *fake.Rules) {
		changesCharge(r, func(charge *payment.Payment, _ payment.Payment) { charge.HoldClaimedBy = payment.KindCharge })
	},
	"a failed capture keeps the hold claimed": func(r *fake.Rules) {
		changesCharge(r, func(charge *payment.Payment, op payment.Payment) {
			if charge.State == payment.StateAuthorized {
				charge.HoldClaimedBy = op.Operation.Kind
			}
		})
	},
	"a capture and a void are decided without the lock": func(r *fake.Rules) {
		decides(r, func(charge, _ *payment.Payment) {
			charge.HoldClaimedBy = payment.KindCharge
			if charge.State == payment.StateVoided {
				charge.State = payment.StateAuthorized
			}
		})
	},
	"a void takes the whole amount": func(r *fake.Rules) {
		changesCharge(r, func(charge *payment.Payment, op payment.Payment) {
			if op.Operation == voidID && charge.State == payment.StateVoided {
				charge.State = payment.StateSucceeded
			}
		})
	},
	"a partial capture counts as the whole": func(r *fake.Rules) {
		changesCharge(r, func(charge *payment.Payment, _ payment.Payment) { charge.CapturedMinor = 0 })
	},
	"an expiry ends the hold of a capture in doubt": func(r *fake.Rules) {
		r.RecordLookup = func(l payment.LookupRecord, p payment.Payment, now time.Time) (payment.Decision, error) {
			if l.Operation == captureID && p.State == payment.StateUnresolved && l.Result.Result == payment.FoundNoAnswer {
				l.Result.Result = payment.FoundVoided
			}
			return l.Apply(p, now)
		}
	},
	"a repeat of a capture gets a new key": func(r *fake.Rules) {
		decide := r.DecideOperation
		r.DecideOperation = func(
			a payment.ClaimRequest, charge payment.Payment, stored *payment.Payment, now time.Time,
		) (payment.Decision, error) {
			d, err := decide(a, charge, stored, now)
			if err == nil && stored != nil && d.Verdict == payment.VerdictClaimed {
				d.Payment.GatewayKey, d.Payment.Attempt.GatewayKey = a.NewKey, a.NewKey
			}
			return d, err
		}
	},
}

// TestHoldMutations_AreFound plants each mistake, and injects faults into the scenarios until a check fails.
func TestHoldMutations_AreFound(t *testing.T) {
	t.Parallel()
	if pairStride > 1 {
		t.Skip("the search takes long under the race detector: make test/proofs does it without")
	}
	requireFound(t, holdMutations, holdScenarios)
}

// changesCharge spoils what a change of an operation changes of its charge.
func changesCharge(r *fake.Rules, spoil func(charge *payment.Payment, op payment.Payment)) {
	account, decide := r.Account, r.DecideOperation
	change := func(d payment.Decision) payment.Decision {
		if d.Charge != nil {
			charge := *d.Charge
			spoil(&charge, d.Payment)
			d.Charge = &charge
		}
		return d
	}
	r.Account = func(d payment.Decision, charge, before payment.Payment) payment.Decision {
		return change(account(d, charge, before))
	}
	r.DecideOperation = func(
		a payment.ClaimRequest, charge payment.Payment, stored *payment.Payment, now time.Time,
	) (payment.Decision, error) {
		d, err := decide(a, charge, stored, now)
		return change(d), err
	}
}

// decides spoils what a request for an operation is decided on.
func decides(r *fake.Rules, spoil func(charge, stored *payment.Payment)) {
	decide := r.DecideOperation
	r.DecideOperation = func(
		a payment.ClaimRequest, charge payment.Payment, stored *payment.Payment, now time.Time,
	) (payment.Decision, error) {
		spoil(&charge, stored)
		return decide(a, charge, stored, now)
	}
}

// releases lets the hold go while an operation is in a state in which it is claimed.
func releases(in func(payment.Payment) bool) func(*fake.Rules) {
	return func(r *fake.Rules) {
		account := r.Account
		r.Account = func(d payment.Decision, charge, before payment.Payment) payment.Decision {
			d = account(d, charge, before)
			if d.Write && in(d.Payment) && d.Payment.Operation.Kind != payment.KindRefund {
				charge.HoldClaimedBy = payment.KindCharge
				d.Charge = &charge
			}
			return d
		}
	}
}
