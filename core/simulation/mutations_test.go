package simulation

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// TestMutations breaks the service on purpose, in one way at a time. The simulation must find every
// mistake.
func TestMutations(t *testing.T) {
	const seeds = 2000
	for _, b := range slices.Concat(bugsUnderTheLock(), bugsOfTheQueue(), bugsAtTheGateway(), bugsOfTheWorker(),
		bugsOfProof(), bugsOfLooks(), bugsOfLifetime(), bugsOfClocks(), bugsOfEvidence(), bugsOfRules(),
		bugsOfFailover(), bugsOfPending(), bugsOfCancellations(), bugsOfRefunds()) {
		t.Run(b.name, func(t *testing.T) { mustFind(t, b, seeds) })
	}
}

// TestClientsNotice breaks the service in ways that only its clients can notice, by their answers. The
// checks of the database and the gateway are off.
func TestClientsNotice(t *testing.T) {
	const seeds = 500
	lies := []string{
		"answered before it is durable",
		"a success is replayed for any amount",
		"no lock: two claims at once succeed",
		"no fencing check at settle",
	}
	for _, b := range slices.Concat(bugsUnderTheLock(), bugsOfTheWorker()) {
		if b.unaudited = slices.Contains(lies, b.name); b.unaudited {
			t.Run(b.name, func(t *testing.T) { mustFind(t, b, seeds) })
		}
	}
}

// mustFind searches for a bug, and fails if no seed finds it.
func mustFind(t *testing.T, b bug, seeds uint64) {
	t.Helper()
	if raceDetector {
		t.Skip("the search for a mistake takes minutes under the race detector: make test/proofs does it without")
	}
	for seed := range firstFoundBy(b.name, seeds) {
		if out := simulate(t, seed, b); out.violation != nil {
			what, _, _ := strings.Cut(out.violation.what, "\n")
			t.Logf("%s: found by seed %d with: %s", b.name, seed, what)
			return
		}
	}
	t.Errorf("%s: %d seeds did not find it", b.name, seeds)
}

// bugsUnderTheLock are wrong decisions about a requested payment.
func bugsUnderTheLock() []bug {
	return []bug{
		claims("no lock: two claims at once succeed", func(was payment.Payment, d *payment.Decision, now time.Time) {
			if d.Verdict == payment.VerdictBusy && now.Sub(was.UpdatedAt) < time.Second {
				d.Verdict = payment.VerdictClaimed
			}
		}),
		claims("a claim does not raise the fencing number", func(was payment.Payment, d *payment.Decision, _ time.Time) {
			if d.Verdict == payment.VerdictClaimed {
				d.Payment.Fence = max(was.Fence, 1)
			}
		}),
		claims("a takeover mints a new gateway key", func(was payment.Payment, d *payment.Decision, _ time.Time) {
			if d.Verdict == payment.VerdictClaimed && was.State == payment.StateProcessing {
				d.Payment.GatewayKey += "-new"
			}
		}),
		claims("a takeover forgets the doubt", func(was payment.Payment, d *payment.Decision, _ time.Time) {
			if d.Verdict == payment.VerdictClaimed && was.State == payment.StateProcessing {
				d.Payment.Doubt = payment.Doubt{}
			}
		}),
		decides("the lease of a live worker is ignored", func(_ *payment.ClaimRequest, p *payment.Payment, now time.Time) {
			if p.State == payment.StateProcessing {
				p.DueAt = now
			}
		}),
		decides("a success is replayed for any amount", func(a *payment.ClaimRequest, p *payment.Payment, _ time.Time) {
			if p.State == payment.StateSucceeded {
				a.Money = p.Money
			}
		}),
		settles("no fencing check at settle", func(s *payment.Settlement, p *payment.Payment) {
			s.Fence, p.State = p.Fence, s.State
		}),
		settles("the doubt of a payment that is handed over is lost", func(s *payment.Settlement, p *payment.Payment) {
			if s.Outcome.State == payment.StateScheduled {
				s.End, p.Doubt = nil, payment.Doubt{}
			}
		}),
		{name: "the lease is not renewed", rules: func(r *fake.Rules) {
			r.Renew = func(n payment.Renewal, p payment.Payment, now time.Time) (payment.Decision, error) {
				d, err := n.Apply(p, now)
				d.Payment.DueAt = p.DueAt
				return d, err
			}
		}},
	}
}

// bugsOfTheQueue are mistakes in background work.
func bugsOfTheQueue() []bug {
	return []bug{
		{name: "the queue drops what is scheduled", rules: func(r *fake.Rules) {
			r.PickUp = func(t payment.PickUpPolicy, p payment.Payment, now time.Time) payment.Decision {
				d := t.PickUp(p, now)
				if d.Write && p.State == payment.StateScheduled {
					d.Verdict, d.Payment.DueAt = payment.VerdictNotDue, time.Time{}
				}
				return d
			}
		}},
		{name: "living replicas are called silent", settings: func(s *core.Settings) { s.HeartbeatTimeout /= 10 }},
		{name: "more payments at once than workers", settings: func(s *core.Settings) { s.Workers *= 4 }},
		{name: "failed without waiting for late charges", settings: func(s *core.Settings) { s.Late = time.Nanosecond }},
		chargingReconciler("the reconciler charges"),
	}
}

// bugsAtTheGateway are wrong conclusions from answers of the gateway.
func bugsAtTheGateway() []bug {
	return []bug{
		looksUp("failed without asking the gateway", func(payment.Lookup) payment.Lookup {
			return payment.Lookup{Result: payment.FoundNothing}
		}),
		looksUp("what the gateway is still at is taken for nothing", func(l payment.Lookup) payment.Lookup {
			if l.Result == payment.FoundProcessing {
				l.Result = payment.FoundNothing
			}
			return l
		}),
		charges("an unknown outcome is taken for not charged",
			func(ctx context.Context, g ports.Gateway, c payment.Charge) payment.Result {
				r := g.Charge(ctx, c)
				if r.Class.Unknown() {
					r.Class = payment.ClassNotCharged
				}
				return r
			}),
		charges("a decline is tried again with a new key",
			func(ctx context.Context, g ports.Gateway, c payment.Charge) payment.Result {
				r := g.Charge(ctx, c)
				if r.Class == payment.ClassDeclined {
					c.Key += "-again"
					r = g.Charge(ctx, c)
				}
				return r
			}),
		mutates("a gateway without keys is asked again", mutatedGateway{repeatable: true}),
	}
}

// bugsOfTheWorker are mistakes in writing an outcome and in waiting for one.
func bugsOfTheWorker() []bug {
	return []bug{
		{name: "answered before it is durable", payments: func(p ports.Payments) ports.Payments {
			return earlySettles{p}
		}},
		{name: "a batch is reported before its commit", payments: func(p ports.Payments) ports.Payments {
			return earlyBatches{newSharedPayments(p)}
		}},
		{name: "a waiter begins a round after a decline", payments: func(p ports.Payments) ports.Payments {
			return failingReads{p}
		}},
	}
}
