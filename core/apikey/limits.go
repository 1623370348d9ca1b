package apikey

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The bounds of [Limits], so that a check of a caller takes a known time and a key a known space.
const (
	MaxLimits      = 10  // prefixes, and as many gateways
	maxPrefixBytes = 128 // the longest order id
	maxGatewayID   = 255
)

// Limits are the orders that a key is for, beside its scopes: several shops can share a service. The zero value
// limits nothing.
type Limits struct {
	// OrderPrefixes begin the order ids that the key may name, byte by byte; empty for every order.
	OrderPrefixes []string
	// Gateways are the names of the gateways whose payments the key may make and see; empty for all.
	Gateways []string
}

// IsZero reports whether nothing is limited.
func (l Limits) IsZero() bool { return len(l.OrderPrefixes) == 0 && len(l.Gateways) == 0 }

// AllowOrder reports whether the key may name the order.
func (l Limits) AllowOrder(id string) bool {
	return len(l.OrderPrefixes) == 0 ||
		slices.ContainsFunc(l.OrderPrefixes, func(prefix string) bool { return strings.HasPrefix(id, prefix) })
}

// AllowGateway reports whether the key may make and see payments at the gateway. A payment without a gateway is at
// none of those that a key names.
func (l Limits) AllowGateway(id string) bool {
	return len(l.Gateways) == 0 || slices.Contains(l.Gateways, id)
}

// String describes the limits in one cell: "orders shop1-*, gateways bank". It is empty if nothing is limited.
func (l Limits) String() string {
	var parts []string
	if len(l.OrderPrefixes) > 0 {
		parts = append(parts, "orders "+strings.Join(l.OrderPrefixes, "* ")+"*")
	}
	if len(l.Gateways) > 0 {
		parts = append(parts, "gateways "+strings.Join(l.Gateways, " "))
	}
	return strings.Join(parts, ", ")
}

// ParseOrderPrefixes checks the order prefixes of a new key. The error is a sentence that says what to change.
func ParseOrderPrefixes(given []string) ([]string, error) {
	return parseLimits(given, maxPrefixBytes, '!')
}

// ParseGateways checks the gateways of a new key. The error is a sentence that says what to change.
func ParseGateways(given []string) ([]string, error) { return parseLimits(given, maxGatewayID, ' ') }

// parseLimits checks values that are printable ASCII from the lowest character on.
func parseLimits(given []string, maxBytes int, lowest rune) ([]string, error) {
	outside := func(r rune) bool { return r < lowest || r > '~' }
	for i, value := range given {
		switch {
		case value == "":
			return nil, errors.New("must not be empty: an empty one would limit nothing")
		case len(value) > maxBytes, strings.ContainsFunc(value, outside):
			return nil, fmt.Errorf("must consist of at most %d printable ASCII characters", maxBytes)
		case slices.Contains(given[:i], value):
			return nil, fmt.Errorf("must name %s once only", value)
		}
	}
	if len(given) > MaxLimits {
		return nil, fmt.Errorf("must be given at most %d times", MaxLimits)
	}
	return given, nil
}

// separator is in neither an order id nor the name of a gateway.
const separator = "\n"

// JoinLimits returns limits as they are stored.
func JoinLimits(values []string) string { return strings.Join(values, separator) }

// splitLimits parses stored limits.
func splitLimits(stored string) []string {
	if stored == "" {
		return nil
	}
	return strings.Split(stored, separator)
}
