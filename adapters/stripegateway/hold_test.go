package stripegateway_test

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/stripegateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/core/payment"
)

// newHold returns a charge that only holds the money.
func newHold(t testing.TB, method payment.PaymentMethod) payment.Charge {
	t.Helper()
	c := newCharge(t, method)
	c.Capture = payment.CaptureManual
	return c
}

// held makes a charge that holds 12.50, and returns it as its capture and its void name it.
func (b *bench) held(t testing.TB, method payment.PaymentMethod) (payment.Charge, payment.ChargeID) {
	t.Helper()
	c := newHold(t, method)
	r := b.charge(t, c, payment.ClassAuthorized)
	return c, payment.ChargeID{Key: c.Key, Gateway: b.Capabilities().Gateway, TransactionID: r.TransactionID}
}

// endOf returns a capture or a void of a charge, with a fresh key.
func endOf(t testing.TB, c payment.Charge, of payment.ChargeID, kind payment.Kind, amount string) payment.Charge {
	t.Helper()
	return payment.Charge{
		Key: payment.GatewayKey(string(kind) + "-" + rand.Text()), OrderID: c.OrderID,
		Operation: payment.OperationID{Kind: kind}, Of: of, Money: money(t, amount, c.Money.Currency().Code()),
	}
}

// A hold, its capture and its void are sent with nothing that differs between attempts, each under a key of its own.
func TestHold_Requests_AreTheSameAtEachAttempt(t *testing.T) {
	t.Parallel()
	type sent struct{ path, key, body string }
	requests := make(chan sent, 3)
	g := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- sent{r.Method + " " + r.URL.Path, r.Header.Get("Idempotency-Key"), string(body)}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	hold := newHold(t, visa)
	of := payment.ChargeID{Key: hold.Key, TransactionID: "pi_1"}
	capture, void := endOf(t, hold, of, payment.KindCapture, "2.50"), endOf(t, hold, of, payment.KindVoid, "12.50")
	for _, tt := range []struct {
		charge payment.Charge
		path   string
		form   url.Values
	}{
		{hold, "POST /v1/payment_intents", url.Values{
			"amount": {"1250"}, "currency": {"usd"}, "payment_method": {string(visa)}, "confirm": {"true"}, "capture_method": {"manual"},
			"automatic_payment_methods[enabled]": {"true"}, "return_url": {hold.ReturnURL}, "expand[]": {"latest_charge"},
			"metadata[paymentd_key]": {string(hold.Key)}, "metadata[paymentd_order_id]": {string(hold.OrderID)},
		}},
		{capture, "POST /v1/payment_intents/pi_1/capture", url.Values{
			"amount_to_capture": {"250"}, "metadata[paymentd_capture_key]": {string(capture.Key)},
		}},
		{void, "POST /v1/payment_intents/pi_1/cancel", url.Values{}},
	} {
		var all []sent
		for range 3 {
			require.Equal(t, payment.ClassUnknownUnanswered, g.Charge(t.Context(), tt.charge).Class)
			all = append(all, <-requests)
		}
		require.Len(t, slices.Compact(all), 1)
		require.Equal(t, tt.path, all[0].path)
		require.Equal(t, string(tt.charge.Key), all[0].key)
		form, err := url.ParseQuery(all[0].body)
		require.NoError(t, err)
		require.Equal(t, tt.form, form)
	}
}

// What cannot be captured or voided is rejected, and no request is made.
func TestHold_Impossible_IsNotSent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*payment.Charge){
		"has no gateway key":       func(c *payment.Charge) { c.Key = "" },
		"1 to 255 printable ASCII": func(c *payment.Charge) { c.Key = payment.GatewayKey(strings.Repeat("x", 256)) },
		"not that of a Payment":    func(c *payment.Charge) { c.Of.TransactionID = "" },
		"capture or void it":       func(c *payment.Charge) { c.Of.TransactionID = "ch_1" },
		"of a PaymentIntent":       func(c *payment.Charge) { c.Of.TransactionID = "pi_1/cancel" },
		"third decimal must be 0":  func(c *payment.Charge) { c.Money, c.Operation.Kind = money(t, "5.124", "KWD"), payment.KindCapture },
	} {
		for _, kind := range []payment.Kind{payment.KindCapture, payment.KindVoid} {
			g := newStub(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
			c := endOf(t, newHold(t, visa), payment.ChargeID{TransactionID: "pi_1"}, kind, "2.50")
			change(&c)
			r := g.Charge(t.Context(), c)
			require.Equal(t, payment.ClassRejected, r.Class)
			require.Contains(t, r.Message, name)
			require.Contains(t, r.Message, "nothing was sent")
		}
	}
}

// The hold expires when Stripe says so, which is not always after seven days. An answer need not say it.
func TestHold_HasItsExpiry(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for _, hidden := range []bool{false, true} {
		b := newBench(t, stripefake.Options{Clock: func() time.Time { return now }, HoldFor: 114 * time.Hour, NoExpiry: hidden})
		c := newHold(t, visa)
		want := now.Add(114 * time.Hour)
		if hidden {
			want = time.Time{}
		}
		for range 2 { // a repeat gets the same
			r := b.charge(t, c, payment.ClassAuthorized)
			require.Equal(t, want, r.HoldExpires)
			require.True(t, r.Answered)
			require.Equal(t, []string{r.TransactionID}, b.fake.Intents(string(c.Key)))
		}
		for _, reference := range []string{"", b.fake.Intents(string(c.Key))[0]} {
			l := b.lookUp(t, ref(c, payment.Result{Reference: reference}), payment.FoundAuthorized)
			require.Equal(t, want, l.HoldExpires)
			require.Equal(t, b.fake.Intents(string(c.Key))[0], l.TransactionID)
		}
		require.Zero(t, b.fake.Received(b.fake.Intents(string(c.Key))[0]))
	}
}

// A capture takes all or a part, once, and releases the rest. Afterwards a void is declined (medusa#2825), and so is the
// other way round.
func TestHold_CaptureOrVoid_Once(t *testing.T) {
	t.Parallel()
	for _, amount := range []string{"12.50", "2.50"} {
		b := newBench(t, stripefake.Options{})
		c, of := b.held(t, visa)
		capture := endOf(t, c, of, payment.KindCapture, amount)
		b.lookUp(t, refundRef(capture, payment.Result{}), payment.FoundNothing)
		for range 2 {
			r := b.charge(t, capture, payment.ClassApproved)
			require.Equal(t, payment.Result{Class: payment.ClassApproved, TransactionID: of.TransactionID, Answered: true}, r)
		}
		require.Equal(t, capture.Money, minor(t, b.fake.Received(of.TransactionID)))
		require.Equal(t, payment.Lookup{Result: payment.FoundApproved, TransactionID: of.TransactionID},
			b.lookUp(t, refundRef(capture, payment.Result{}), payment.FoundApproved))
		l := b.lookUp(t, ref(c, payment.Result{}), payment.FoundApproved)
		if amount == "12.50" {
			require.True(t, l.Captured.IsZero(), "all")
		} else {
			require.Equal(t, capture.Money, l.Captured)
		}

		void := endOf(t, c, of, payment.KindVoid, "12.50")
		require.Equal(t, payment.DeclineSucceeded, b.charge(t, void, payment.ClassDeclined).Code)
		require.Equal(t, payment.DeclineSucceeded, b.lookUp(t, refundRef(void, payment.Result{}), payment.FoundVoided).Code)
		again := endOf(t, c, of, payment.KindCapture, amount)
		require.Equal(t, payment.DeclineSucceeded, b.charge(t, again, payment.ClassDeclined).Code)
		require.Equal(t, payment.DeclineSucceeded, b.lookUp(t, refundRef(again, payment.Result{}), payment.FoundVoided).Code)
		refund := newRefund(t, c, of, amount)
		b.charge(t, refund, payment.ClassApproved)
		require.Equal(t, "amount_exceeds_charge", b.charge(t, newRefund(t, c, of, "0.01"), payment.ClassDeclined).Code, "of what was captured")
	}

	b := newBench(t, stripefake.Options{})
	c, of := b.held(t, visa)
	void := endOf(t, c, of, payment.KindVoid, "12.50")
	b.lookUp(t, refundRef(void, payment.Result{}), payment.FoundNothing)
	for range 2 {
		require.Equal(t, of.TransactionID, b.charge(t, void, payment.ClassApproved).TransactionID)
	}
	require.Equal(t, of.TransactionID, b.lookUp(t, refundRef(void, payment.Result{}), payment.FoundApproved).TransactionID)
	b.lookUp(t, ref(c, payment.Result{}), payment.FoundVoided)
	capture := endOf(t, c, of, payment.KindCapture, "12.50")
	require.Equal(t, payment.DeclineVoided, b.charge(t, capture, payment.ClassDeclined).Code)
	require.Equal(t, payment.DeclineVoided, b.lookUp(t, refundRef(capture, payment.Result{}), payment.FoundVoided).Code)
	require.Zero(t, b.fake.Received(of.TransactionID))
}

// minor returns an amount in cents.
func minor(t testing.TB, cents int64) payment.Money {
	t.Helper()
	m, err := payment.MoneyFromMinor(cents, money(t, "1", "USD").Currency())
	require.NoError(t, err)
	return m
}

// Every answer that was lost or is wrong, of a capture and of a void: what it proves, what the lookup proves, and what a
// repeat gets. Each operation happens once.
func TestHold_Faults(t *testing.T) {
	t.Parallel()
	const (
		unknown = payment.ClassUnknownAnswered
		running = payment.ClassUnknownUnanswered
	)
	for name, tt := range map[string]struct {
		fault stripefake.Fault
		class payment.Class
		done  bool          // the operation was executed
		again payment.Class // of the repeat
	}{
		"the answer is lost":       {stripefake.LostAnswer, running, true, payment.ClassApproved},
		"the request is lost":      {stripefake.LostRequest, running, false, payment.ClassApproved},
		"a page of a proxy":        {stripefake.ProxyPage, running, true, payment.ClassApproved}, // stripe-go#642
		"a saved 500 after it":     {stripefake.SavedError, unknown, true, unknown},
		"a saved 500 before it":    {stripefake.SavedErrorNoCharge, unknown, false, unknown},
		"lock_timeout after it":    {stripefake.LockTimeout, unknown, true, payment.ClassApproved}, // stripe-go#1523
		"a rate limit":             {stripefake.RateLimit, payment.ClassNotCharged, false, payment.ClassApproved},
		"a conflict while it runs": {stripefake.Conflict, running, true, payment.ClassApproved},
	} {
		for _, kind := range []payment.Kind{payment.KindCapture, payment.KindVoid} {
			t.Run(name+" of a "+string(kind), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, stripefake.Options{})
				c, of := b.held(t, visa)
				end := endOf(t, c, of, kind, "2.50")
				b.fake.Inject(tt.fault)
				b.charge(t, end, tt.class)
				found := map[bool]payment.LookupResult{true: payment.FoundApproved, false: payment.FoundNothing}[tt.done]
				b.lookUp(t, refundRef(end, payment.Result{}), found)
				b.charge(t, end, tt.again)
				if tt.again == payment.ClassApproved {
					found = payment.FoundApproved
				}
				b.lookUp(t, refundRef(end, payment.Result{}), found)
				want := map[bool]map[payment.Kind]string{
					true:  {payment.KindCapture: "succeeded", payment.KindVoid: "canceled"},
					false: {payment.KindCapture: "requires_capture", payment.KindVoid: "requires_capture"},
				}[found == payment.FoundApproved][kind]
				require.Equal(t, want, b.fake.Status(of.TransactionID))
				if want == "succeeded" {
					require.EqualValues(t, 250, b.fake.Received(of.TransactionID))
				}
			})
		}
	}
}

// A hold that another program, a person or the expiry has ended: the state of the PaymentIntent decides, and not the
// error.
func TestHold_EndedElsewhere(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end           func(b *bench, id string, now *time.Time)
		capture, void payment.Class
		charge        payment.LookupResult
		code          string
	}{
		"captured by a person with this amount": {
			func(b *bench, id string, _ *time.Time) { b.fake.Capture(id, 250) },
			payment.ClassApproved, payment.ClassDeclined, payment.FoundApproved, payment.DeclineSucceeded,
		},
		"captured by a person with another amount": {
			func(b *bench, id string, _ *time.Time) { b.fake.Capture(id, 1000) },
			payment.ClassDeclined, payment.ClassDeclined, payment.FoundApproved, payment.DeclineSucceeded,
		},
		"voided by a person": {
			func(b *bench, id string, _ *time.Time) { b.fake.Void(id) },
			payment.ClassDeclined, payment.ClassApproved, payment.FoundVoided, payment.DeclineVoided,
		},
		"expired": {
			func(_ *bench, _ string, now *time.Time) { *now = now.Add(7 * 24 * time.Hour) },
			payment.ClassDeclined, payment.ClassApproved, payment.FoundVoided, payment.DeclineHoldExpired,
		},
	} {
		for kind, want := range map[payment.Kind]payment.Class{payment.KindCapture: tt.capture, payment.KindVoid: tt.void} {
			t.Run(name+", "+string(kind), func(t *testing.T) {
				t.Parallel()
				now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
				b := newBench(t, stripefake.Options{Clock: func() time.Time { return now }})
				c, of := b.held(t, visa)
				tt.end(b, of.TransactionID, &now)
				end := endOf(t, c, of, kind, "2.50")
				r := b.charge(t, end, want)
				require.True(t, r.Answered)
				if want == payment.ClassDeclined {
					require.Equal(t, tt.code, r.Code)
					b.lookUp(t, refundRef(end, payment.Result{}), payment.FoundVoided)
				} else {
					b.lookUp(t, refundRef(end, payment.Result{}), payment.FoundApproved)
				}
				b.lookUp(t, ref(c, payment.Result{}), tt.charge)
			})
		}
	}
}

// If Stripe has forgotten the key, a repeat gets payment_intent_unexpected_state. The metadata distinguishes our
// capture from another one of the service.
func TestHold_ForgottenKey_IsFoundByTheMetadata(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b := newBench(t, stripefake.Options{Clock: func() time.Time { return now }})
	c, of := b.held(t, visa)
	capture := endOf(t, c, of, payment.KindCapture, "2.50")
	b.charge(t, capture, payment.ClassApproved)
	now = now.Add(25 * time.Hour)
	b.charge(t, capture, payment.ClassApproved)
	other := endOf(t, c, of, payment.KindCapture, "2.50")
	b.charge(t, other, payment.ClassDeclined)
	b.lookUp(t, refundRef(other, payment.Result{}), payment.FoundVoided)
	other.Key, other.Money = capture.Key, money(t, "2.51", "USD")
	b.lookUp(t, refundRef(other, payment.Result{}), payment.FoundNoAnswer) // an operator must look
	other.Of.Key = "another"
	b.lookUp(t, refundRef(other, payment.Result{}), payment.FoundNoAnswer)
}

// A state that cannot be read leaves the outcome unknown.
func TestHold_StateCannotBeRead(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	c, of := b.held(t, visa)
	b.fake.Void(of.TransactionID)
	b.fake.Inject(stripefake.Fault{Method: http.MethodGet, Status: http.StatusBadGateway, Unmarked: true, Times: 2})
	end := endOf(t, c, of, payment.KindVoid, "12.50")
	b.charge(t, end, payment.ClassUnknownAnswered)
	b.lookUp(t, refundRef(end, payment.Result{}), payment.FoundNoAnswer)
	b.charge(t, end, payment.ClassApproved)
}

// The issuer may decline a capture. The hold remains.
func TestHold_CaptureIsDeclined(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	c, of := b.held(t, "pm_card_captureFail")
	capture := endOf(t, c, of, payment.KindCapture, "2.50")
	r := b.charge(t, capture, payment.ClassDeclined)
	require.Equal(t, payment.DeclineCard, r.Code)
	require.Equal(t, "generic_decline: Your card was declined.", r.Message)
	b.lookUp(t, refundRef(capture, payment.Result{}), payment.FoundNothing)
	b.lookUp(t, ref(c, payment.Result{}), payment.FoundAuthorized)
	b.charge(t, endOf(t, c, of, payment.KindVoid, "12.50"), payment.ClassApproved)
}

// A pending charge that the customer has authenticated meanwhile is not released by a cancellation: it is too late.
func TestCancel_OfAHold_ComesTooLate(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	c := newHold(t, "pm_card_authenticationRequired")
	r := b.charge(t, c, payment.ClassPending)
	b.fake.Authenticate(r.Reference, true)
	l := b.Cancel(t.Context(), ref(c, r))
	require.Equal(t, payment.FoundAuthorized, l.Result)
	require.Equal(t, r.Reference, l.TransactionID)
	require.False(t, l.HoldExpires.IsZero())
	require.Equal(t, "requires_capture", b.status(t, c))
	of := payment.ChargeID{Key: c.Key, TransactionID: l.TransactionID}
	capture := endOf(t, c, of, payment.KindCapture, "12.50")
	require.Equal(t, payment.FoundNothing, b.Cancel(t.Context(), refundRef(capture, payment.Result{})).Result, "a capture is only looked up")
}

// stubHeld is [stubIntent] as it is after a capture of 2.50.
const stubHeld = `{"id":"pi_1","object":"payment_intent","amount":1250,"amount_received":250,"capture_method":"manual",` +
	`"currency":"usd","livemode":false,"created":1767225600,"metadata":{"paymentd_key":"key-1","paymentd_capture_key":"key-2"},` +
	`"status":"succeeded"}`

// Each row of the table of answers to a capture.
func TestHold_MarkedAnswers(t *testing.T) {
	t.Parallel()
	const unknown = payment.ClassUnknownAnswered
	body := func(old, replacement string) string { return strings.Replace(stubHeld, old, replacement, 1) }
	failed := func(code string) string {
		return `{"error":{"type":"invalid_request_error","code":"` + code + `","message":"No."}}`
	}
	for name, tt := range map[string]struct {
		status int
		body   string
		want   payment.Class
	}{
		"captured":                    {200, stubHeld, payment.ClassApproved},
		"captured, without metadata":  {200, body(`,"paymentd_capture_key":"key-2"`, ""), payment.ClassApproved},
		"of another capture":          {200, body("key-2", "key-3"), unknown},
		"another amount":              {200, body(":250", ":251"), unknown},
		"another currency":            {200, body("usd", "eur"), unknown},
		"another charge":              {200, body("key-1", "key-3"), unknown},
		"another intent":              {200, body("pi_1", "pi_2"), unknown},
		"live mode":                   {200, body(`"livemode":false`, `"livemode":true`), unknown},
		"still held":                  {200, body("succeeded", "requires_capture"), unknown},
		"canceled":                    {200, body("succeeded", "canceled"), unknown},
		"processing":                  {200, body("succeeded", "processing"), payment.ClassPending},
		"an unknown status":           {200, body("succeeded", "captivated"), unknown},
		"no object":                   {200, `[]`, unknown},
		"unexpected state, no answer": {400, failed("payment_intent_unexpected_state"), unknown},
		"already captured":            {400, failed("charge_already_captured"), unknown},
		"expired":                     {400, failed("charge_expired_for_capture"), unknown},
		"authorization expired":       {400, failed("capture_charge_authorization_expired"), unknown},
		"too much":                    {400, `{"error":{"type":"invalid_request_error","param":"amount_to_capture","message":"No."}}`, payment.ClassDeclined},
		"a wrong parameter":           {400, `{"error":{"type":"invalid_request_error","param":"metadata","message":"No."}}`, payment.ClassRejected},
		"no such intent":              {404, failed("resource_missing"), payment.ClassRejected},
		"401":                         {401, failed("x"), payment.ClassRejected},
		"declined":                    {402, `{"error":{"type":"card_error","code":"card_declined","message":"No."}}`, payment.ClassDeclined},
		"key reused":                  {400, `{"error":{"type":"idempotency_error","message":"No."}}`, payment.ClassKeyReused},
		"424":                         {424, failed("x"), unknown},
		"500":                         {500, `{"error":{"type":"api_error","message":"No."}}`, unknown},
	} {
		g := newStub(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			w.Header().Set("Idempotency-Key", "key-2")
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		})
		c := endOf(t, newHold(t, visa), payment.ChargeID{Key: "key-1", TransactionID: "pi_1"}, payment.KindCapture, "2.50")
		c.Key = "key-2"
		r := g.Charge(t.Context(), c)
		require.Equal(t, tt.want, r.Class, "%s: %s", name, r.Message)
		require.True(t, r.Answered, name)
	}
}

// A lookup of a charge whose capture has an impossible amount gets no answer.
func TestLookUp_ImpossibleCapture(t *testing.T) {
	t.Parallel()
	for received, want := range map[string]payment.LookupResult{
		"250": payment.FoundApproved, "1250": payment.FoundApproved, "1251": payment.FoundNoAnswer, "0": payment.FoundNoAnswer,
	} {
		g := newStub(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Request-Id", "req_1")
			_, _ = io.WriteString(w, strings.Replace(stubHeld, ":250", ":"+received, 1))
		})
		l := g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1", Money: money(t, "12.50", "USD"), Reference: "pi_1"})
		require.Equal(t, want, l.Result, received+": "+l.Message)
	}
}

// The events of a hold. That of a capture names the capture, whose outcome may be unknown.
func TestEvent_OfAHold(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b := newBench(t, stripefake.Options{Clock: func() time.Time { return now }}, withSecrets(webhookSecret))
	read := func(kind, id string) stripegateway.Event {
		t.Helper()
		body := b.fake.Event(kind, id)
		e, err := b.Event(body, stripefake.Sign(body, webhookSecret, now), now)
		require.NoError(t, err)
		return e
	}
	c, of := b.held(t, visa)
	require.Equal(t, payment.FoundAuthorized, read("payment_intent.amount_capturable_updated", of.TransactionID).Says())
	require.Equal(t, payment.FoundAuthorized, read("charge.succeeded", of.TransactionID).Says(), "which is no capture")
	capture := endOf(t, c, of, payment.KindCapture, "2.50")
	b.charge(t, capture, payment.ClassApproved)
	for _, kind := range []string{"payment_intent.succeeded", "charge.captured"} {
		e := read(kind, of.TransactionID)
		require.Equal(t, payment.FoundApproved, e.Says(), kind)
		require.Equal(t, payment.KindCapture, e.Operation, kind)
		require.Equal(t, capture.Key, e.Key, kind)
		require.Equal(t, c.OrderID, e.OrderID, kind)
	}
	c, of = b.held(t, visa)
	now = now.Add(7 * 24 * time.Hour)
	for _, kind := range []string{"payment_intent.canceled", "charge.expired"} {
		e := read(kind, of.TransactionID)
		require.Equal(t, payment.FoundVoided, e.Says(), kind)
		require.Equal(t, c.Key, e.Key, kind)
		require.Equal(t, payment.KindCharge, e.Operation, kind)
	}
}
