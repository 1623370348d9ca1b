package core_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
)

// refundMutations are mistakes in what the repository decides about refunds.
var refundMutations = map[string]func(*fake.Rules){
	"an unknown outcome releases the reservation": accounts(func(charge *payment.Payment, before, after payment.Payment) {
		account(charge, before, after, func(p payment.Payment) bool { return reserves(p) && p.State != payment.StateUnresolved })
	}),
	"one lookup releases the reservation": accounts(func(charge *payment.Payment, before, after payment.Payment) {
		account(charge, before, after, func(p payment.Payment) bool { return reserves(p) && p.State != payment.StateFailed })
	}),
	"a failed refund is released twice": accounts(func(charge *payment.Payment, before, after payment.Payment) {
		account(charge, before, after, reserves)
		if exists(before) && reserves(before) && !reserves(after) {
			charge.RefundReserved -= before.Money.Minor()
		}
	}),
	"a returned refund is released twice": accounts(func(charge *payment.Payment, before, after payment.Payment) {
		account(charge, before, after, reserves)
		if after.Code == payment.CodeRefundReturned && before.Code != after.Code {
			charge.RefundReserved -= before.Money.Minor()
		}
	}),
	"a returned refund stays reserved": accounts(func(charge *payment.Payment, before, after payment.Payment) {
		account(charge, before, after, func(p payment.Payment) bool {
			return reserves(p) || p.Code == payment.CodeRefundReturned
		})
	}),
	"nothing is reserved": accounts(func(*payment.Payment, payment.Payment, payment.Payment) {}),
	"a repeat reserves once more": accounts(func(charge *payment.Payment, before, after payment.Payment) {
		account(charge, before, after, reserves)
		if exists(before) && before.State != payment.StateProcessing && after.State == payment.StateProcessing && reserves(before) {
			charge.RefundReserved += after.Money.Minor()
		}
	}),
	"the charge is read before its row is locked": func(r *fake.Rules) {
		var read *payment.Payment // by the first request, and used by those that come at about the same time
		var at time.Time
		decide := r.DecideOperation
		r.DecideOperation = func(
			a payment.ClaimRequest, charge payment.Payment, stored *payment.Payment, now time.Time,
		) (payment.Decision, error) {
			if read == nil || now.Sub(at) > time.Second {
				read, at = &charge, now
			}
			return decide(a, *read, stored, now)
		}
	},
	"a repeat gets a new key": func(r *fake.Rules) {
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
	"a takeover gets a new key": func(r *fake.Rules) {
		r.PickUp = func(on payment.PickUpPolicy, p payment.Payment, now time.Time) payment.Decision {
			d := on.PickUp(p, now)
			if d.Verdict == payment.VerdictClaimed && p.State == payment.StateProcessing {
				d.Payment.GatewayKey = on.NewKey()
				d.Payment.Attempt.GatewayKey = d.Payment.GatewayKey
			}
			return d
		}
	},
	"a returned refund is sent again": func(r *fake.Rules) {
		decide := r.DecideOperation
		r.DecideOperation = func(
			a payment.ClaimRequest, charge payment.Payment, stored *payment.Payment, now time.Time,
		) (payment.Decision, error) {
			if stored != nil && stored.Code == payment.CodeRefundReturned {
				stored.Code = ""
			}
			return decide(a, charge, stored, now)
		}
	},
	"a lookup that finds nothing fails a refund that was named": func(r *fake.Rules) {
		r.RecordLookup = func(l payment.LookupRecord, p payment.Payment, now time.Time) (payment.Decision, error) {
			if l.Result.Result == payment.FoundPending {
				l.Result.Result = payment.FoundNothing
				p.Doubt.Named = false
			}
			return l.Apply(p, now)
		}
	},
}

// accounts replaces how a change of a refund changes the sum of its charge.
func accounts(change func(charge *payment.Payment, before, after payment.Payment)) func(*fake.Rules) {
	return func(r *fake.Rules) {
		r.Account = func(d payment.Decision, charge, before payment.Payment) payment.Decision {
			if d.Charge = nil; d.Write {
				change(&charge, before, d.Payment)
				d.Charge = &charge
			}
			return d
		}
		decide := r.DecideOperation
		r.DecideOperation = func(
			a payment.ClaimRequest, charge payment.Payment, stored *payment.Payment, now time.Time,
		) (payment.Decision, error) {
			d, err := decide(a, charge, stored, now)
			if err != nil {
				return d, err
			}
			var before payment.Payment
			if stored != nil {
				before = *stored
			}
			return r.Account(d, charge, before), nil
		}
	}
}

func exists(p payment.Payment) bool { return p.State != "" }

// account changes the sum as the domain does, for another rule of what reserves.
func account(charge *payment.Payment, before, after payment.Payment, reserves func(payment.Payment) bool) {
	had, has := exists(before) && reserves(before), reserves(after)
	switch {
	case has && !had:
		charge.RefundReserved += after.Money.Minor()
	case had && !has:
		charge.RefundReserved -= before.Money.Minor()
	}
}

// TestRefundMutations_AreFound plants each mistake, and injects faults into the scenarios until a check fails.
func TestRefundMutations_AreFound(t *testing.T) {
	t.Parallel()
	if pairStride > 1 {
		t.Skip("the search takes long under the race detector: make test/proofs does it without")
	}
	requireFound(t, refundMutations, refundScenarios)
}

func requireFound(t *testing.T, mutations map[string]func(*fake.Rules), scenarios []refundScenario) {
	t.Helper()
	for name, mutate := range mutations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := false
			synctest.Test(t, func(t *testing.T) {
				found = findsMutation(t, scenarios, mutate)
				time.Sleep(time.Minute) // until the crashed replicas have exited
			})
			require.True(t, found, "no scenario found it")
		})
	}
}

// findsMutation runs the scenarios with the mistake: without a fault, and with one fault at each of some calls.
func findsMutation(t *testing.T, scenarios []refundScenario, mutate func(*fake.Rules)) bool {
	t.Helper()
	for step := range 60 { // scenarios that show the mistake at once come first
		for _, sc := range scenarios {
			for _, mode := range clientModes {
				var injections []injection
				if step > 0 {
					injections = []injection{{step, faultKinds[step%len(faultKinds)]}}
				}
				r := newRefundRun(t, sc, mode, injections)
				mutate(&r.payments.Rules)
				if err := r.play(); err != nil {
					t.Logf("%s, %s, injections %d: %v", sc.name, mode, len(injections), err)
					return true
				}
				if err := r.repeatAfterReturn(); err != nil {
					t.Logf("%s, %s, injections %d, asked again: %v", sc.name, mode, len(injections), err)
					return true
				}
			}
		}
	}
	return false
}

// repeatAfterReturn asks for each refund again, after it came back.
func (r *refundRun) repeatAfterReturn() error {
	last := r.replica("replica-last")
	for _, a := range r.scenario.asks {
		if p, err := r.find(a); err == nil && p.Code == payment.CodeRefundReturned {
			last.operate(a.of, a.amount)
		}
	}
	return r.checkAll()
}
