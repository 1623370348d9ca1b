package httpapi

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"paymentd/adapters/httpapi/internal/wire"
	"paymentd/core"
	"paymentd/core/payment"
)

// GatewayStatus is a gateway as GET /gateways shows it.
type GatewayStatus struct {
	Name         string
	Kind         string
	Capabilities payment.Capabilities
	Breaker      string        // closed, open or half_open
	RetryIn      time.Duration // zero if an attempt can be made now
	InFlight     int           // attempts
	MaxInFlight  int
	Calls        core.GatewayCalls // of this process
}

// gateways serves GET /gateways.
func (a *api) gateways(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	body := wire.GatewayList{Gateways: []wire.Gateway{}}
	for _, g := range a.options.Gateways() {
		if !infoOf(c).limits.AllowGateway(string(g.Capabilities.Gateway)) {
			continue
		}
		body.Gateways = append(body.Gateways, viewGateway(g))
	}
	return a.respond(c, http.StatusOK, body)
}

func viewGateway(g GatewayStatus) wire.Gateway {
	c := g.Capabilities
	repeat := string(c.Repeat)
	if c.Repeat == payment.RepeatCharges {
		repeat = string(wire.NewCharge)
	}
	return wire.Gateway{
		Name: g.Name, Kind: g.Kind, ID: string(c.Gateway),
		Capabilities: wire.Capabilities{
			Repeat: wire.CapabilitiesRepeat(repeat), KeyLifetimeSeconds: c.KeyLifetime.Seconds(), MaxKeyBytes: c.MaxKeyBytes,
			LooksUp: c.LooksUp, LookupLagSeconds: c.LookupLag.Seconds(), LookupForgets: c.LookupForgets,
			SavesDeclines: c.SavesDeclines, Cancels: c.Cancels, CancelsByKey: c.CancelsByKey, NeedsPaymentMethod: c.NeedsMethod,
			Asynchronous: viewOperations[wire.CapabilitiesAsynchronous](c.Asynchronous),
			Operations:   viewOperations[wire.CapabilitiesOperations](c.Operations),
		},
		Breaker: wire.GatewayBreaker(g.Breaker), RetryInSeconds: g.RetryIn.Seconds(),
		AttemptsInFlight: g.InFlight, MaxConcurrent: g.MaxInFlight,
		LastAnswer: viewCall(g.Calls.Answered), LastSilence: viewCall(g.Calls.Unanswered), CallsWithoutAnswer: g.Calls.Silent,
	}
}

// viewCall returns nil if there was no call. The text of an answer is for operators, and left out.
func viewCall(c core.Call) *wire.GatewayCall {
	if c.At.IsZero() {
		return nil
	}
	kind := wire.GatewayCallKindAttempt
	if c.Lookup {
		kind = wire.GatewayCallKindLookup
	}
	return &wire.GatewayCall{At: stamp(c.At), Kind: kind, Result: c.Result, DurationSeconds: c.Took.Seconds()}
}

// viewOperations returns [] in JSON for no operations, not null.
func viewOperations[T ~string](o payment.Operations) []T {
	all := []T{}
	for _, name := range o.Names() {
		all = append(all, T(name))
	}
	return all
}
