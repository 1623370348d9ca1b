package vendors

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// bug is a mistake that is planted on purpose between the core and an adapter, and the scenario that must find it.
type bug struct {
	name, scenario string
	plant          func(ports.Gateway) ports.Gateway
}

var bugs = []bug{
	{"an attempt without an answer is taken for not charged", "stripe before square", func(g ports.Gateway) ports.Gateway {
		return changed{Gateway: g, result: func(r payment.Result) payment.Result {
			if r.Class.Unknown() {
				r.Class = payment.ClassNotCharged
			}
			return r
		}}
	}},
	{"every repeat has a key of its own", "square before http", func(g ports.Gateway) ports.Gateway {
		return &renamed{Gateway: g, sent: make(map[payment.GatewayKey]int)}
	}},
	{"every repeat of a refund has a key of its own", "stripe, paid, refunded", func(g ports.Gateway) ports.Gateway {
		return &renamed{Gateway: g, refunds: true, sent: make(map[payment.GatewayKey]int)}
	}},
	{"lookups are believed before the lag has passed", "stripe, approves", func(g ports.Gateway) ports.Gateway {
		return changed{Gateway: g, can: func(c payment.Capabilities) payment.Capabilities {
			c.LookupLag = 0
			return c
		}}
	}},
	{"lookups find nothing", "stripe, approves", func(g ports.Gateway) ports.Gateway {
		return changed{Gateway: g, lookup: func(payment.Lookup) payment.Lookup {
			return payment.Lookup{Result: payment.FoundNothing}
		}}
	}},
}

// changed changes what a gateway says.
type changed struct {
	ports.Gateway

	result func(payment.Result) payment.Result
	lookup func(payment.Lookup) payment.Lookup
	can    func(payment.Capabilities) payment.Capabilities
}

func (g changed) Charge(ctx context.Context, c payment.Charge) payment.Result {
	r := g.Gateway.Charge(ctx, c)
	if g.result != nil {
		r = g.result(r)
	}
	return r
}

func (g changed) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	l := g.Gateway.LookUp(ctx, ref)
	if g.lookup != nil {
		l = g.lookup(l)
	}
	return l
}

func (g changed) Capabilities() payment.Capabilities {
	c := g.Gateway.Capabilities()
	if g.can != nil {
		c = g.can(c)
	}
	return c
}

// renamed sends a repeat with another key.
type renamed struct {
	ports.Gateway

	refunds bool // only those of refunds
	mu      sync.Mutex
	sent    map[payment.GatewayKey]int
}

func (g *renamed) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if !g.refunds || c.Operation.Kind == payment.KindRefund {
		g.mu.Lock()
		if g.sent[c.Key]++; g.sent[c.Key] > 1 {
			c.Key += payment.GatewayKey(fmt.Sprintf("-%d", g.sent[c.Key]))
		}
		g.mu.Unlock()
	}
	return g.Gateway.Charge(ctx, c)
}

// TestBugs_AreFound plants each bug, and requires that a single fault shows it.
func TestBugs_AreFound(t *testing.T) {
	t.Parallel()
	all := make(map[string]scenario)
	for _, sc := range scenarios() {
		all[sc.name] = sc
	}
	for _, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sc, found := all[b.scenario]
				require.True(t, found, b.scenario)
				counts, err := injectEverywhere(t, sc, false, &b, sample{single: 1, pair: 1 << 30})
				require.Error(t, err, "%v", counts)
				t.Logf("found after %d runs: %.200s", counts["one fault"]+1, err)
			})
		})
	}
}
