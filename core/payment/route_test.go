package payment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func thresholdOf(t testing.TB, text string) payment.Threshold {
	t.Helper()
	if text == "" {
		return payment.Threshold{}
	}
	threshold, err := payment.ParseThreshold(text)
	require.NoError(t, err)
	return threshold
}

// routes have rules by currency, by amount and by both, and a gateway that needs a method.
func routes(t *testing.T) payment.Routes {
	t.Helper()
	r, err := payment.NewRoutes(
		[]payment.RouteGateway{
			{ID: "stripe", Methods: []payment.MethodPattern{"pm_*", "card_*"}},
			{ID: "bank"},
			{ID: "square", Methods: []payment.MethodPattern{"cnon:*"}, NeedsMethod: true},
		},
		[]payment.Route{
			{Currencies: []payment.Currency{currencyOf(t, "EUR"), currencyOf(t, "SEK")}, Use: []payment.GatewayID{"bank", "stripe"}},
			{
				Currencies: []payment.Currency{currencyOf(t, "JPY")},
				AmountFrom: thresholdOf(t, "100"), AmountBelow: thresholdOf(t, "10000.00"), Use: []payment.GatewayID{"square"},
			},
			{AmountFrom: thresholdOf(t, "1000.00"), Use: []payment.GatewayID{"stripe", "square"}},
			{AmountBelow: thresholdOf(t, "0.50"), Currencies: []payment.Currency{currencyOf(t, "USD")}, Use: []payment.GatewayID{"bank"}},
			{Currencies: []payment.Currency{currencyOf(t, "USD"), currencyOf(t, "JPY")}, Use: []payment.GatewayID{"stripe", "bank"}},
		},
	)
	require.NoError(t, err)
	return r
}

func TestRoutes_Gateways(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		amount, currency string
		method           payment.PaymentMethod
		want             []payment.GatewayID
	}{
		{"10.00", "EUR", "", []payment.GatewayID{"bank", "stripe"}},
		{"5000.00", "SEK", "pm_1", []payment.GatewayID{"bank", "stripe"}},
		{"5000.00", "SEK", "cnon:1", []payment.GatewayID{"bank"}},
		{"1000", "USD", "", []payment.GatewayID{"stripe"}},
		{"999.99", "USD", "", []payment.GatewayID{"stripe", "bank"}},
		{"1000.01", "USD", "cnon:1", []payment.GatewayID{"square"}},
		{"1000.01", "USD", "other", []payment.GatewayID{}},
		{"0.49", "USD", "pm_1", []payment.GatewayID{"bank"}},
		{"0.50", "USD", "card_1", []payment.GatewayID{"stripe", "bank"}},
		{"99", "JPY", "", []payment.GatewayID{"stripe", "bank"}},
		{"100", "JPY", "cnon:1", []payment.GatewayID{"square"}},
		{"100", "JPY", "", []payment.GatewayID{}},
		{"9999", "JPY", "cnon:1", []payment.GatewayID{"square"}},
		{"10000", "JPY", "cnon:1", []payment.GatewayID{"square"}},
		{"10000", "JPY", "pm_1", []payment.GatewayID{"stripe"}},
		{"1000.000", "KWD", "", []payment.GatewayID{"stripe"}},
		{"999.999", "KWD", "", nil},
		{"922337203685477", "CLF", "", []payment.GatewayID{"stripe"}},
	} {
		t.Run(tt.amount+" "+tt.currency+" "+string(tt.method), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, routes(t).Gateways(amountOf(t, tt.amount, tt.currency), tt.method))
		})
	}
}

func TestRoutes_Accepts(t *testing.T) {
	t.Parallel()
	r := routes(t)
	require.True(t, r.Accepts("stripe", "pm_1"))
	require.True(t, r.Accepts("stripe", ""))
	require.False(t, r.Accepts("stripe", "cnon:1"))
	require.False(t, r.Accepts("square", ""))
	require.True(t, r.Accepts("bank", "any"))
	require.False(t, r.Accepts("gone", ""))
	require.Empty(t, payment.Routes{}.Gateways(amountOf(t, "1", "USD"), ""))
	require.Equal(t, []payment.GatewayID{"one"},
		payment.RouteTo(payment.RouteGateway{ID: "one"}).Gateways(amountOf(t, "1", "USD"), "pm_1"))
}

func TestNewRoutes_Refusals(t *testing.T) {
	t.Parallel()
	gateways := []payment.RouteGateway{{ID: "a"}, {ID: "b"}}
	for message, rules := range map[string][]payment.Route{
		"route 1 uses no gateway":              {{}},
		`route 2 uses the unknown gateway "c"`: {{Use: []payment.GatewayID{"a"}}, {Use: []payment.GatewayID{"b", "c"}}},
		`route 1 uses gateway "a" twice`:       {{Use: []payment.GatewayID{"a", "b", "a"}}},
	} {
		_, err := payment.NewRoutes(gateways, rules)
		require.EqualError(t, err, message)
	}
	_, err := payment.NewRoutes([]payment.RouteGateway{{ID: "a"}, {ID: "a"}}, nil)
	require.EqualError(t, err, `gateway "a" is given twice`)
}

func TestMethodPattern_Matches(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern string
		matches []payment.PaymentMethod
		others  []payment.PaymentMethod
	}{
		{"*", []payment.PaymentMethod{"a", "pm_1"}, nil},
		{"pm_*", []payment.PaymentMethod{"pm_", "pm_1", "pm_*"}, []payment.PaymentMethod{"PM_1", "xpm_1", "pm", "card_1"}},
		{"pm_1", []payment.PaymentMethod{"pm_1"}, []payment.PaymentMethod{"pm_12", "pm_"}},
		{"*-ok", []payment.PaymentMethod{"a-ok", "-ok", "-ok-ok"}, []payment.PaymentMethod{"a-ok-", "ok"}},
		{"a*b*c", []payment.PaymentMethod{"abc", "a-b-c", "abbcc", "abcbc"}, []payment.PaymentMethod{"ac", "acb", "abcd"}},
		{"a*a", []payment.PaymentMethod{"aa", "aba"}, []payment.PaymentMethod{"a"}},
		{"**", []payment.PaymentMethod{"a"}, nil},
		{"tok/[a-z]?", []payment.PaymentMethod{"tok/[a-z]?"}, []payment.PaymentMethod{"tok/b1"}},
	} {
		pattern, err := payment.ParseMethodPattern(tt.pattern)
		require.NoError(t, err)
		for _, method := range tt.matches {
			require.True(t, pattern.Matches(method), "%s %s", tt.pattern, method)
		}
		for _, method := range tt.others {
			require.False(t, pattern.Matches(method), "%s %s", tt.pattern, method)
		}
	}
	for _, invalid := range []string{"", "a b", "é", strings.Repeat("m", 256)} {
		_, err := payment.ParseMethodPattern(invalid)
		require.ErrorContains(t, err, "printable ASCII")
	}
}

func TestParseThreshold(t *testing.T) {
	t.Parallel()
	require.Equal(t, thresholdOf(t, "1000"), thresholdOf(t, "1000.00"))
	for text, decimals := range map[string]int{"1000.00": 0, "0.5": 1, "0.05": 2, "7.120": 2, "0.001": 3, "10.0101": 4} {
		require.Equal(t, decimals, thresholdOf(t, text).Decimals(), text)
	}
	require.True(t, thresholdOf(t, "1.01").Exceeds(thresholdOf(t, "1.0099")))
	require.False(t, thresholdOf(t, "1.01").Exceeds(thresholdOf(t, "1.01")))
	require.False(t, thresholdOf(t, "1.9").Exceeds(thresholdOf(t, "2.1")))
	for text, message := range map[string]string{
		"":                 "must be digits with at most one decimal point, such as 100 or 9.99",
		"0":                "must be above zero",
		"0.00":             "must be above zero",
		"-1":               "must be above zero, without a minus sign",
		"1e3":              "must be written without an exponent: 1000, not 1e3",
		"1,000":            "must be digits with at most one decimal point, such as 100 or 9.99",
		"007":              "must be written without leading zeros: 7, not 007",
		"1.":               "must have digits before and after its decimal point, such as 0.5",
		"0.00001":          "must have at most 4 decimals",
		"1234567890123456": "must have at most 15 digits",
	} {
		_, err := payment.ParseThreshold(text)
		require.EqualError(t, err, message, text)
	}
}
