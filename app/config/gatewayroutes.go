package config

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"paymentd/app/gateways"
	"paymentd/core/payment"
)

// readRoutes reads the routes. Without any, a single gateway takes every payment.
func (f *gatewaysFile) readRoutes(root, n *yaml.Node) error {
	if n == nil {
		if len(f.set.Gateways) > 1 {
			return f.errorAt(root, "the file must have the list routes, because it has several gateways: such as "+
				"- {use: [%s, %s]}", f.set.Gateways[0].Name, f.set.Gateways[1].Name)
		}
		f.set = gateways.One(f.set.Gateways[0])
		return nil
	}
	list, err := f.list(n, "routes", maxRoutes)
	if err != nil {
		return err
	}
	catchAll := 0 // its line
	for _, element := range list {
		if catchAll > 0 {
			return f.errorAt(element, "this route is never used, because the route at line %d matches every payment; move that one to the end", catchAll)
		}
		route, err := f.readRoute(element)
		if err != nil {
			return err
		}
		if route.Matches.CatchAll() {
			catchAll = element.Line
		}
		f.set.Routes = append(f.set.Routes, route)
	}
	return nil
}

// routeFields are the fields of a route.
var routeFields = []gateways.Field{
	{
		Name: "currency", Allowed: "ISO 4217 codes",
		Help: "Currencies of the payments that the route is for: one, or a list. Every currency by default.",
	},
	{
		Name: "amount_from", Allowed: "an amount, such as 1000.00",
		Help: "Least amount of the payments that the route is for, in units of the payment's currency.",
	},
	{
		Name: "amount_below", Allowed: "an amount above amount_from",
		Help: "The route is for amounts below it.",
	},
	{
		Name: "use", Required: true, Allowed: "names of gateways",
		Help: "Gateways in order of preference: one, or a list.",
	},
}

func (f *gatewaysFile) readRoute(n *yaml.Node) (r gateways.Route, err error) {
	fields, err := f.fields(n, "a route")
	if err != nil {
		return r, err
	}
	for _, field := range fields {
		switch field.name {
		case "currency":
			err = f.readCurrencies(field.value, &r)
		case "amount_from":
			r.Matches.AmountFrom, err = f.readThreshold(field)
		case "amount_below":
			r.Matches.AmountBelow, err = f.readThreshold(field)
		case "use":
			err = f.readUse(field.value, &r)
		default:
			err = f.errorAt(field.key, "a route %v", errUnknownField(field.name, names(routeFields)))
		}
		if err != nil {
			return r, err
		}
	}
	if len(r.Use) == 0 {
		return r, f.errorAt(n, "a route must have the field use: a list of gateways in order of preference")
	}
	return r, f.checkThresholds(n, r.Matches)
}

func (f *gatewaysFile) readCurrencies(n *yaml.Node, r *gateways.Route) error {
	codes, err := f.texts(n, "currency of a route", maxCurrencies)
	if err != nil {
		return err
	}
	for _, code := range codes {
		currency, err := payment.ParseRecordedCurrency(code)
		if err != nil {
			return f.errorAt(n, "%v", err)
		}
		r.Matches.Currencies = append(r.Matches.Currencies, currency)
	}
	return nil
}

func (f *gatewaysFile) readThreshold(field yamlField) (payment.Threshold, error) {
	text, err := f.text(field.value, field.name)
	if err != nil {
		return payment.Threshold{}, err
	}
	t, err := payment.ParseThreshold(text)
	return t, f.problem(field, field.name, err)
}

func (f *gatewaysFile) readUse(n *yaml.Node, r *gateways.Route) error {
	names, err := f.texts(n, "use", maxGateways)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(f.set.Gateways, func(s gateways.Settings) bool { return s.Name == name }) {
			return f.errorAt(n, "use has %s, which is none of the gateways of the file", quoteField(name))
		}
	}
	r.Use = names
	return nil
}

// checkThresholds checks that an amount can be between the thresholds.
func (f *gatewaysFile) checkThresholds(n *yaml.Node, r payment.Route) error {
	if !r.AmountFrom.IsZero() && !r.AmountBelow.IsZero() && !r.AmountBelow.Exceeds(r.AmountFrom) {
		return f.errorAt(n, "amount_below must be above amount_from; no payment matches this route")
	}
	for _, c := range r.Currencies {
		if c.Decimals() < decimals(r.AmountFrom) || c.Decimals() < decimals(r.AmountBelow) {
			return f.errorAt(n, "amount_from and amount_below must have no more decimals than the currencies of the route, and %s has %d", c, c.Decimals())
		}
	}
	return nil
}

func decimals(t payment.Threshold) int {
	if t.IsZero() {
		return 0
	}
	return t.Decimals()
}
