package stripegateway_test

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/stripegateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/core/payment"
)

const pendingRefund = payment.PaymentMethod("pm_card_pendingRefund")

// charged makes a charge that succeeds, and returns it as its refunds name it.
func (b *bench) charged(t testing.TB, method payment.PaymentMethod) (payment.Charge, payment.ChargeID) {
	t.Helper()
	c := newCharge(t, method)
	r := b.charge(t, c, payment.ClassApproved)
	return c, payment.ChargeID{Key: c.Key, Gateway: b.Capabilities().Gateway, TransactionID: r.TransactionID}
}

// newRefund returns a refund of a charge, with a fresh key.
func newRefund(t testing.TB, c payment.Charge, of payment.ChargeID, amount string) payment.Charge {
	t.Helper()
	return payment.Charge{
		Key: payment.GatewayKey("refund-" + rand.Text()), OrderID: c.OrderID, Note: "broken",
		Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}, Of: of,
		Money: money(t, amount, c.Money.Currency().Code()),
	}
}

// refundRef returns what the service knows of a refund after a result.
func refundRef(c payment.Charge, r payment.Result) payment.ChargeRef {
	return payment.ChargeRef{
		Key: c.Key, OrderID: c.OrderID, Operation: c.Operation, Of: c.Of, Money: c.Money, Reference: r.Reference,
		TransactionID: r.TransactionID,
	}
}

// The request depends on the refund alone, because Stripe compares the parameters of a repeat. The reason is not sent.
func TestRefund_Request_IsTheSameAtEachAttempt(t *testing.T) {
	t.Parallel()
	type sent struct {
		path, key, body string
		err             error
	}
	requests := make(chan sent, 3)
	g := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		requests <- sent{r.Method + " " + r.URL.Path, r.Header.Get("Idempotency-Key"), string(body), err}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	c := newRefund(t, newCharge(t, visa), payment.ChargeID{Key: "key-1", TransactionID: "pi_1"}, "2.50")
	var all []sent
	for range 3 {
		require.Equal(t, payment.ClassUnknownUnanswered, g.Charge(t.Context(), c).Class)
		s := <-requests
		require.NoError(t, s.err)
		all = append(all, s)
	}
	require.Len(t, slices.Compact(all), 1)
	require.Equal(t, "POST /v1/refunds", all[0].path)
	require.Equal(t, string(c.Key), all[0].key)
	form, err := url.ParseQuery(all[0].body)
	require.NoError(t, err)
	require.Equal(t, url.Values{
		"payment_intent": {"pi_1"}, "amount": {"250"}, "metadata[paymentd_key]": {string(c.Key)},
		"metadata[paymentd_order_id]": {string(c.OrderID)}, "metadata[paymentd_refund_id]": {"r-1"},
	}, form)
}

// What cannot be refunded is rejected, and no request is made.
func TestRefund_Impossible_IsNotSent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*payment.Charge){
		"has no gateway key":        func(c *payment.Charge) { c.Key = "" },
		"1 to 255 printable ASCII":  func(c *payment.Charge) { c.Key = payment.GatewayKey(strings.Repeat("x", 256)) },
		"not that of a Payment":     func(c *payment.Charge) { c.Of.TransactionID = "" },
		"refund it at Stripe":       func(c *payment.Charge) { c.Of.TransactionID = "ch_1" },
		"of a PaymentIntent":        func(c *payment.Charge) { c.Of.TransactionID = "pi_1/capture" },
		"third decimal must be 0":   func(c *payment.Charge) { c.Money = money(t, "5.124", "KWD") },
		"is not asked for a weekly": func(c *payment.Charge) { c.Operation.Kind = "weekly" },
	} {
		g := newStub(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
		c := newRefund(t, newCharge(t, visa), payment.ChargeID{TransactionID: "pi_1"}, "2.50")
		change(&c)
		r := g.Charge(t.Context(), c)
		require.Equal(t, payment.ClassRejected, r.Class)
		require.Contains(t, r.Message, name)
		require.Contains(t, r.Message, "nothing was sent")
	}
}

// A refund by the payment method of its charge (docs.stripe.com/testing#refunds). A pending refund is not a failed one
// (commerce-stripe#134), and a refund object is not a refund that is done (tickets#1824).
func TestRefund_ByPaymentMethod(t *testing.T) {
	t.Parallel()
	for method, want := range map[payment.PaymentMethod]struct {
		class payment.Class
		code  string
		found payment.LookupResult
		moved int64
	}{
		visa:                    {payment.ClassApproved, "", payment.FoundApproved, 250},
		"pm_card_refundFail":    {payment.ClassApproved, "", payment.FoundApproved, 250},
		pendingRefund:           {payment.ClassPending, "", payment.FoundPending, 250},
		"pm_card_createDispute": {payment.ClassDeclined, payment.DeclineNotPermitted, payment.FoundNothing, 0},
	} {
		t.Run(string(method), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, stripefake.Options{})
			charge, of := b.charged(t, method)
			c := newRefund(t, charge, of, "2.50")
			r := b.charge(t, c, want.class)
			require.True(t, r.Answered)
			require.Equal(t, want.code, r.Code)
			require.Equal(t, want.moved, b.fake.Refunded(of.TransactionID))
			ids := b.fake.Refunds(string(c.Key))
			if want.moved > 0 {
				require.Equal(t, []string{r.TransactionID + r.Reference}, ids)
			}
			again := b.charge(t, c, want.class)
			require.Equal(t, r.TransactionID, again.TransactionID)
			require.Equal(t, ids, b.fake.Refunds(string(c.Key)), "a repeat is the same refund")
			for _, ref := range []payment.ChargeRef{refundRef(c, r), refundRef(c, payment.Result{})} {
				l := b.lookUp(t, ref, want.found)
				require.Equal(t, r.TransactionID, l.TransactionID)
				require.Equal(t, l, b.Cancel(t.Context(), ref), "a cancellation of a refund only looks it up")
			}
			require.Equal(t, "succeeded", b.fake.Status(of.TransactionID), "the charge is not cancelled")
		})
	}
}

// More than is left is declined, also if it is because of a refund that another program made.
func TestRefund_MoreThanIsLeft_IsDeclined(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	charge, of := b.charged(t, visa)
	b.charge(t, newRefund(t, charge, of, "10"), payment.ClassApproved)
	r := b.charge(t, newRefund(t, charge, of, "2.51"), payment.ClassDeclined)
	require.Equal(t, "amount_exceeds_charge", r.Code)
	require.True(t, strings.HasPrefix(r.Message, "Refund amount is greater"), r.Message)
	b.charge(t, newRefund(t, charge, of, "2.50"), payment.ClassApproved)
	r = b.charge(t, newRefund(t, charge, of, "0.01"), payment.ClassDeclined)
	require.Equal(t, "amount_exceeds_charge", r.Code)
	require.True(t, strings.HasPrefix(r.Message, "charge_already_refunded: "), r.Message)
	require.EqualValues(t, 1250, b.fake.Refunded(of.TransactionID))
}

// The key of another endpoint is a 400, which says nothing of either request. So does the key with other parameters.
func TestRefund_UsedKey_IsKeyReused(t *testing.T) {
	t.Parallel()
	b := newBench(t, stripefake.Options{})
	charge, of := b.charged(t, visa)
	c := newRefund(t, charge, of, "2.50")
	c.Key = charge.Key
	b.charge(t, c, payment.ClassKeyReused)
	require.Zero(t, b.fake.Refunded(of.TransactionID))

	c = newRefund(t, charge, of, "2.50")
	b.charge(t, c, payment.ClassApproved)
	for name, change := range map[string]func(*payment.Charge){
		"amount": func(c *payment.Charge) { c.Money = money(t, "2.51", "USD") },
		"order":  func(c *payment.Charge) { c.OrderID = "another" },
		"refund": func(c *payment.Charge) { c.Operation.Name = "r-2" },
	} {
		other := c
		change(&other)
		require.Contains(t, b.charge(t, other, payment.ClassKeyReused).Message, "same parameters", name)
	}
	asCharge := newCharge(t, visa)
	asCharge.Key = c.Key
	b.charge(t, asCharge, payment.ClassKeyReused)
	require.EqualValues(t, 250, b.fake.Refunded(of.TransactionID))
	require.Zero(t, b.fake.Charges(string(c.Key)))
}

// A fault in the answer to the refund, the class, and what the repeat and the lookup find then: as for charges.
func TestRefund_Faults(t *testing.T) {
	t.Parallel()
	nothing, approved := payment.FoundNothing, payment.FoundApproved
	for name, tt := range map[string]struct {
		fault    stripefake.Fault
		class    payment.Class
		answered bool
		found    payment.LookupResult
		again    payment.Class
		refunds  int // before the repeat
	}{
		"lost answer":         {stripefake.LostAnswer, payment.ClassUnknownUnanswered, false, approved, payment.ClassApproved, 1},
		"lost request":        {stripefake.LostRequest, payment.ClassUnknownUnanswered, false, nothing, payment.ClassApproved, 0},
		"page of a proxy":     {stripefake.ProxyPage, payment.ClassUnknownUnanswered, false, approved, payment.ClassApproved, 1},
		"saved 500, refunded": {stripefake.SavedError, payment.ClassUnknownAnswered, true, approved, payment.ClassUnknownAnswered, 1},
		"saved 500":           {stripefake.SavedErrorNoCharge, payment.ClassUnknownAnswered, true, nothing, payment.ClassUnknownAnswered, 0},
		"lock_timeout":        {stripefake.LockTimeout, payment.ClassUnknownAnswered, true, approved, payment.ClassApproved, 1},
		"rate limit":          {stripefake.RateLimit, payment.ClassNotCharged, true, nothing, payment.ClassApproved, 0},
		"409 of a refund":     {stripefake.Conflict, payment.ClassUnknownUnanswered, true, approved, payment.ClassApproved, 1},
		"409, then not JSON":  {stripefake.Fault{Method: "POST", Execute: true, Status: 409, Body: "<html>"}, payment.ClassUnknownUnanswered, true, approved, payment.ClassApproved, 1},
		"200 that is no JSON": {stripefake.Fault{Method: "POST", Execute: true, Status: 200, Body: "ok"}, payment.ClassUnknownAnswered, true, approved, payment.ClassApproved, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, stripefake.Options{})
			charge, of := b.charged(t, visa)
			b.fake.Inject(tt.fault)
			c := newRefund(t, charge, of, "2.50")
			r := b.charge(t, c, tt.class)
			require.Equal(t, tt.answered, r.Answered)
			require.Len(t, b.fake.Refunds(string(c.Key)), tt.refunds)
			b.lookUp(t, refundRef(c, r), tt.found)
			b.charge(t, c, tt.again)
			require.LessOrEqual(t, len(b.fake.Refunds(string(c.Key))), 1)
			require.LessOrEqual(t, b.fake.Refunded(of.TransactionID), int64(250))
		})
	}
}

// stubRefund is the refund of a charge of the PaymentIntent pi_1.
const stubRefund = `{"id":"re_1","object":"refund","amount":250,"charge":"ch_1","created":1767225600,"currency":"usd",` +
	`"failure_reason":null,"metadata":{"paymentd_key":"key-2","paymentd_order_id":"order-1","paymentd_refund_id":"r-1"},` +
	`"payment_intent":"pi_1","status":"succeeded"}`

// withRefund returns the refund with members replaced: names and values alternate.
func withRefund(change ...string) string {
	body := stubRefund
	for n := 0; n < len(change); n += 2 {
		i := strings.Index(body, `"`+change[n]+`":`) + len(change[n]) + 3
		body = body[:i] + change[n+1] + body[i+strings.IndexAny(body[i:], ",}"):]
	}
	return body
}

func refundError(code, param string) string {
	return `{"error":{"type":"invalid_request_error","code":"` + code + `","param":"` + param + `","message":"No.","payment_intent":` + stubIntent + `}}`
}

// newRefundStub opens the adapter for a server with this answer, and returns the refund that it is about.
func newRefundStub(t *testing.T, status int, header map[string]string, body string) (*stripegateway.Gateway, payment.Charge) {
	t.Helper()
	g := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.Header().Set("Idempotency-Key", r.Header.Get("Idempotency-Key"))
		w.Header().Set("Request-Id", "req_1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	c := newRefund(t, stubCharge(t), payment.ChargeID{Key: "key-1", TransactionID: "pi_1"}, "2.50")
	c.Key = "key-2"
	return g, c
}

// Each row of the table of answers to a refund, and the code of a decline.
func TestRefund_MarkedAnswers(t *testing.T) {
	t.Parallel()
	const (
		unknown  = payment.ClassUnknownAnswered
		running  = payment.ClassUnknownUnanswered
		rejected = payment.ClassRejected
		exceeds  = "amount_exceeds_charge"
	)
	failed := func(reason string) string { return withRefund("status", `"failed"`, "failure_reason", `"`+reason+`"`) }
	retry := map[string]string{"Stripe-Should-Retry": "true"}
	for name, tt := range map[string]struct {
		status int
		header map[string]string
		body   string
		want   payment.Class
		code   string
	}{
		"succeeded":                   {200, nil, stubRefund, payment.ClassApproved, ""},
		"of a bank debit":             {200, nil, withRefund("id", `"pyr_1"`), payment.ClassApproved, ""},
		"an expanded intent":          {200, nil, withRefund("payment_intent", stubIntent), payment.ClassApproved, ""},
		"pending":                     {200, nil, withRefund("status", `"pending"`), payment.ClassPending, ""},
		"requires_action":             {200, nil, withRefund("status", `"requires_action"`), payment.ClassPending, ""},
		"failed":                      {200, nil, withRefund("status", `"failed"`), payment.ClassDeclined, payment.DeclineCard},
		"failed, unknown":             {200, nil, failed("unknown"), payment.ClassDeclined, payment.DeclineCard},
		"failed, declined":            {200, nil, failed("declined"), payment.ClassDeclined, payment.DeclineCard},
		"failed, expired card":        {200, nil, failed("expired_or_canceled_card"), payment.ClassDeclined, payment.DeclineExpired},
		"failed, lost card":           {200, nil, failed("lost_or_stolen_card"), payment.ClassDeclined, payment.DeclineFraud},
		"failed, disputed":            {200, nil, failed("charge_for_pending_refund_disputed"), payment.ClassDeclined, payment.DeclineNotPermitted},
		"failed, balance":             {200, nil, failed("insufficient_funds"), payment.ClassDeclined, payment.DeclineFunds},
		"canceled":                    {200, nil, withRefund("status", `"canceled"`, "failure_reason", `"merchant_request"`), payment.ClassDeclined, payment.DeclineAbandoned},
		"a newer status":              {200, nil, withRefund("status", `"patient"`), unknown, ""},
		"no status":                   {200, nil, withRefund("status", "null"), unknown, ""},
		"another key":                 {200, nil, withRefund("metadata", `{"paymentd_key":"key-3"`), unknown, ""},
		"no metadata":                 {200, nil, `{"id":"re_1","object":"refund","amount":250,"currency":"usd","payment_intent":"pi_1","status":"succeeded"}`, unknown, ""},
		"another charge":              {200, nil, withRefund("payment_intent", `"pi_2"`), unknown, ""},
		"no charge":                   {200, nil, withRefund("payment_intent", "null"), unknown, ""},
		"another amount":              {200, nil, withRefund("amount", "25000"), unknown, ""},
		"another currency":            {200, nil, withRefund("currency", `"jpy"`), unknown, ""},
		"another object":              {200, nil, withRefund("object", `"charge"`), unknown, ""},
		"an id with a slash":          {200, nil, withRefund("id", `"re_1/cancel"`), unknown, ""},
		"a PaymentIntent":             {200, nil, stubIntent, unknown, ""},
		"a repeated member":           {200, nil, `{"status":"succeeded",` + stubRefund[1:], unknown, ""},
		"201":                         {201, nil, stubRefund, unknown, ""},
		"idempotency_error":           {400, nil, `{"error":{"type":"idempotency_error","message":"Keys for idempotent requests…"}}`, payment.ClassKeyReused, ""},
		"key in use":                  {409, nil, `{"error":{"type":"idempotency_error","code":"idempotency_key_in_use"}}`, running, ""},
		"409 without a body":          {409, nil, "", running, ""},
		"charge_already_refunded":     {400, nil, refundError("charge_already_refunded", ""), payment.ClassDeclined, exceeds},
		"more than is left":           {400, nil, refundError("", "amount"), payment.ClassDeclined, exceeds},
		"amount_too_large":            {400, nil, refundError("amount_too_large", "amount"), payment.ClassDeclined, exceeds},
		"charge_disputed":             {400, nil, refundError("charge_disputed", ""), payment.ClassDeclined, payment.DeclineNotPermitted},
		"refund_disputed_payment":     {400, nil, refundError("refund_disputed_payment", ""), payment.ClassDeclined, payment.DeclineNotPermitted},
		"charge_not_refundable":       {400, nil, refundError("charge_not_refundable", ""), payment.ClassDeclined, payment.DeclineNotPermitted},
		"the balance is too low":      {400, nil, refundError("balance_insufficient", ""), payment.ClassDeclined, payment.DeclineFunds},
		"declined, to be repeated":    {400, retry, refundError("charge_already_refunded", ""), unknown, ""},
		"a card error":                {402, nil, `{"error":{"type":"card_error","code":"expired_card"}}`, payment.ClassDeclined, payment.DeclineExpired},
		"402 of another kind":         {402, nil, `{"error":{"type":"api_error"}}`, unknown, ""},
		"not a number":                {400, nil, refundError("parameter_invalid_integer", "amount"), rejected, ""},
		"too small":                   {400, nil, refundError("amount_too_small", "amount"), rejected, ""},
		"no such intent":              {404, nil, refundError("resource_missing", "payment_intent"), rejected, ""},
		"no charge to refund":         {400, nil, refundError("payment_intent_unexpected_state", ""), rejected, ""},
		"an error without a code":     {400, nil, refundError("", ""), rejected, ""},
		"401":                         {401, nil, `{"error":{"type":"invalid_request_error","message":"Invalid API Key provided"}}`, rejected, ""},
		"403":                         {403, nil, `{"error":{"type":"invalid_request_error","message":"no permission"}}`, rejected, ""},
		"424":                         {424, nil, `{"error":{"type":"api_error"}}`, unknown, ""},
		"429":                         {429, nil, `{"error":{"type":"invalid_request_error","code":"rate_limit"}}`, payment.ClassNotCharged, ""},
		"429 lock_timeout":            {429, retry, `{"error":{"type":"invalid_request_error","code":"lock_timeout"}}`, unknown, ""},
		"500":                         {500, retry, `{"error":{"type":"api_error"}}`, unknown, ""},
		"500 about a refunded charge": {500, nil, refundError("charge_already_refunded", ""), unknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, c := newRefundStub(t, tt.status, tt.header, tt.body)
			r := g.Charge(t.Context(), c)
			require.Equal(t, tt.want, r.Class, r.Message)
			require.True(t, r.Answered)
			require.Equal(t, tt.code, r.Code)
			require.Equal(t, r.Class == payment.ClassApproved, r.TransactionID != "")
			require.Equal(t, r.Class == payment.ClassPending, r.Reference == "re_1" && r.Class != payment.ClassDeclined && r.Class != unknown)
			require.NotEqual(t, "pi_1", r.Reference, "the intent of an error is that of the charge")
			require.Equal(t, r, r.Sanitized())
		})
	}
}

// The echoed key must be that of the refund, not that of its charge.
func TestRefund_UnmarkedAnswers_ProveNothing(t *testing.T) {
	t.Parallel()
	for _, mark := range []string{"", "key-1", "KEY-2"} {
		for _, status := range []int{200, 400, 402, 404, 409, 429, 500} {
			g := newStub(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Idempotency-Key", mark)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, stubRefund)
			})
			c := newRefund(t, stubCharge(t), payment.ChargeID{TransactionID: "pi_1"}, "2.50")
			c.Key = "key-2"
			r := g.Charge(t.Context(), c)
			require.Equal(t, payment.ClassUnknownUnanswered, r.Class, "%q %d", mark, status)
			require.False(t, r.Answered)
		}
	}
}
