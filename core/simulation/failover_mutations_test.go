package simulation

import (
	"context"
	"slices"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
	"paymentd/ports"
)

// bugsOfFailover let a payment go to another gateway without proof, or mix up its gateways.
func bugsOfFailover() []bug {
	return []bug{
		leaves("goes to the next gateway after an unknown outcome", func(p *payment.Payment) bool {
			return p.State == payment.StateUnresolved || p.State == payment.StateProcessing && p.Doubt.Any()
		}),
		leaves("goes to the next gateway after one lookup", func(p *payment.Payment) bool {
			return p.State == payment.StateFailed && p.Doubt.Any()
		}),
		picks("forgets which gateway has the key", func(r *payment.KeyRules, p *payment.Payment) {
			if other := otherThan(*r, p.Gateway); other != "" && p.Doubt.Any() && p.State != payment.StatePending {
				p.Gateway = other
			}
		}),
		{name: "looks a key up at the wrong gateway", payments: func(p ports.Payments) ports.Payments {
			return misdirectedLookups{p}
		}},
		reclaims("sends today's return URL with yesterday's key", func(d *payment.Decision, r payment.KeyRules, _ payment.PaymentMethod) {
			at, _ := r.At(d.Payment.Gateway)
			d.Payment.ReturnURL = at.ReturnURL
		}),
		reclaims("sends today's payment method with yesterday's key", func(d *payment.Decision, _ payment.KeyRules, m payment.PaymentMethod) {
			if m != "" {
				d.Payment.Method = m
			}
		}),
		{name: "the next gateway gets the same key", rules: func(rules *fake.Rules) {
			rules.Renew = func(r payment.Renewal, p payment.Payment, now time.Time) (payment.Decision, error) {
				d, err := r.Apply(p, now)
				if err == nil && r.Failover != nil {
					d.Payment.GatewayKey = p.GatewayKey
				}
				return d, err
			}
		}},
		picks("a declined key is sent again", func(_ *payment.KeyRules, p *payment.Payment) {
			if p.State == payment.StateDeclined {
				p.State = payment.StateFailed
			}
		}),
	}
}

// bugsOfPending take a pending charge for decided.
func bugsOfPending() []bug {
	return []bug{
		mutates("a cancellation counts without the gateway's word", mutatedGateway{
			cancel: func(ctx context.Context, g ports.Gateway, ref payment.ChargeRef) payment.Lookup {
				g.Cancel(ctx, ref)
				return payment.Lookup{Result: payment.FoundVoided}
			},
		}),
		records("a pending payment fails by one lookup", func(r *payment.LookupRecord, p *payment.Payment) {
			switch r.Result.Result {
			case payment.FoundPending, payment.FoundNothing, payment.FoundProcessing:
				if p.State == payment.StatePending {
					r.Result.Result = payment.FoundNothing
					p.Doubt = payment.Doubt{Answered: true, Latest: p.Doubt.Latest}
				}
			case payment.FoundApproved, payment.FoundDeclined, payment.FoundVoided, payment.FoundNoAnswer:
			}
		}),
		{name: "an event is believed without a lookup", rules: func(rules *fake.Rules) {
			rules.Notify = func(n payment.Notice, p payment.Payment, now time.Time) (payment.Decision, error) {
				d, err := n.Apply(p, now)
				if n.Says == payment.FoundDeclined && n.Key == p.GatewayKey && d.Write {
					d.Payment.State, d.Payment.Doubt, d.Payment.DueAt = payment.StateDeclined, payment.Doubt{}, time.Time{}
				}
				return d, err
			}
		}},
	}
}

// leaves is a bug that takes the key of a payment for closed, and its gateway for unavailable.
func leaves(name string, may func(*payment.Payment) bool) bug {
	return picks(name, func(r *payment.KeyRules, p *payment.Payment) {
		if len(r.Gateways) > 1 && may(p) {
			p.State, p.Doubt, p.Attempt = payment.StateFailed, payment.Doubt{}, payment.Attempt{Number: p.Attempt.Number + 1}
			r.Unavailable = append(slices.Clone(r.Unavailable), p.Gateway)
		}
	})
}

// otherThan returns a configured gateway other than the given one; empty if there is none.
func otherThan(r payment.KeyRules, id payment.GatewayID) payment.GatewayID {
	for _, c := range r.Gateways {
		if c.Gateway != id {
			return c.Gateway
		}
	}
	return ""
}

// reclaims is a bug in what is sent with a key that was sent before.
func reclaims(name string, spoil func(d *payment.Decision, r payment.KeyRules, m payment.PaymentMethod)) bug {
	again := func(p payment.Payment, d *payment.Decision) bool {
		return d.Verdict == payment.VerdictClaimed && d.Payment.GatewayKey == p.GatewayKey && !p.KeySent.IsZero()
	}
	return bug{name: name, rules: func(rules *fake.Rules) {
		rules.Decide = func(a payment.ClaimRequest, p payment.Payment, now time.Time) payment.Decision {
			d := a.Decide(p, now)
			if again(p, &d) {
				spoil(&d, a.Rules, a.Method)
			}
			return d
		}
		rules.PickUp = func(t payment.PickUpPolicy, p payment.Payment, now time.Time) payment.Decision {
			d := t.PickUp(p, now)
			if again(p, &d) {
				spoil(&d, t.Rules, "")
			}
			return d
		}
	}}
}

// misdirectedLookups sends the lookups of the queue to another gateway than the key's.
type misdirectedLookups struct{ ports.Payments }

func (p misdirectedLookups) ClaimDue(
	ctx context.Context, terms payment.PickUpPolicy, limit int,
) ([]payment.Decision, error) {
	due, err := p.Payments.ClaimDue(ctx, terms, limit)
	for i := range due {
		d := &due[i]
		if other := otherThan(terms.Rules, d.Payment.Gateway); other != "" && d.Verdict == payment.VerdictLookUp {
			d.Payment.Gateway = other
		}
	}
	return due, err
}
