package properties_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"paymentd/core/payment"
)

// Every amount that is written for the gateway protocol can be read there, up to the largest.
func TestDecimal_CanBeParsed(t *testing.T) {
	t.Parallel()
	known := currencies()
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom(known).Draw(t, "currency")
		amount := rapid.StringMatching(`(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?`).Draw(t, "amount")
		money, err := payment.ParseMoney(amount, currency)
		if err != nil {
			requireClientSentence(t, err)
			return
		}
		again, err := payment.ParseMoney(money.Decimal(), currency)
		require.NoError(t, err)
		require.Equal(t, money, again)
	})
}

// A repository reads back what it stored.
func TestMoneyFromMinor_RoundTrip(t *testing.T) {
	t.Parallel()
	known := currencies()
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom(known).Draw(t, "currency")
		minor := rapid.Int64Range(1, 999_999_999_999_999).Draw(t, "minor")
		money, err := payment.MoneyFromMinor(minor, currency)
		require.NoError(t, err)
		require.Equal(t, minor, money.Minor())
		parsed, err := payment.ParseMoney(money.Decimal(), currency)
		require.NoError(t, err)
		require.Equal(t, money, parsed)
	})
}

func TestParseCurrency_MessagesAreForClients(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.String().Draw(t, "code")
		currency, err := payment.ParseCurrency(code)
		if err == nil {
			require.Equal(t, code, currency.Code())
			return
		}
		requireClientSentence(t, err)
	})
}

// An accepted id has no characters that break a log line.
func TestParseOrderID_ReturnsTheBytesThatWereSent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[!-~]{1,140}`)).Draw(t, "id")
		id, err := payment.ParseOrderID(s)
		clean := len(s) >= 1 && len(s) <= payment.MaxOrderIDBytes &&
			strings.IndexFunc(s, func(c rune) bool { return c < '!' || c > '~' }) < 0
		require.Equal(t, clean, err == nil)
		if err == nil {
			require.Equal(t, s, string(id))
		}
	})
}

func TestPickUp_LookupIntervalStaysWithinBounds(t *testing.T) {
	t.Parallel()
	unresolved := unresolvedPayment(t)
	rapid.Check(t, func(t *rapid.T) {
		p, on := unresolved, pickUpPolicy()
		on.Rules.LookupFirst = time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "first"))
		on.Rules.LookupMax = on.Rules.LookupFirst + time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "more"))
		on.Worker = p.DueAt
		p.Lookups = rapid.IntRange(0, 1_000_000).Draw(t, "lookups")
		interval := on.PickUp(p, p.DueAt).Payment.DueAt.Sub(p.DueAt)
		require.GreaterOrEqual(t, interval, on.Rules.LookupFirst)
		require.LessOrEqual(t, interval, on.Rules.LookupMax)
	})
}
