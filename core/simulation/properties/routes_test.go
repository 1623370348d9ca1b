package properties_test

import (
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"paymentd/core/payment"
)

func currencyOf(t rapid.TB, code string) payment.Currency {
	t.Helper()
	currency, err := payment.ParseCurrency(code)
	require.NoError(t, err)
	return currency
}

func thresholdOf(t rapid.TB, text string) payment.Threshold {
	t.Helper()
	if text == "" {
		return payment.Threshold{}
	}
	threshold, err := payment.ParseThreshold(text)
	require.NoError(t, err)
	return threshold
}

// A rule matches exactly the amounts between its thresholds, as fractions compare.
func TestRoute_Matches_IsExact(t *testing.T) {
	t.Parallel()
	codes := []string{"USD", "JPY", "KWD", "CLF"}
	decimal := func(text string) *big.Rat {
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			panic(text)
		}
		return r
	}
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(1, 1<<40).Draw(t, "minor")
		money, err := payment.MoneyFromMinor(minor, currencyOf(t, rapid.SampledFrom(codes).Draw(t, "currency")))
		require.NoError(t, err)
		near, err := payment.MoneyFromMinor(max(1, minor+rapid.Int64Range(-2, 2).Draw(t, "distance")), money.Currency())
		require.NoError(t, err)
		threshold := near.Decimal()
		if rapid.Bool().Draw(t, "any") {
			threshold = rapid.StringMatching(`[1-9][0-9]{0,10}(\.[0-9]{1,4})?`).Draw(t, "threshold")
		}
		isBelow := decimal(money.Decimal()).Cmp(decimal(threshold)) < 0
		require.Equal(t, !isBelow, payment.Route{AmountFrom: thresholdOf(t, threshold)}.Matches(money))
		require.Equal(t, isBelow, payment.Route{AmountBelow: thresholdOf(t, threshold)}.Matches(money))
	})
}

// The gateways of a payment are the same each time, without duplicates, in the order of the first rule
// that matches, and all of them accept the method.
func TestRoutes_Gateways_AreDeterministicAndUnique(t *testing.T) {
	t.Parallel()
	ids := []payment.GatewayID{"a", "b", "c", "d"}
	rapid.Check(t, func(t *rapid.T) {
		var gateways []payment.RouteGateway
		for _, id := range ids {
			gateways = append(gateways, payment.RouteGateway{
				ID:          id,
				Methods:     rapid.SliceOfN(rapid.SampledFrom([]payment.MethodPattern{"pm_*", "*x", "cnon"}), 0, 2).Draw(t, "methods"),
				NeedsMethod: rapid.Bool().Draw(t, "needs"),
			})
		}
		currency := rapid.SampledFrom([]payment.Currency{currencyOf(t, "USD"), currencyOf(t, "EUR")})
		var rules []payment.Route
		for range rapid.IntRange(0, 5).Draw(t, "rules") {
			rules = append(rules, payment.Route{
				Currencies:  rapid.SliceOfN(currency, 0, 2).Draw(t, "currencies"),
				AmountFrom:  thresholdOf(t, rapid.SampledFrom([]string{"", "1", "2.50"}).Draw(t, "from")),
				AmountBelow: thresholdOf(t, rapid.SampledFrom([]string{"", "2", "9.99"}).Draw(t, "below")),
				Use:         rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 1, 4, rapid.ID).Draw(t, "use"),
			})
		}
		routes, err := payment.NewRoutes(gateways, rules)
		require.NoError(t, err)
		money, err := payment.MoneyFromMinor(rapid.Int64Range(1, 2000).Draw(t, "minor"), currency.Draw(t, "currency"))
		require.NoError(t, err)
		method := rapid.SampledFrom([]payment.PaymentMethod{"", "pm_1", "1x", "cnon"}).Draw(t, "method")

		got := routes.Gateways(money, method)
		require.Equal(t, got, routes.Gateways(money, method))
		first := slices.IndexFunc(rules, func(r payment.Route) bool { return r.Matches(money) })
		var want []payment.GatewayID
		if first >= 0 {
			want = slices.DeleteFunc(slices.Clone(rules[first].Use), func(id payment.GatewayID) bool {
				return !gateways[slices.Index(ids, id)].Accepts(method)
			})
		}
		require.Equal(t, want, got)
		slices.Sort(got)
		require.Len(t, slices.Compact(got), len(want))
	})
}
