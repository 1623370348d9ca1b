package payment

import (
	"fmt"
	"slices"
	"time"
)

// At returns the rules for the keys of a gateway, and whether that gateway is configured. A key without a
// gateway, which the previous version sent, is one of the gateway that the rules are for.
func (r KeyRules) At(id GatewayID) (rules KeyRules, configured bool) {
	if id == "" || id == r.Gateway {
		return r, true
	}
	i := slices.IndexFunc(r.Gateways, func(c Capabilities) bool { return c.Gateway == id })
	if i < 0 {
		return r, false
	}
	r.Capabilities = r.Gateways[i]
	return r, true
}

// Configured returns the gateways whose keys may be sent and looked up.
func (r KeyRules) Configured() []GatewayID {
	ids := []GatewayID{r.Gateway}
	for _, c := range r.Gateways {
		if c.Gateway != r.Gateway {
			ids = append(ids, c.Gateway)
		}
	}
	return ids
}

// Route returns the gateways that may charge a payment, in order of preference: at least one. The error is
// a *[FieldError] that says why there is none.
func (r KeyRules) Route(m Money, method PaymentMethod, capture CaptureMode) ([]GatewayID, error) {
	w := wanted{m, method, capture}
	route := r.route(w)
	switch {
	case len(route) > 0:
		return route, nil
	case len(r.route(wanted{m, method, CaptureAutomatic})) > 0:
		return nil, &FieldError{
			Field: "capture", Message: "capture must be automatic, because no gateway for this payment can hold money",
		}
	case len(r.Gateways) > 0 && !r.Routes.Match(m):
		return nil, &FieldError{Field: "currency", Message: "no gateway takes this amount in this currency; use another amount or currency"}
	case method == "":
		return nil, &FieldError{Field: "payment_method", Message: "payment_method must be given, because the gateway for this payment needs one"}
	}
	return nil, &FieldError{
		Field: "payment_method", Message: "payment_method must be one that a gateway for this amount and currency accepts",
	}
}

// wanted is what the route of a payment depends on.
type wanted struct {
	money   Money
	method  PaymentMethod
	capture CaptureMode
}

// route returns what the payment's route depends on, with a payment method.
func (p *Payment) route(method PaymentMethod) wanted { return wanted{p.Money, method, p.Capture} }

// route is [KeyRules.Route], without a reason if there is no gateway.
func (r KeyRules) route(w wanted) []GatewayID {
	var route []GatewayID
	switch {
	case len(r.Gateways) > 0:
		route = r.Routes.Gateways(w.money, w.method)
	case !r.NeedsMethod || w.method != "":
		route = []GatewayID{r.Gateway}
	}
	if w.capture == CaptureAutomatic {
		return route
	}
	return slices.DeleteFunc(slices.Clone(route), func(id GatewayID) bool {
		own, configured := r.At(id)
		return !configured || !own.Operations.Has(OperationCapture|OperationVoid)
	})
}

// preferred returns the gateway for the next attempt of a payment whose key is closed: the first of the
// route that is available, or the first if none is. Empty if the route is.
func (r KeyRules) preferred(w wanted) GatewayID {
	if len(r.Gateways) == 0 {
		return r.Gateway
	}
	route := r.route(w)
	for _, id := range route {
		if !slices.Contains(r.Unavailable, id) {
			return id
		}
	}
	if len(route) > 0 {
		return route[0]
	}
	return ""
}

// nextTarget returns the gateway for the next attempt of a payment whose key is closed; empty if no gateway
// takes the payment method. A round that the queue
// continues stays at its gateway while that is available, because its retries are counted there.
func (p *Payment) nextTarget(r KeyRules, method PaymentMethod) GatewayID {
	if !p.Operation.IsCharge() { // only the gateway that has the charge can do something with it
		if _, configured := r.At(p.Of.Gateway); !configured {
			return ""
		}
		return p.Of.Gateway
	}
	continued := p.State == StateScheduled && p.Retries > 0 && p.Gateway != ""
	if _, configured := r.At(p.Gateway); continued && configured && !slices.Contains(r.Unavailable, p.Gateway) {
		return p.Gateway
	}
	target := r.preferred(p.route(method))
	if _, configured := r.At(p.Gateway); target == "" && configured && method == p.Method {
		return p.Gateway // the routes have changed since
	}
	return target
}

// Failover lets a payment go to the next gateway of its route, instead of another attempt at the same one.
type Failover struct {
	Rules KeyRules
	// NewKey is a fresh gateway key, used if the order has no key that can be used at the next gateway.
	NewKey GatewayKey
}

// NextGateway returns the gateway to which the payment may go after a round at its current gateway that
// ended with this result, and whether there is one. Only a closed key lets it go, and a decline or a
// rejection never does.
func (p Payment) NextGateway(r KeyRules, last Result, doubt Doubt) (GatewayID, bool) {
	if last.Class != ClassNotCharged || doubt.Any() || !p.Operation.IsCharge() {
		return "", false
	}
	route := r.route(p.route(p.Method))
	i := slices.Index(route, p.Gateway)
	if i < 0 {
		return "", false
	}
	for _, id := range route[i+1:] {
		if !slices.Contains(r.Unavailable, id) {
			return id, true
		}
	}
	return "", false
}

// apply moves the payment to the next gateway, with a key that is sent now.
func (f Failover) apply(d *Decision, p *Payment, last Result, now Instant) {
	next, ok := p.NextGateway(f.Rules, last, p.Doubt)
	if !ok {
		return
	}
	from := p.Gateway
	d.PriorAttempt = p.archiveAttempt(now.DB)
	left := p.moveTo(f.Rules, next, f.NewKey, p.Method, now)
	p.Retries = 0
	p.Attempt.Fence, p.Attempt.Replica = p.Fence, p.Replica
	p.Attempt.GatewayKey, p.Attempt.StartedAt = p.GatewayKey, now.DB
	rules, _ := f.Rules.At(next)
	p.bindKey(rules.Capabilities, now)
	p.UpdatedAt = now.DB
	d.Payment = *p
	d.storeKey(*left)
	d.reopenKey(p.GatewayKey)
	d.addEvent(EventFailedOver, p.Replica, fmt.Sprintf("from %s to %s: %s", from, next, last.Message))
	*p = d.Payment
}

// moveTo gives the payment a key of another gateway: one that the order has there and that can be used
// again, or the new key. It returns the record of the key that the payment leaves, which is closed.
func (p *Payment) moveTo(r KeyRules, id GatewayID, newKey GatewayKey, method PaymentMethod, now Instant) *Key {
	left := p.key()
	left.close(ClosedNotCharged, now)
	k, usable := p.usableKey(r, id, method, now)
	if !usable {
		p.replaceKey(newKey, method)
		return &left
	}
	p.GatewayKey, p.Gateway, p.KeySent, p.KeyLifetime = k.Key, k.Gateway, k.Sent, k.Lifetime
	p.Method, p.ReturnURL, p.Doubt = k.Method, k.ReturnURL, Doubt{}
	return &left
}

// usableKey returns the key that the order has at a gateway, if it can be sent again: it is closed without
// a decline, has the same payment method, and no decline came since.
func (p *Payment) usableKey(r KeyRules, id GatewayID, method PaymentMethod, now Instant) (Key, bool) {
	at, _ := r.At(id)
	var found Key
	for _, k := range p.Keys {
		if k.Gateway == id && k.Method == method && k.reusable() && !at.KeyUsedUp() &&
			!at.Expired(k.Sent, k.Lifetime, now) && k.ClosedAt.After(found.ClosedAt) {
			found = k
		}
	}
	return found, found.Key != "" && !p.declinedSince(found.ClosedAt)
}

// reusable reports whether the key is closed in a way that lets it be sent again.
func (k Key) reusable() bool {
	switch k.Closed {
	case ClosedNotCharged, ClosedAbsent, ClosedPerson:
		return k.Refusal.Class != ClassDeclined
	case "", ClosedDeclined, ClosedVoided, ClosedCharged:
	}
	return false
}

// declinedSince reports whether a key of the order was declined at that moment or later.
func (p *Payment) declinedSince(at time.Time) bool {
	return slices.ContainsFunc(p.Keys, func(k Key) bool { return k.Closed == ClosedDeclined && !k.ClosedAt.Before(at) })
}

// declinedKey returns the record of the current key if it was declined and the order has other keys, which
// must not be used again after the decline; nil otherwise.
func (p *Payment) declinedKey(now Instant) *Key {
	if p.State != StateDeclined || len(p.Keys) == 0 {
		return nil
	}
	k := p.key()
	k.close(ClosedDeclined, now)
	return &k
}
