//go:build live

package stripegateway_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/stripegateway"
	"paymentd/core/payment"
)

// liveVariable holds the secret key of a Stripe test account: `make test/stripe-live`.
const liveVariable = "STRIPE_SECRET_KEY"

// openLive opens the adapter for Stripe itself. Keys of live mode are refused, because the tests charge.
func openLive(t *testing.T) *stripegateway.Gateway {
	t.Helper()
	secret := os.Getenv(liveVariable)
	if secret == "" {
		t.Fatal("set " + liveVariable + " to the secret key of a test account, and run make test/stripe-live")
	}
	if !strings.HasPrefix(secret, "sk_test_") && !strings.HasPrefix(secret, "rk_test_") {
		t.Fatal(liveVariable + " is not a key of test mode (sk_test_… or rk_test_…); these tests charge")
	}
	g, err := stripegateway.New(stripegateway.Options{SecretKey: func() string { return secret }, Timeout: 30 * time.Second})
	require.NoError(t, err)
	t.Cleanup(g.Close)
	return g
}

// What Stripe does with the test payment methods, and how long its lists lag. It makes some charges in the
// test account.
func TestStripeLive(t *testing.T) {
	t.Parallel()
	g := openLive(t)
	p := g.Probe(t.Context())
	require.Empty(t, p.Problem)
	t.Logf("account %s", p.Account)

	t.Run("approved", func(t *testing.T) {
		t.Parallel()
		c := newCharge(t, visa)
		sent := time.Now()
		r := g.Charge(t.Context(), c)
		require.Equal(t, payment.ClassApproved, r.Class, r.Message)
		for range 2 {
			require.Equal(t, r.TransactionID, g.Charge(t.Context(), c).TransactionID)
		}
		at := payment.ChargeRef{Key: c.Key, OrderID: c.OrderID, Money: c.Money, Sent: sent}
		began := time.Now()
		require.Eventually(t, func() bool {
			return g.LookUp(t.Context(), at).TransactionID == r.TransactionID
		}, time.Minute, time.Second)
		t.Logf("found by the list after %s", time.Since(began).Round(time.Millisecond))
		other := c
		other.OrderID = "another"
		require.Equal(t, payment.ClassKeyReused, g.Charge(t.Context(), other).Class)
		require.Equal(t, r.TransactionID, g.Cancel(t.Context(), at).TransactionID)
	})
	for method, code := range map[payment.PaymentMethod]string{
		"pm_card_visa_chargeDeclined":                  payment.DeclineCard,
		"pm_card_visa_chargeDeclinedInsufficientFunds": payment.DeclineFunds,
		"pm_card_chargeDeclinedExpiredCard":            payment.DeclineExpired,
		"pm_card_chargeDeclinedIncorrectCvc":           payment.DeclineSecurityCode,
		"pm_card_does_not_exist":                       payment.DeclineMethod,
	} {
		t.Run(string(method), func(t *testing.T) {
			t.Parallel()
			c := newCharge(t, method)
			r := g.Charge(t.Context(), c)
			require.Equal(t, payment.ClassDeclined, r.Class, r.Message)
			require.Equal(t, code, r.Code, r.Message)
			require.Equal(t, code, g.Charge(t.Context(), c).Code, "the saved decline")
			if r.Reference != "" {
				l := g.LookUp(t.Context(), ref(c, r))
				require.Equal(t, payment.FoundDeclined, l.Result, l.Message)
				require.Equal(t, code, l.Code)
			}
		})
	}
	for method, class := range map[payment.PaymentMethod]payment.Class{
		visa: payment.ClassApproved, pendingRefund: payment.ClassPending, "pm_card_refundFail": payment.ClassApproved,
	} {
		t.Run("refund of "+string(method), func(t *testing.T) {
			t.Parallel()
			charge := newCharge(t, method)
			taken := g.Charge(t.Context(), charge)
			require.Equal(t, payment.ClassApproved, taken.Class, taken.Message)
			of := payment.ChargeID{Key: charge.Key, TransactionID: taken.TransactionID}
			c := newRefund(t, charge, of, "2.50")
			r := g.Charge(t.Context(), c)
			require.Equal(t, class, r.Class, r.Message)
			require.Equal(t, r.TransactionID, g.Charge(t.Context(), c).TransactionID)
			began := time.Now()
			require.Eventually(t, func() bool {
				return g.LookUp(t.Context(), refundRef(c, payment.Result{})).Result != payment.FoundNothing
			}, time.Minute, time.Second)
			t.Logf("found by the list after %s", time.Since(began).Round(time.Millisecond))
			more := g.Charge(t.Context(), newRefund(t, charge, of, "10.01"))
			require.Equal(t, payment.ClassDeclined, more.Class, more.Message)
			require.Equal(t, "amount_exceeds_charge", more.Code, more.Message)
			if method == "pm_card_refundFail" {
				require.Eventually(t, func() bool {
					return g.LookUp(t.Context(), refundRef(c, r)).Result == payment.FoundReturned
				}, time.Minute, time.Second)
			}
		})
	}
	for _, kind := range []payment.Kind{payment.KindCapture, payment.KindVoid} {
		t.Run(string(kind)+" of a hold", func(t *testing.T) {
			t.Parallel()
			hold := newHold(t, visa)
			r := g.Charge(t.Context(), hold)
			require.Equal(t, payment.ClassAuthorized, r.Class, r.Message)
			t.Logf("the hold expires in %s", time.Until(r.HoldExpires).Round(time.Minute))
			of := payment.ChargeID{Key: hold.Key, TransactionID: r.TransactionID}
			c := endOf(t, hold, of, kind, "2.50")
			require.Equal(t, payment.FoundNothing, g.LookUp(t.Context(), refundRef(c, payment.Result{})).Result)
			for range 2 {
				r := g.Charge(t.Context(), c)
				require.Equal(t, payment.ClassApproved, r.Class, r.Message)
			}
			require.Equal(t, payment.FoundApproved, g.LookUp(t.Context(), refundRef(c, payment.Result{})).Result)
			other := map[payment.Kind]payment.Kind{payment.KindCapture: payment.KindVoid, payment.KindVoid: payment.KindCapture}[kind]
			late := g.Charge(t.Context(), endOf(t, hold, of, other, "2.50"))
			require.Equal(t, payment.ClassDeclined, late.Class, late.Message)
			l := g.LookUp(t.Context(), ref(hold, payment.Result{Reference: r.TransactionID}))
			want := map[payment.Kind]payment.LookupResult{payment.KindCapture: payment.FoundApproved, payment.KindVoid: payment.FoundVoided}[kind]
			require.Equal(t, want, l.Result, l.Message)
		})
	}
	t.Run("the customer must act", func(t *testing.T) {
		t.Parallel()
		c := newCharge(t, "pm_card_authenticationRequired")
		r := g.Charge(t.Context(), c)
		require.Equal(t, payment.ClassPending, r.Class, r.Message)
		require.NotEmpty(t, r.RedirectURL)
		require.Equal(t, payment.FoundVoided, g.Cancel(t.Context(), ref(c, r)).Result)
		require.Equal(t, payment.FoundVoided, g.LookUp(t.Context(), ref(c, r)).Result)
	})
}
