package simulation

import (
	"time"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
)

// bugsOfRefunds give back more than was taken, or reserve what is not owed.
func bugsOfRefunds() []bug { return append(bugsOfReservations(), bugsOfRefundRequests()...) }

func bugsOfReservations() []bug {
	return []bug{
		reserving("an unknown outcome of a refund releases its reservation", func(p payment.Payment) bool {
			return reserves(p) && p.State != payment.StateUnresolved
		}),
		reserving("one lookup releases the reservation of a refund", func(p payment.Payment) bool {
			return reserves(p) && p.State != payment.StateFailed
		}),
		accounts("a failed refund is released twice", func(charge *payment.Payment, before, after payment.Payment) {
			account(charge, before, after, reserves)
			if before.State != "" && reserves(before) && !reserves(after) {
				charge.RefundReserved -= before.Money.Minor()
			}
		}),
		accounts("a returned refund is released twice", func(charge *payment.Payment, before, after payment.Payment) {
			account(charge, before, after, reserves)
			if after.Code == payment.CodeRefundReturned && before.Code != after.Code {
				charge.RefundReserved -= before.Money.Minor()
			}
		}),
		accounts("a refund reserves nothing", func(*payment.Payment, payment.Payment, payment.Payment) {}),
	}
}

func bugsOfRefundRequests() []bug {
	return []bug{
		operates("a refund is decided without the lock of the charge", func(
			decide decideOperation, a payment.ClaimRequest, charge payment.Payment, stored *payment.Payment, now time.Time,
		) (payment.Decision, error) {
			charge.RefundReserved = 0 // as it was read before another refund reserved
			return decide(a, charge, stored, now)
		}),
		operates("a repeat of a refund gets a new key", func(
			decide decideOperation, a payment.ClaimRequest, charge payment.Payment, stored *payment.Payment, now time.Time,
		) (payment.Decision, error) {
			d, err := decide(a, charge, stored, now)
			if err == nil && stored != nil && d.Verdict == payment.VerdictClaimed {
				d.Payment.GatewayKey, d.Payment.Attempt.GatewayKey = a.NewKey, a.NewKey
			}
			return d, err
		}),
		operates("a refund that failed is repeated without a reservation", func(
			decide decideOperation, a payment.ClaimRequest, charge payment.Payment, stored *payment.Payment, now time.Time,
		) (payment.Decision, error) {
			d, err := decide(a, charge, stored, now)
			if stored != nil {
				d.Charge = nil
			}
			return d, err
		}),
		operates("a returned refund is sent again", func(
			decide decideOperation, a payment.ClaimRequest, charge payment.Payment, stored *payment.Payment, now time.Time,
		) (payment.Decision, error) {
			if stored != nil && stored.Code == payment.CodeRefundReturned {
				stored.Code = ""
			}
			return decide(a, charge, stored, now)
		}),
		{name: "an event that a refund came back is believed", rules: func(r *fake.Rules) {
			r.Notify = func(n payment.Notice, p payment.Payment, now time.Time) (payment.Decision, error) {
				d, err := n.Apply(p, now)
				if n.Says == payment.FoundReturned && d.Write {
					d.Payment.State, d.Payment.Code, d.Payment.DueAt = payment.StateDeclined, payment.CodeRefundReturned, time.Time{}
					d.Payment.Doubt = payment.Doubt{}
				}
				return d, err
			}
		}},
	}
}

type decideOperation = func(payment.ClaimRequest, payment.Payment, *payment.Payment, time.Time) (payment.Decision, error)

// operates is a bug in how a request for a refund is decided.
func operates(name string, spoil func(
	decideOperation, payment.ClaimRequest, payment.Payment, *payment.Payment, time.Time,
) (payment.Decision, error),
) bug {
	return bug{name: name, rules: func(r *fake.Rules) {
		decide := r.DecideOperation
		r.DecideOperation = func(
			a payment.ClaimRequest, charge payment.Payment, stored *payment.Payment, now time.Time,
		) (payment.Decision, error) {
			return spoil(decide, a, charge, stored, now)
		}
	}}
}

// accounts is a bug in how a change of a refund changes the sum of its charge.
func accounts(name string, change func(charge *payment.Payment, before, after payment.Payment)) bug {
	return bug{name: name, rules: func(r *fake.Rules) {
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
	}}
}

// reserving is a bug in what counts as reserved.
func reserving(name string, reserves func(payment.Payment) bool) bug {
	return accounts(name, func(charge *payment.Payment, before, after payment.Payment) {
		account(charge, before, after, reserves)
	})
}

// account changes the sum as the domain does, for another rule of what reserves.
func account(charge *payment.Payment, before, after payment.Payment, reserves func(payment.Payment) bool) {
	had, has := before.State != "" && reserves(before), reserves(after)
	switch {
	case has && !had:
		charge.RefundReserved += after.Money.Minor()
	case had && !has:
		charge.RefundReserved -= before.Money.Minor()
	}
}
