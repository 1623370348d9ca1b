package simulation

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// bug is a planted mistake in the service. The service has no hooks for it: decisions under a payment's
// lock are replaced in the fake repository, and calls through ports are changed on the way to the real
// adapter.
type bug struct {
	name string
	// unaudited switches the checks of the database and the gateway off: only what the clients saw may
	// reveal the mistake.
	unaudited bool

	settings func(*core.Settings)
	rules    func(*fake.Rules)
	payments func(ports.Payments) ports.Payments
	gateway  func(ports.Gateway) ports.Gateway
}

// claims is a bug in how requests and the queue claim payments: spoil gets the payment before the claim
// and the right decision.
func claims(name string, spoil func(was payment.Payment, d *payment.Decision, now time.Time)) bug {
	return bug{name: name, rules: func(r *fake.Rules) {
		r.Decide = func(a payment.ClaimRequest, p payment.Payment, now time.Time) payment.Decision {
			d := a.Decide(p, now)
			spoil(p, &d, now)
			return d
		}
		r.PickUp = func(t payment.PickUpPolicy, p payment.Payment, now time.Time) payment.Decision {
			d := t.PickUp(p, now)
			spoil(p, &d, now)
			return d
		}
	}}
}

// decides is a bug in what the decision on a request is based on.
func decides(name string, spoil func(a *payment.ClaimRequest, p *payment.Payment, now time.Time)) bug {
	return bug{name: name, rules: func(r *fake.Rules) {
		r.Decide = func(a payment.ClaimRequest, p payment.Payment, now time.Time) payment.Decision {
			spoil(&a, &p, now)
			return a.Decide(p, now)
		}
	}}
}

// settles is a bug in a settlement.
func settles(name string, spoil func(s *payment.Settlement, p *payment.Payment)) bug {
	return bug{name: name, rules: func(r *fake.Rules) {
		r.Settle = func(s payment.Settlement, p payment.Payment, now time.Time) (payment.Decision, error) {
			spoil(&s, &p)
			return s.Apply(p, now)
		}
	}}
}

// records is a bug in the conclusion from a lookup.
func records(name string, spoil func(r *payment.LookupRecord, p *payment.Payment)) bug {
	return bug{name: name, rules: func(rules *fake.Rules) {
		rules.RecordLookup = func(r payment.LookupRecord, p payment.Payment, now time.Time) (payment.Decision, error) {
			p.Keys = slices.Clone(p.Keys)
			spoil(&r, &p)
			return r.Apply(p, now)
		}
	}}
}

// picks is a bug in what requests and the queue decide by: spoil gets the rules and the payment.
func picks(name string, spoil func(r *payment.KeyRules, p *payment.Payment)) bug {
	return bug{name: name, rules: func(rules *fake.Rules) {
		rules.Decide = func(a payment.ClaimRequest, p payment.Payment, now time.Time) payment.Decision {
			spoil(&a.Rules, &p)
			return a.Decide(p, now)
		}
		rules.PickUp = func(t payment.PickUpPolicy, p payment.Payment, now time.Time) payment.Decision {
			spoil(&t.Rules, &p)
			return t.PickUp(p, now)
		}
	}}
}

// keyOf returns the record of a payment's key, which the caller may change, or nil.
func keyOf(p *payment.Payment, key payment.GatewayKey) *payment.Key {
	for i := range p.Keys {
		if p.Keys[i].Key == key {
			return &p.Keys[i]
		}
	}
	return nil
}

// lossyPayments does not record approvals.
type lossyPayments struct{ ports.Payments }

func (p lossyPayments) RecordApproval(
	ctx context.Context, a payment.Approval,
) (payment.Payment, payment.Verdict, error) {
	is, err := p.Find(ctx, a.OrderID)
	return is, payment.VerdictReplay, err
}

// believesDeclines accepts a decline as the result of all attempts with the key, without a lookup.
func believesDeclines(name string) bug {
	var mu sync.Mutex
	declined := make(map[payment.GatewayKey]bool)
	return mutates(name, mutatedGateway{
		charge: func(ctx context.Context, g ports.Gateway, c payment.Charge) payment.Result {
			r := g.Charge(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			declined[c.Key] = r.Class == payment.ClassDeclined
			return r
		},
		lookUp: func(ctx context.Context, g ports.Gateway, ref payment.ChargeRef) payment.Lookup {
			mu.Lock()
			believed := declined[ref.Key]
			mu.Unlock()
			if believed {
				return payment.Lookup{Result: payment.FoundDeclined, Code: "card_declined"}
			}
			return g.LookUp(ctx, ref)
		},
	})
}

// earlySettles reports a settlement as written, and writes it later.
type earlySettles struct{ ports.Payments }

func (p earlySettles) Settle(ctx context.Context, s payment.Settlement) error {
	go func() {
		time.Sleep(time.Second)
		_ = p.Payments.Settle(ctx, s)
	}()
	return nil
}

// failingReads hides a decline from waiting requests, so that the worker seems to be lost.
type failingReads struct{ ports.Payments }

func (p failingReads) Find(ctx context.Context, id payment.OrderID) (payment.Payment, error) {
	is, err := p.Payments.Find(ctx, id)
	if is.State == payment.StateDeclined {
		is.State, is.DueAt = payment.StateProcessing, is.SeenAt
	}
	return is, err
}

// mutatedGateway is a gateway that the service uses wrongly.
type mutatedGateway struct {
	ports.Gateway

	charge     func(context.Context, ports.Gateway, payment.Charge) payment.Result
	lookUp     func(context.Context, ports.Gateway, payment.ChargeRef) payment.Lookup
	cancel     func(context.Context, ports.Gateway, payment.ChargeRef) payment.Lookup
	repeatable bool
}

func (g mutatedGateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if g.charge == nil {
		return g.Gateway.Charge(ctx, c)
	}
	return g.charge(ctx, g.Gateway, c)
}

func (g mutatedGateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if g.lookUp == nil {
		return g.Gateway.LookUp(ctx, ref)
	}
	return g.lookUp(ctx, g.Gateway, ref)
}

func (g mutatedGateway) Cancel(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if g.cancel == nil {
		return g.Gateway.Cancel(ctx, ref)
	}
	return g.cancel(ctx, g.Gateway, ref)
}

func (g mutatedGateway) Capabilities() payment.Capabilities {
	c := g.Gateway.Capabilities()
	if g.repeatable {
		c.Repeat = cmp.Or(c.Repeat, payment.RepeatFirstSuccess)
	}
	return c
}

func mutates(name string, t mutatedGateway) bug {
	return bug{name: name, gateway: func(g ports.Gateway) ports.Gateway {
		own := t
		own.Gateway = g
		return own
	}}
}

// charges is a bug in how the gateway is charged.
func charges(name string, charge func(context.Context, ports.Gateway, payment.Charge) payment.Result) bug {
	return mutates(name, mutatedGateway{charge: charge})
}

// looksUp is a bug in how the answer to a lookup is read.
func looksUp(name string, read func(payment.Lookup) payment.Lookup) bug {
	return mutates(name, mutatedGateway{
		lookUp: func(ctx context.Context, g ports.Gateway, ref payment.ChargeRef) payment.Lookup {
			return read(g.LookUp(ctx, ref))
		},
	})
}

// chargingReconciler charges if the gateway knows no charge.
func chargingReconciler(name string) bug {
	var mu sync.Mutex
	seen := make(map[payment.GatewayKey]payment.Charge)
	return mutates(name, mutatedGateway{
		charge: func(ctx context.Context, g ports.Gateway, c payment.Charge) payment.Result {
			mu.Lock()
			seen[c.Key] = c
			mu.Unlock()
			return g.Charge(ctx, c)
		},
		lookUp: func(ctx context.Context, g ports.Gateway, ref payment.ChargeRef) payment.Lookup {
			found := g.LookUp(ctx, ref)
			mu.Lock()
			c, known := seen[ref.Key]
			mu.Unlock()
			if found.Result == payment.FoundNothing && known {
				g.Charge(ctx, c)
				found = g.LookUp(ctx, ref)
			}
			return found
		},
	})
}
