package payment

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Routes decide which gateways may charge a payment, and which of them is preferred. The zero value has
// no gateway. Routes do not change, and are safe for concurrent use.
type Routes struct {
	rules    []Route
	gateways map[GatewayID]RouteGateway
}

// Route is a rule: the gateways of the payments that it matches.
type Route struct {
	// Currencies are those that the rule matches; empty for every currency.
	Currencies []Currency
	// AmountFrom is the least amount that the rule matches, and AmountBelow the least that it does not
	// match any more. The zero value is no limit.
	AmountFrom, AmountBelow Threshold
	// Use are the gateways in order of preference.
	Use []GatewayID
}

// Matches reports whether the rule is for the amount.
func (r Route) Matches(m Money) bool {
	return (len(r.Currencies) == 0 || slices.Contains(r.Currencies, m.Currency())) &&
		(r.AmountFrom.IsZero() || !r.AmountFrom.above(m)) &&
		(r.AmountBelow.IsZero() || r.AmountBelow.above(m))
}

// CatchAll reports whether the rule matches every amount.
func (r Route) CatchAll() bool {
	return len(r.Currencies) == 0 && r.AmountFrom.IsZero() && r.AmountBelow.IsZero()
}

// RouteGateway is what routes need to know of a gateway.
type RouteGateway struct {
	ID GatewayID
	// Methods are the payment methods that the gateway accepts; empty for all.
	Methods []MethodPattern
	// NeedsMethod is that of its [Capabilities].
	NeedsMethod bool
}

// Accepts reports whether a payment with the method may go to the gateway. A payment without a method
// may, unless the gateway needs one.
func (g RouteGateway) Accepts(method PaymentMethod) bool {
	if method == "" {
		return !g.NeedsMethod
	}
	return len(g.Methods) == 0 ||
		slices.ContainsFunc(g.Methods, func(p MethodPattern) bool { return p.Matches(method) })
}

// NewRoutes returns the routes over the gateways. It refuses two gateways with one id, a rule without
// gateways, and a rule that uses a gateway twice or one that is not given.
func NewRoutes(gateways []RouteGateway, rules []Route) (Routes, error) {
	r := Routes{gateways: make(map[GatewayID]RouteGateway, len(gateways))}
	for _, g := range gateways {
		if _, twice := r.gateways[g.ID]; twice {
			return Routes{}, fmt.Errorf("gateway %q is given twice", g.ID)
		}
		r.gateways[g.ID] = g
	}
	for i, rule := range rules {
		if len(rule.Use) == 0 {
			return Routes{}, fmt.Errorf("route %d uses no gateway", i+1)
		}
		for n, id := range rule.Use {
			if _, given := r.gateways[id]; !given {
				return Routes{}, fmt.Errorf("route %d uses the unknown gateway %q", i+1, id)
			}
			if slices.Contains(rule.Use[:n], id) {
				return Routes{}, fmt.Errorf("route %d uses gateway %q twice", i+1, id)
			}
		}
		rule.Use, rule.Currencies = slices.Clone(rule.Use), slices.Clone(rule.Currencies)
		r.rules = append(r.rules, rule)
	}
	return r, nil
}

// RouteTo returns the routes of a service with a single gateway.
func RouteTo(g RouteGateway) Routes {
	return Routes{
		rules:    []Route{{Use: []GatewayID{g.ID}}},
		gateways: map[GatewayID]RouteGateway{g.ID: g},
	}
}

// Gateways returns the gateways that may charge the payment, in order of preference: those of the first
// rule that matches the amount, without those that do not accept the payment method. It returns none if
// no rule matches, or if no gateway of that rule accepts the method; a later rule is not considered then,
// because its gateways were not meant for the amount. The result must not be changed.
func (r Routes) Gateways(m Money, method PaymentMethod) []GatewayID {
	for _, rule := range r.rules {
		if !rule.Matches(m) {
			continue
		}
		refuses := func(id GatewayID) bool { return !r.gateways[id].Accepts(method) }
		if !slices.ContainsFunc(rule.Use, refuses) {
			return slices.Clip(rule.Use) // usual, and needs no copy
		}
		return slices.DeleteFunc(slices.Clone(rule.Use), refuses)
	}
	return nil
}

// Match reports whether a rule matches the amount.
func (r Routes) Match(m Money) bool {
	return slices.ContainsFunc(r.rules, func(rule Route) bool { return rule.Matches(m) })
}

// Accepts reports whether the gateway is one of the routes' and a payment with the method may go to it,
// regardless of the rules: for a payment that is bound to its gateway already.
func (r Routes) Accepts(id GatewayID, method PaymentMethod) bool {
	g, known := r.gateways[id]
	return known && g.Accepts(method)
}

// MethodPattern describes payment methods: printable ASCII without spaces, byte by byte, in which * stands
// for any number of characters, such as "pm_*".
type MethodPattern string

// ParseMethodPattern checks a pattern.
func ParseMethodPattern(s string) (MethodPattern, error) {
	if s == "" || !PaymentMethod(s).valid() {
		return "", errors.New("must be 1 to 255 printable ASCII characters without spaces, in which * stands for any " +
			"characters, such as pm_*")
	}
	return MethodPattern(s), nil
}

// Matches reports whether the pattern describes the method. It takes each part between two asterisks at
// its first place, which finds a match if there is one.
func (p MethodPattern) Matches(method PaymentMethod) bool {
	rest := string(method)
	first, parts, wild := strings.Cut(string(p), "*")
	if !wild {
		return rest == first
	}
	rest, begins := strings.CutPrefix(rest, first)
	for begins {
		part, more, again := strings.Cut(parts, "*")
		if !again {
			return strings.HasSuffix(rest, part)
		}
		_, rest, begins = strings.Cut(rest, part)
		parts = more
	}
	return false
}

// thresholdDecimals is the number of decimals of a [Threshold]: that of the currency with the most.
const thresholdDecimals = len(listOne) - 1

// Threshold is an exact amount above zero in units of any currency, such as 1000.00. It compares with ==;
// its zero value is none.
type Threshold struct {
	whole    int64 // units
	fraction int64 // in 10^-thresholdDecimals of a unit
}

// ParseThreshold reads a threshold as [ParseMoney] reads an amount, in units, without going through a
// float: at most 15 digits, and no more decimals than the currency with the most has.
func ParseThreshold(text string) (Threshold, error) {
	whole, fraction, err := splitDecimal(text)
	if err != nil {
		return Threshold{}, errors.New(strings.TrimPrefix(err.Error(), "amount "))
	}
	fraction = strings.TrimRight(fraction, "0")
	switch {
	case len(whole)+len(fraction) > maxAmountDigits:
		return Threshold{}, fmt.Errorf("must have at most %d digits", maxAmountDigits)
	case len(fraction) > thresholdDecimals:
		return Threshold{}, fmt.Errorf("must have at most %d decimals", thresholdDecimals)
	}
	t := Threshold{whole: valueOf(whole), fraction: valueOf(fraction) * powersOfTen[thresholdDecimals-len(fraction)]}
	if t.IsZero() {
		return Threshold{}, errors.New("must be above zero")
	}
	return t, nil
}

// IsZero reports whether t is the zero value, which is no threshold.
func (t Threshold) IsZero() bool { return t == Threshold{} }

// Exceeds reports whether t is above the other threshold.
func (t Threshold) Exceeds(other Threshold) bool {
	return t.whole > other.whole || t.whole == other.whole && t.fraction > other.fraction
}

// Decimals returns how many decimals the threshold needs: a currency with fewer has no such amount.
func (t Threshold) Decimals() int {
	decimals := thresholdDecimals
	for rest := t.fraction; decimals > 0 && rest%10 == 0; rest /= 10 {
		decimals--
	}
	return decimals
}

// above reports whether the threshold is above the amount.
func (t Threshold) above(m Money) bool {
	decimals := m.currency.Decimals()
	scale := powersOfTen[decimals]
	return t.Exceeds(Threshold{whole: m.minor / scale, fraction: m.minor % scale * powersOfTen[thresholdDecimals-decimals]})
}
