package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"paymentd/adapters/resilience"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// routedGateway is one of several gateways between which the replicas have routes.
type routedGateway struct {
	id     payment.GatewayID
	can    capabilities
	faults gatewayFaults
}

// drawRoutes draws the gateways and the routes between them, and what else there is in some worlds only:
// payment methods, customers who must act, and events.
func drawRoutes(seed uint64, set *settings) {
	s := newStream(seed, "routes")
	if s.chance(0.4) {
		set.twoGateways = false
		for _, id := range []payment.GatewayID{mainGateway, otherGateway, thirdGateway}[:one(s, 2, 2, 3)] {
			set.routed = append(set.routed, drawRoutedGateway(newStream(seed, "routes", id), id, *set))
		}
		set.routed[0].can.Capabilities = without(set.routed[0].can.Capabilities)
		if s.chance(0.4) {
			set.largeFirst = fmt.Sprintf("%d.00", 2+s.IntN(8))
		}
	}
	s = newStream(seed, "methods")
	set.methods = s.chance(0.4)
	set.returnURLs = s.chance(0.3)
	if s.chance(0.5) {
		set.service.PendingTimeout = s.between(time.Minute, 15*time.Minute)
	}
	if s.chance(0.4) {
		set.events = s.between(5*time.Second, 2*time.Minute)
	}
	set.refunds = newStream(seed, "refunds").chance(0.5)
	set.holds = newStream(seed, "holds").chance(0.5)
	set.voids = newStream(seed, "voids").chance(0.5)
	s = newStream(seed, "cancels")
	set.gateway.Cancels = s.chance(0.7)
	for i := range set.routed {
		g := &set.routed[i]
		g.can.Cancels = s.chance(0.7)
		g.can.NeedsMethod = set.methods && s.chance(0.2)
		g.can.Operations = set.operations()
	}
	set.gateway.Operations = set.operations()
}

// without leaves the first gateway one that can be looked up, so that most payments end.
func without(c payment.Capabilities) payment.Capabilities {
	c.LooksUp = true
	return c
}

// drawRoutedGateway draws a gateway that refuses more often than a single one does, so that payments go to
// the next one.
func drawRoutedGateway(s stream, id payment.GatewayID, set settings) routedGateway {
	g := routedGateway{id: id, can: drawGateway(s, set), faults: drawGatewayFaults(s)}
	g.can.Gateway = id
	g.can.LooksUp = !s.chance(0.08)
	if s.chance(0.6) {
		*one(s, &g.faults.refuse, &g.faults.refuse, &g.faults.uncharged) += 1 + 4*s.Float64()
	}
	if s.chance(0.3) {
		g.faults.pending = s.Float64()
	}
	return g
}

// at returns the settings for one of the gateways, as they are for the single one.
func (set settings) at(id payment.GatewayID) settings {
	if i := slices.IndexFunc(set.routed, func(g routedGateway) bool { return g.id == id }); i >= 0 {
		set.gateway, set.gatewayFaults = set.routed[i].can, set.routed[i].faults
	}
	set.gateway.Gateway = id
	return set
}

// can returns what a key's gateway can prove.
func (set settings) can(id payment.GatewayID) capabilities { return set.at(id).gateway }

// routes returns the routes between the gateways.
func (set settings) routes() payment.Routes {
	var known []payment.RouteGateway
	var all payment.Route
	for _, g := range set.routed {
		known = append(known, payment.RouteGateway{ID: g.id, NeedsMethod: g.can.NeedsMethod})
		all.Use = append(all.Use, g.id)
	}
	rules := []payment.Route{all}
	if set.largeFirst != "" {
		from, err := payment.ParseThreshold(set.largeFirst)
		if err != nil {
			panic(err)
		}
		large := payment.Route{AmountFrom: from, Use: slices.Clone(all.Use)}
		slices.Reverse(large.Use)
		rules = []payment.Route{large, all}
	}
	routes, err := payment.NewRoutes(known, rules)
	if err != nil {
		panic(err)
	}
	return routes
}

// gateways returns the gateways for which the replicas of a slot are configured.
func (w *world) gateways(r *replica, slot int, connect func(gatewayLedger) ports.Gateway) core.Gateways {
	guard := func(b gatewayLedger) core.Gateway {
		g := resilience.NewGuard(connect(b), resilience.GuardOptions{Timeout: w.gatewayTimeout, MaxConcurrent: 64})
		return core.Gateway{Gateway: g, Retry: pausable{resilience.NewRetry(w.retry), r}, Breaker: g}
	}
	if len(w.routed) == 0 {
		g := guard(w.ledgerOf(slot))
		return core.OneGateway(g.Gateway, g.Retry)
	}
	var all []core.Gateway
	for i := range w.routed {
		all = append(all, guard(w.audit.banks[i]))
	}
	return core.NewGateways(all, w.routes())
}

// gatewayAway reports whether an outage of this gateway is on, and which. With routes, each outage is one of a
// single gateway.
func (w *world) gatewayAway(id payment.GatewayID) (n int, away bool) {
	n, away = w.gatewayOutages.now()
	if len(w.routed) > 0 && away {
		away = w.routed[n%len(w.routed)].id == id
	}
	return n, away
}

// sendEvents sends events of the gateways: of any key that an order ever had, at any moment, several times, with a report
// that may be wrong, and of charges that the table does not have.
func (w *world) sendEvents() {
	if w.events == 0 {
		return
	}
	s := w.stream("events")
	for n := 1; w.faultsActive() && w.sleep(s.about(w.events)); n++ {
		e := core.GatewayEvent{
			ID: fmt.Sprintf("event-%d", n), Kind: "charge", Gateway: mainGateway, OrderID: orderID(s.IntN(w.orders)),
			Key: payment.GatewayKey(fmt.Sprintf("unknown-%d", s.IntN(3))),
			Says: one(s, payment.FoundApproved, payment.FoundDeclined, payment.FoundPending, payment.FoundVoided,
				payment.FoundProcessing),
		}
		if keys := w.audit.keysOf(e.OrderID); len(keys) > 0 && s.chance(0.9) {
			e.Key = one(s, keys...)
			e.Gateway = w.audit.gatewayOf(e.OrderID, e.Key)
		}
		for range one(s, 1, 1, 2, 3) {
			w.sendEvent(s, e)
		}
	}
}

// sendEvent sends an event to one of the replicas, which may die meanwhile.
func (w *world) sendEvent(s stream, e core.GatewayEvent) {
	r := w.running(s.IntN(w.replicas))
	if r == nil || e.Gateway == "" {
		return
	}
	w.trace.add("gateway", e.OrderID, "%s reports to %s: %s is %s", e.ID, r.name, e.Key, e.Says)
	w.calls.Add(1)
	go func() {
		defer w.calls.Add(-1)
		_, _ = r.Notify(context.Background(), e) // the gateway would send it again
	}()
	time.Sleep(s.between(time.Microsecond, time.Second))
}

// gatewayOf returns the gateway of a key that an order has had; empty if it was never sent.
func (a *audit) gatewayOf(id payment.OrderID, key payment.GatewayKey) payment.GatewayID {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.record(id).log(key).gateway
}

// actsInTime reports whether the customer of a pending charge acts at all. The charge of a key that the payment
// has left is not cancelled, and is looked up until it is decided.
func (w *world) actsInTime(id payment.OrderID, b gatewayLedger, key payment.GatewayKey) bool {
	if w.audit.currentKey(id) != key {
		return true
	}
	abandons := w.service.PendingTimeout > 0 && w.can(b.id).Cancels && b.Decided(key).RedirectURL != ""
	return !abandons || w.stream("customer", key).chance(0.5)
}

// currentKey returns the key of an order's payment.
func (a *audit) currentKey(id payment.OrderID) payment.GatewayKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.record(id).payment.GatewayKey
}

// method draws the payment method of a request: the order's own, another one, or none.
func (c *client) method(i int) payment.PaymentMethod {
	if !c.world.methods || c.chance(0.2) {
		return ""
	}
	if c.chance(0.2) {
		return payment.PaymentMethod(fmt.Sprintf("pm_%d_other", i+1))
	}
	return payment.PaymentMethod(fmt.Sprintf("pm_%d", i+1))
}

// lacksMethod reports whether an error says that the request needs a payment method, and it has none.
func (w *world) lacksMethod(request core.Request, err error) bool {
	var field *payment.FieldError
	return w.methods && request.Method == "" && errors.As(err, &field) && field.Field == "payment_method"
}
