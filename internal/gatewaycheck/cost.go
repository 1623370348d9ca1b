package gatewaycheck

import (
	"slices"
	"strings"

	"paymentd/core/payment"
)

// cost is what a check charges of one amount.
type cost struct {
	money payment.Money
	// once is how many charges a gateway makes that honours keys.
	once int
	// sent is how many charges are sent, and made if the gateway honours none.
	sent int
}

// Sum is what a run charges in one currency.
type Sum struct {
	Expected payment.Money // if the gateway honours keys; zero for nothing
	Worst    payment.Money // if it charges at each attempt
}

// Charges returns what a run charges at most, by currency, before it begins.
func Charges(s Subject) []Sum {
	type minors struct{ expected, worst int64 }
	var (
		order []payment.Currency
		sums  = make(map[payment.Currency]minors)
	)
	for _, c := range checks() {
		if c.costs == nil {
			continue
		}
		for _, cost := range c.costs(s) {
			if cost.money.IsZero() {
				continue
			}
			currency := cost.money.Currency()
			if !slices.Contains(order, currency) {
				order = append(order, currency)
			}
			sum := sums[currency]
			sum.expected += int64(cost.once) * cost.money.Minor()
			sum.worst += int64(cost.sent) * cost.money.Minor()
			sums[currency] = sum
		}
	}
	list := make([]Sum, len(order))
	for i, currency := range order {
		list[i].Expected, _ = payment.MoneyFromMinor(sums[currency].expected, currency) // an error is zero
		list[i].Worst, _ = payment.MoneyFromMinor(sums[currency].worst, currency)
	}
	return list
}

// Describe returns the sums as a sentence without a full stop.
func Describe(sums []Sum) string {
	var expected, worst []string
	for _, s := range sums {
		if !s.Expected.IsZero() {
			expected = append(expected, s.Expected.String())
		}
		worst = append(worst, s.Worst.String())
	}
	return strings.Join(expected, ", ") + " if the gateway honours keys, and " + strings.Join(worst, ", ") +
		" if it charges at every attempt"
}

// recentCosts are those of a check that uses [run.recent], and others.
func recentCosts(others ...func(Subject) cost) func(Subject) []cost {
	return func(s Subject) []cost {
		all := []cost{{s.Approved, renewed(s), renewed(s)}}
		for _, other := range others {
			all = append(all, other(s))
		}
		return all
	}
}

// costs returns a function for a check with charges of the approved amount.
func costs(once, sent int) func(Subject) []cost {
	return func(s Subject) []cost { return []cost{{s.Approved, once, sent}} }
}
