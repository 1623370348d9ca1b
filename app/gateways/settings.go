package gateways

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"paymentd/adapters/resilience"
	"paymentd/core/payment"
)

// MaxNameBytes is the longest name of a gateway.
const MaxNameBytes = 64

// MaxAddressBytes is the longest address of a gateway that is stored.
const MaxAddressBytes = 512

// IsName reports whether a gateway may have the name: 1 to [MaxNameBytes] of a-z, 0-9 and -. It is a label of
// metrics and a part of paths.
func IsName(s string) bool {
	return s != "" && len(s) <= MaxNameBytes && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// Settings are those of one gateway.
type Settings struct {
	Name string
	Kind Kind
	// Line is where the gateway begins in the gateways file; 0 if it is not from a file.
	Line    int
	Options Options
	// MovedFrom are earlier addresses of the gateway, and those that other replicas reach it at; see Gateway.Address.
	MovedFrom []string
	// MaxConcurrent bounds the attempts in flight.
	MaxConcurrent int
	Breaker       Breaker
	Retry         resilience.RetryOptions
	// Methods are the payment methods that the gateway accepts; empty for all.
	Methods []payment.MethodPattern
}

// MayMoveMoney reports whether a charge may move real money.
func (s Settings) MayMoveMoney() bool {
	return s.Kind.MovesMoney && (s.Kind.IsTest == nil || !s.Kind.IsTest(s.Options))
}

// Breaker are the settings of a circuit breaker; zero for the default.
type Breaker struct {
	Attempts int // see resilience.GuardOptions
	Delay    time.Duration
}

// Set are the gateways of the service, and the routes between them.
type Set struct {
	Gateways []Settings
	Routes   []Route
}

// Route is a rule of routes; it names gateways by their names in the settings.
type Route struct {
	Matches payment.Route // without Use
	Use     []string
}

// One returns a set of a single gateway, which takes every payment.
func One(s Settings) Set {
	return Set{Gateways: []Settings{s}, Routes: []Route{{Use: []string{s.Name}}}}
}

// MovesMoney reports whether any of the gateways moves money.
func (s Set) MovesMoney() bool {
	return slices.ContainsFunc(s.Gateways, func(g Settings) bool { return g.Kind.MovesMoney })
}

// Timeout returns the longest timeout of an attempt.
func (s Set) Timeout() (longest time.Duration) {
	for _, g := range s.Gateways {
		longest = max(longest, g.Options.Timeout)
	}
	return longest
}

// MaxBackoff returns the longest wait before a retry.
func (s Set) MaxBackoff() (longest time.Duration) {
	for _, g := range s.Gateways {
		longest = max(longest, g.Retry.MaxBackoff())
	}
	return longest
}

// CatchAll reports whether every payment matches a route.
func (s Set) CatchAll() bool {
	return slices.ContainsFunc(s.Routes, func(r Route) bool { return r.Matches.CatchAll() })
}

// RoutesOf returns the routes over gateways that are open.
func (s Set) RoutesOf(open []Guarded) (payment.Routes, error) {
	ids := make(map[string]payment.GatewayID, len(open))
	var known []payment.RouteGateway
	for _, g := range open {
		can := g.Gateway.Capabilities()
		ids[g.Name] = can.Gateway
		known = append(known, payment.RouteGateway{ID: can.Gateway, Methods: g.Methods, NeedsMethod: can.NeedsMethod})
	}
	var rules []payment.Route
	for _, r := range s.Routes {
		rule := r.Matches
		for _, name := range r.Use {
			id, isOpen := ids[name]
			if !isOpen {
				return payment.Routes{}, fmt.Errorf("a route uses the gateway %q, which is not open", name)
			}
			rule.Use = append(rule.Use, id)
		}
		rules = append(rules, rule)
	}
	return payment.NewRoutes(known, rules)
}
