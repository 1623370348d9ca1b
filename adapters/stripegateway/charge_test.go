package stripegateway_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/stripegateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/core/payment"
)

// Stripe's test payment methods have the outcomes that its documents give them.
func TestCharge_TestPaymentMethods(t *testing.T) {
	t.Parallel()
	for method, want := range map[payment.PaymentMethod]struct {
		class         payment.Class
		code, message string // the message begins with Stripe's own code
		status        string
	}{
		"pm_card_visa":                 {class: payment.ClassApproved, status: "succeeded"},
		"pm_card_visa_chargeDeclined":  {payment.ClassDeclined, payment.DeclineCard, "generic_decline: ", "canceled"},
		"pm_card_radarBlock":           {payment.ClassDeclined, payment.DeclineFraud, "fraudulent: ", "canceled"},
		"pm_usBankAccount":             {class: payment.ClassPending, status: "processing"},
		"pm_card_threeDSecureRequired": {class: payment.ClassPending, status: "requires_action"},
		"pm_card_visa_chargeDeclinedInsufficientFunds": {
			payment.ClassDeclined, payment.DeclineFunds, "insufficient_funds: Your card has insufficient funds.", "canceled",
		},
		"pm_card_visa_chargeDeclinedLostCard":   {payment.ClassDeclined, payment.DeclineFraud, "lost_card: ", "canceled"},
		"pm_card_visa_chargeDeclinedStolenCard": {payment.ClassDeclined, payment.DeclineFraud, "stolen_card: ", "canceled"},
		"pm_card_chargeDeclinedExpiredCard":     {payment.ClassDeclined, payment.DeclineExpired, "expired_card: ", "canceled"},
		"pm_card_chargeDeclinedIncorrectCvc":    {payment.ClassDeclined, payment.DeclineSecurityCode, "incorrect_cvc: ", "canceled"},
		"pm_card_chargeDeclinedProcessingError": {payment.ClassDeclined, payment.DeclineCard, "processing_error: ", "canceled"},
		"pm_card_visa_chargeDeclinedVelocityLimitExceeded": {
			payment.ClassDeclined, payment.DeclineLimit, "card_velocity_exceeded: ", "canceled",
		},
		"pm_card_unknown": {payment.ClassDeclined, payment.DeclineMethod, "resource_missing: ", ""},
	} {
		t.Run(string(method), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, stripefake.Options{})
			c := newCharge(t, method)
			r := b.charge(t, c, want.class)
			require.True(t, r.Answered)
			require.Equal(t, want.code, r.Code)
			require.True(t, strings.HasPrefix(r.Message, want.message), r.Message)
			require.Equal(t, want.status, b.status(t, c))
			require.Equal(t, want.class == payment.ClassApproved, b.fake.Charges(string(c.Key)) == 1)
			if r.Code != "" {
				require.Contains(t, payment.DeclineCodes(), r.Code)
			}
			if want.status != "" && want.class != payment.ClassApproved {
				require.Equal(t, []string{r.Reference}, b.fake.Intents(string(c.Key)))
			}
			// The repeat gets the first answer.
			again := b.charge(t, c, want.class)
			require.Equal(t, r.TransactionID, again.TransactionID)
			require.Equal(t, r.Code, again.Code)
			require.Equal(t, r.RedirectURL, again.RedirectURL)
		})
	}
}

// The request depends on the charge alone, because Stripe compares the parameters of a repeat.
func TestCharge_Request_IsTheSameAtEachAttempt(t *testing.T) {
	t.Parallel()
	type sent struct {
		header http.Header
		body   string
		err    error
	}
	requests := make(chan sent, 3)
	g := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		requests <- sent{r.Header, string(body), err}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	c := newCharge(t, visa)
	var bodies, keys []string
	for range 3 {
		require.Equal(t, payment.ClassUnknownUnanswered, g.Charge(t.Context(), c).Class)
		s := <-requests
		require.NoError(t, s.err)
		require.Equal(t, "2026-03-25.dahlia", s.header.Get("Stripe-Version"))
		require.Equal(t, "Bearer "+secretKey, s.header.Get("Authorization"))
		require.Equal(t, "application/x-www-form-urlencoded", s.header.Get("Content-Type"))
		require.Empty(t, s.header.Get("X-Stripe-Client-Telemetry"))
		bodies, keys = append(bodies, s.body), append(keys, s.header.Get("Idempotency-Key"))
	}
	require.Equal(t, []string{string(c.Key)}, slices.Compact(keys))
	require.Len(t, slices.Compact(bodies), 1)
	form, err := url.ParseQuery(bodies[0])
	require.NoError(t, err)
	require.Equal(t, url.Values{
		"amount": {"1250"}, "currency": {"usd"}, "payment_method": {"pm_card_visa"}, "confirm": {"true"},
		"return_url": {"https://shop.example/back"}, "automatic_payment_methods[enabled]": {"true"},
		"metadata[paymentd_key]": {string(c.Key)}, "metadata[paymentd_order_id]": {string(c.OrderID)},
	}, form)
}

// Another parameter under the key is a 400 idempotency_error, which says nothing of the first attempt.
func TestCharge_OtherParameters_AreKeyReused(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	c := newCharge(t, visa)
	b.charge(t, c, payment.ClassApproved)
	for name, change := range map[string]func(*payment.Charge){
		"return_url":     func(c *payment.Charge) { c.ReturnURL = "https://shop.example/other" },
		"payment_method": func(c *payment.Charge) { c.Method = declined },
		"order":          func(c *payment.Charge) { c.OrderID = "another" },
	} {
		other := c
		change(&other)
		r := b.charge(t, other, payment.ClassKeyReused)
		require.Contains(t, r.Message, "same parameters", name)
	}
	require.Equal(t, 1, b.fake.Charges(string(c.Key)))
}

// What cannot be charged is rejected, and no request is made.
func TestCharge_Impossible_IsNotSent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*payment.Charge){
		"the charge has no gateway key": func(c *payment.Charge) { c.Key = "" },
		"1 to 255 printable ASCII":      func(c *payment.Charge) { c.Key = payment.GatewayKey(strings.Repeat("x", 256)) },
		"ASCII characters; nothing":     func(c *payment.Charge) { c.Key = "a b" },
		"needs a payment method":        func(c *payment.Charge) { c.Method = "" },
		"third decimal":                 func(c *payment.Charge) { c.Money = money(t, "5.124", "KWD") },
		"does not charge in CLF":        func(c *payment.Charge) { c.Money = money(t, "1", "CLF") },
	} {
		g := newStub(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
		c := newCharge(t, visa)
		change(&c)
		r := g.Charge(t.Context(), c)
		require.Equal(t, payment.ClassRejected, r.Class)
		require.Contains(t, r.Message, name)
		require.Contains(t, r.Message, "nothing was sent")
		require.False(t, r.Answered)
	}
}

// Without a key, or with a key of the other mode, nothing is sent, and a retry may succeed.
func TestCharge_SecretKey_IsReadForEachRequest(t *testing.T) {
	t.Parallel()
	secret := secretKey
	b := newBench(t, stripefake.Options{}, func(o *stripegateway.Options) { o.SecretKey = func() string { return secret } })
	c := newCharge(t, visa)
	for _, broken := range []string{"", "pk_test_1", "sk_live_1", "sk_test_a\nb"} {
		secret = broken
		r := b.charge(t, c, payment.ClassNotCharged)
		require.False(t, r.Answered)
		b.lookUp(t, ref(c, payment.Result{}), payment.FoundNoAnswer)
	}
	secret = "rk_test_2"
	b.charge(t, c, payment.ClassApproved)
}

// return_url is always sent, so that a customer who must act has a URL, also at the lookup.
func TestCharge_CustomerMustAct_HasARedirectURL(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	c := newCharge(t, "pm_card_authenticationRequired")
	r := b.charge(t, c, payment.ClassPending)
	require.Equal(t, b.server.URL+"/fake/authenticate/"+r.Reference, r.RedirectURL)
	require.Equal(t, r.RedirectURL, b.lookUp(t, ref(c, r), payment.FoundPending).RedirectURL)

	withoutReturn := newCharge(t, "pm_card_authenticationRequired")
	withoutReturn.ReturnURL = ""
	r = b.charge(t, withoutReturn, payment.ClassPending)
	require.Empty(t, r.RedirectURL)
	b.lookUp(t, ref(withoutReturn, r), payment.FoundPending)
}

// A fault in the answer to the charge, the class, and what the repeat and the lookup find then.
func TestCharge_Faults(t *testing.T) {
	t.Parallel()
	nothing, approved := payment.FoundNothing, payment.FoundApproved
	for name, tt := range map[string]struct {
		fault    stripefake.Fault
		class    payment.Class
		answered bool
		found    payment.LookupResult
		again    payment.Class
		charges  int // before the repeat
	}{
		"lost answer":         {stripefake.LostAnswer, payment.ClassUnknownUnanswered, false, approved, payment.ClassApproved, 1},
		"lost request":        {stripefake.LostRequest, payment.ClassUnknownUnanswered, false, nothing, payment.ClassApproved, 0},
		"page of a proxy":     {stripefake.ProxyPage, payment.ClassUnknownUnanswered, false, approved, payment.ClassApproved, 1},
		"saved 500, charged":  {stripefake.SavedError, payment.ClassUnknownAnswered, true, approved, payment.ClassUnknownAnswered, 1},
		"saved 500":           {stripefake.SavedErrorNoCharge, payment.ClassUnknownAnswered, true, nothing, payment.ClassUnknownAnswered, 0},
		"lock_timeout":        {stripefake.LockTimeout, payment.ClassUnknownAnswered, true, approved, payment.ClassApproved, 1},
		"rate limit":          {stripefake.RateLimit, payment.ClassNotCharged, true, nothing, payment.ClassApproved, 0},
		"409 of a charge":     {stripefake.Conflict, payment.ClassUnknownUnanswered, true, approved, payment.ClassApproved, 1},
		"the answer is late":  {stripefake.Fault{Method: "POST", Delay: 50 * time.Millisecond}, payment.ClassApproved, true, approved, payment.ClassApproved, 1},
		"409, then not JSON":  {stripefake.Fault{Method: "POST", Execute: true, Status: 409, Body: "<html>"}, payment.ClassUnknownUnanswered, true, approved, payment.ClassApproved, 1},
		"200 that is no JSON": {stripefake.Fault{Method: "POST", Execute: true, Status: 200, Body: "ok"}, payment.ClassUnknownAnswered, true, approved, payment.ClassApproved, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, stripefake.Options{})
			b.fake.Inject(tt.fault)
			c := newCharge(t, visa)
			r := b.charge(t, c, tt.class)
			require.Equal(t, tt.answered, r.Answered)
			require.Equal(t, tt.charges, b.fake.Charges(string(c.Key)))
			b.lookUp(t, payment.ChargeRef{Key: c.Key, Sent: time.Now()}, tt.found)
			b.charge(t, c, tt.again)
			require.LessOrEqual(t, b.fake.Charges(string(c.Key)), 1)
		})
	}
}

// A saved 500 never changes. Only a lookup, or an event, has the outcome.
func TestCharge_Saved500_StaysForEachRepeat(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	b.fake.Inject(stripefake.SavedError)
	c := newCharge(t, visa)
	b.charge(t, c, payment.ClassUnknownAnswered)
	for range 3 {
		r := b.charge(t, c, payment.ClassUnknownAnswered)
		require.Contains(t, r.Message, "saved answer of an earlier attempt")
	}
	require.Equal(t, 1, b.fake.Charges(string(c.Key)))
	b.lookUp(t, payment.ChargeRef{Key: c.Key}, payment.FoundApproved)
}

// A 409, and after it an answer that is not JSON, of a charge that succeeded (stripe-go#642, #830).
func TestCharge_ConflictThenPage_IsFoundApproved(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	b.fake.Inject(stripefake.Conflict, stripefake.ProxyPage)
	c := newCharge(t, visa)
	require.True(t, b.charge(t, c, payment.ClassUnknownUnanswered).Answered)
	require.False(t, b.charge(t, c, payment.ClassUnknownUnanswered).Answered)
	b.lookUp(t, payment.ChargeRef{Key: c.Key}, payment.FoundApproved)
	require.Equal(t, 1, b.fake.Charges(string(c.Key)))
}

// Whether 401, 409 and 429 echo the key is not documented. If they do not, they prove nothing.
func TestCharge_RefusalWithoutEcho_IsUnmarked(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{SecretKey: "sk_test_other", Mute: []int{http.StatusUnauthorized}})
	r := b.charge(t, newCharge(t, visa), payment.ClassUnknownUnanswered)
	require.False(t, r.Answered)

	b = newBench(t, stripefake.Options{SecretKey: "sk_test_other"})
	r = b.charge(t, newCharge(t, visa), payment.ClassRejected)
	require.True(t, r.Answered)
}

// The pause that a plain 429 asks for is returned.
func TestCharge_RateLimit_HasItsPause(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	b.fake.Inject(stripefake.RateLimit)
	require.Equal(t, time.Second, b.charge(t, newCharge(t, visa), payment.ClassNotCharged).RetryAfter)
}

// After 24 hours Stripe has forgotten a key, and a repeat is a second charge: the lifetime must be declared.
func TestCapabilities_KeyLifetime_IsThatOfTheFake(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b := newBench(t, stripefake.Options{Clock: func() time.Time { return now }})
	c := newCharge(t, visa)
	b.charge(t, c, payment.ClassApproved)
	lifetime := b.Capabilities().KeyLifetime
	now = now.Add(lifetime - time.Second)
	b.charge(t, c, payment.ClassApproved)
	require.Equal(t, 1, b.fake.Charges(string(c.Key)))
	now = now.Add(time.Second)
	b.charge(t, c, payment.ClassApproved)
	require.Equal(t, 2, b.fake.Charges(string(c.Key)), "the fake forgets keys")
	b.lookUp(t, payment.ChargeRef{Key: c.Key}, payment.FoundApproved)
}

// Concurrent attempts with a key, and concurrent orders, charge once each.
func TestCharge_Concurrent_ChargesOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	var all sync.WaitGroup
	for order := range 8 {
		c := newCharge(t, visa)
		c.OrderID = payment.OrderID("order-" + strconv.Itoa(order))
		for range 4 {
			all.Go(func() {
				r := b.Charge(t.Context(), c)
				if r.Class != payment.ClassUnknownUnanswered {
					require.Equal(t, payment.ClassApproved, r.Class, r.Message)
				}
			})
		}
		t.Cleanup(func() { require.Equal(t, 1, b.fake.Charges(string(c.Key))) })
	}
	all.Wait()
}
