package simulation

import (
	"context"
	"slices"
	"strings"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
	"paymentd/ports"
)

// bugsOfProof accept what is not proven.
func bugsOfProof() []bug {
	return []bug{
		charges("a decline that is not the gateway's own is believed",
			func(ctx context.Context, g ports.Gateway, c payment.Charge) payment.Result {
				r := g.Charge(ctx, c)
				if strings.Contains(r.Message, "not written by the gateway itself") {
					r.Class = payment.ClassDeclined
				}
				return r
			}),
		believesDeclines("declined without a lookup while an earlier attempt is unknown"),
		decides("a new key after a decline that is not closed", func(_ *payment.ClaimRequest, p *payment.Payment, _ time.Time) {
			if k := keyOf(p, p.GatewayKey); p.State == payment.StateUnresolved && k != nil && k.Refusal.Class == payment.ClassDeclined {
				p.State, p.Doubt = payment.StateDeclined, payment.Doubt{}
			}
		}),
		records("failed after one look although it was declined or rejected", func(r *payment.LookupRecord, p *payment.Payment) {
			r.Last = payment.Result{}
			if k := keyOf(p, r.Key); k != nil {
				k.Refusal = payment.Refusal{}
			}
		}),
		records("a lookup is stored though an attempt has begun since", func(r *payment.LookupRecord, p *payment.Payment) {
			if r.Result.Result == payment.FoundNothing {
				r.ClaimRef = p.ClaimRef()
			}
		}),
		picks("another gateway's key is looked up at today's", func(r *payment.KeyRules, p *payment.Payment) {
			if p.State == payment.StateUnresolved && p.Gateway != "" {
				r.Gateway = p.Gateway
			}
		}),
		picks("another gateway's key is sent to today's", func(r *payment.KeyRules, p *payment.Payment) {
			if p.State != payment.StateUnresolved && p.Gateway != "" {
				r.Gateway = p.Gateway
			}
		}),
	}
}

// bugsOfLooks let a lookup that found nothing prove more than it does.
func bugsOfLooks() []bug {
	return []bug{
		records("one look closes the key", func(r *payment.LookupRecord, p *payment.Payment) {
			k := payment.Key{Key: r.Key, Gateway: p.Gateway}
			if known := keyOf(p, r.Key); known != nil {
				k = *known
			}
			k.Look = payment.Instant{DB: r.Sent.DB.Add(-r.Rules.Late), Worker: r.Sent.Worker.Add(-r.Rules.Late)}
			k.Attempts = p.Attempt.Number
			p.Keys = append(slices.DeleteFunc(p.Keys, func(old payment.Key) bool { return old.Key == r.Key }), k)
		}),
		records("the second look comes too early", func(r *payment.LookupRecord, p *payment.Payment) {
			if k := keyOf(p, r.Key); k != nil && !k.Look.IsZero() {
				k.Look.DB, k.Look.Worker = k.Look.DB.Add(-r.Rules.Late), k.Look.Worker.Add(-r.Rules.Late)
			}
		}),
		records("a look while an attempt may still arrive counts", func(r *payment.LookupRecord, p *payment.Payment) {
			if !p.Doubt.Unanswered.IsZero() {
				p.Doubt.Answered, p.Doubt.Unanswered = true, payment.Instant{}
			}
			if r.End != nil && r.End.Class == payment.ClassUnknownUnanswered {
				end := *r.End
				end.Class = payment.ClassUnknownAnswered
				r.End = &end
			}
		}),
		records("the lag of lookups is ignored", func(r *payment.LookupRecord, _ *payment.Payment) { r.Rules.LookupLag = 0 }),
		keepsLooks("looks survive a new claim"),
		claims("a closure survives a new claim", func(was payment.Payment, d *payment.Decision, _ time.Time) {
			d.Payment.Keys = slices.Clone(d.Payment.Keys)
			k, old := keyOf(&d.Payment, d.Payment.GatewayKey), keyOf(&was, d.Payment.GatewayKey)
			if d.Verdict == payment.VerdictClaimed && k != nil && old != nil {
				k.Closed, k.ClosedAt = old.Closed, old.ClosedAt
			}
		}),
	}
}

// keepsLooks counts lookups from before a claim.
func keepsLooks(name string) bug {
	b := claims(name, func(was payment.Payment, d *payment.Decision, _ time.Time) {
		d.Payment.Keys = slices.Clone(d.Payment.Keys)
		k, old := keyOf(&d.Payment, d.Payment.GatewayKey), keyOf(&was, d.Payment.GatewayKey)
		if d.Verdict == payment.VerdictClaimed && k != nil && old != nil {
			k.Look = old.Look
		}
	})
	claimed := b.rules
	b.rules = func(r *fake.Rules) {
		claimed(r)
		records("", func(r *payment.LookupRecord, p *payment.Payment) {
			if k := keyOf(p, r.Key); k != nil {
				k.Attempts = p.Attempt.Number
			}
		}).rules(r)
	}
	return b
}

// bugsOfLifetime trust a key that the gateway may have forgotten.
func bugsOfLifetime() []bug {
	immortal := func(name string, states ...payment.State) bug {
		return picks(name, func(_ *payment.KeyRules, p *payment.Payment) {
			if slices.Contains(states, p.State) {
				p.KeyLifetime = 0
			}
		})
	}
	return []bug{
		immortal("a request sends an expired key", payment.StateFailed, payment.StateUnresolved),
		immortal("the queue sends an expired key", payment.StateScheduled),
		immortal("a takeover sends an expired key", payment.StateProcessing),
		records("nothing counts after the key's lifetime", func(r *payment.LookupRecord, _ *payment.Payment) {
			r.Rules.LookupForgets = false
		}),
		claims("the lifetime is counted from the last claim", func(was payment.Payment, d *payment.Decision, now time.Time) {
			if same := d.Payment.GatewayKey == was.GatewayKey; d.Verdict == payment.VerdictClaimed && same && !was.KeySent.IsZero() {
				since := now.Sub(was.KeySent.DB)
				d.Payment.KeySent = payment.Instant{DB: now, Worker: was.KeySent.Worker.Add(since)}
			}
		}),
	}
}

// bugsOfClocks rely on one clock.
func bugsOfClocks() []bug {
	return []bug{
		records("what has passed is counted by the database's clock alone", func(r *payment.LookupRecord, _ *payment.Payment) {
			r.Sent.Worker = time.Time{}
		}),
		records("what has passed is counted by the worker's clock alone", func(r *payment.LookupRecord, _ *payment.Payment) {
			r.Sent.DB = time.Time{}
		}),
		picks("a lease that ends in the far future is believed", func(r *payment.KeyRules, _ *payment.Payment) { r.MaxLease = 0 }),
		claims("a takeover counts from now and not from the end of the lease",
			func(was payment.Payment, d *payment.Decision, now time.Time) {
				u := &d.Payment.Doubt.Unanswered
				if ahead := u.DB.Sub(now); was.State == payment.StateProcessing && ahead > 0 {
					u.DB, u.Worker = now, u.Worker.Add(-ahead)
				}
			}),
	}
}

// bugsOfEvidence lose evidence, or trust an operator too much.
func bugsOfEvidence() []bug {
	return []bug{
		{name: "the approval of a worker that was fenced out is dropped", payments: func(p ports.Payments) ports.Payments {
			return lossyPayments{p}
		}},
		approves("an approval does not raise the fencing number", func(_ payment.Approval, was payment.Payment, d *payment.Decision) {
			d.Payment.Fence = was.Fence
		}),
		approves("evidence overwrites a success", func(a payment.Approval, _ payment.Payment, d *payment.Decision) {
			if d.Verdict == payment.VerdictDouble {
				d.Payment.TransactionID = a.TransactionID
			}
		}),
		{name: "a charge that is found with a left key is ignored", rules: func(rules *fake.Rules) {
			rules.RecordLookup = func(r payment.LookupRecord, p payment.Payment, now time.Time) (payment.Decision, error) {
				if r.Result.Result == payment.FoundApproved && p.GatewayKey != r.Key {
					return payment.Decision{Verdict: payment.VerdictWritten, Payment: p}, nil
				}
				return r.Apply(p, now)
			}
		}},
		{name: "an import overwrites a key in doubt", rules: func(rules *fake.Rules) {
			rules.Import = func(i payment.Import, p payment.Payment, now time.Time) (payment.Decision, error) {
				i.Overwrite = true
				return i.Apply(p, now)
			}
		}},
		{name: "a person's failed ends the lookups", rules: func(rules *fake.Rules) {
			rules.Resolve = func(r payment.Resolution, p payment.Payment, now time.Time) (payment.Decision, error) {
				d, err := r.Apply(p, now)
				d.Payment.Keys = slices.Clone(d.Payment.Keys)
				if k := keyOf(&d.Payment, d.Payment.GatewayKey); err == nil && k != nil {
					k.DueAt, k.WatchUntil = time.Time{}, time.Time{}
				}
				return d, err
			}
		}},
	}
}

// approves is a bug in how an approval is recorded, by a fenced-out worker or by a lookup.
func approves(name string, spoil func(a payment.Approval, was payment.Payment, d *payment.Decision)) bug {
	return bug{name: name, rules: func(rules *fake.Rules) {
		rules.RecordApproval = func(a payment.Approval, p payment.Payment, now time.Time) (payment.Decision, error) {
			d, err := a.Apply(p, now)
			spoil(a, p, &d)
			return d, err
		}
		rules.RecordLookup = func(r payment.LookupRecord, p payment.Payment, now time.Time) (payment.Decision, error) {
			d, err := r.Apply(p, now)
			if d.Verdict == payment.VerdictEvidence || d.Verdict == payment.VerdictDouble {
				spoil(payment.Approval{TransactionID: r.Result.TransactionID}, p, &d)
			}
			return d, err
		}
	}}
}
