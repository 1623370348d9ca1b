package squaregateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
)

// A decline may have any status, with or without a payment that is FAILED (connect-csharp-sdk#142,
// square-python-sdk#102).
func TestCharge_Declines_AreTranslated(t *testing.T) {
	t.Parallel()
	for source, want := range map[payment.PaymentMethod]struct{ code, square string }{
		cardDeclined:                               {payment.DeclineCard, "GENERIC_DECLINE"},
		cardUsed:                                   {payment.DeclineMethod, "CARD_TOKEN_USED"},
		"cnon:card-nonce-rejected-cvv":             {payment.DeclineSecurityCode, "CVV_FAILURE"},
		"cnon:card-nonce-rejected-postalcode":      {payment.DeclineAddress, "ADDRESS_VERIFICATION_FAILURE"},
		"cnon:card-nonce-rejected-expiration":      {payment.DeclineExpired, "INVALID_EXPIRATION"},
		"cnon:gift-card-nonce-insufficient-funds":  {payment.DeclineFunds, "INSUFFICIENT_FUNDS"},
		"cnon:a-token-that-does-not-exist-at-all!": {payment.DeclineMethod, "NOT_FOUND (source_id)"},
	} {
		for _, status := range []int{200, 400, 402, 500} {
			for _, bare := range []bool{false, true} {
				b := newBench(t, squarefake.Options{DeclineStatus: status, BareDeclines: bare})
				r := b.charge(source, payment.ClassDeclined)
				require.Equal(t, want.code, r.Code, r.Message)
				require.Contains(t, payment.DeclineCodes(), r.Code)
				require.True(t, strings.HasPrefix(r.Message, want.square), r.Message)
				require.True(t, r.Answered)
				require.Equal(t, append(b.fake.IDs(string(key)), "")[0], r.Reference)
				require.Zero(t, b.fake.Charges(string(key)))
			}
		}
	}
}

// bareDecline is a decline that is not about this request, because the request succeeded.
var bareDecline = squarefake.Fault{
	Call: "create", Status: 400, Errors: []squarefake.Error{{Category: "PAYMENT_METHOD_ERROR", Code: "GENERIC_DECLINE"}},
}

// Nothing ties an error to the request: a decline without a payment is confirmed by the list.
func TestCharge_DeclineOfSomethingElse_IsFoundByTheList(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	b.fake.Inject(bareDecline)
	b.charge(cardOK, payment.ClassApproved)
	require.Equal(t, 1, b.fake.Charges(string(key)))
}

// If the list lags, the payment stays a hold that no attempt takes.
func TestCharge_DeclineOfSomethingElse_IsAHoldThatExpires(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{Lag: 5 * time.Second})
	b.fake.Inject(bareDecline)
	b.charge(cardOK, payment.ClassDeclined)
	require.Equal(t, 1, b.fake.Holds(string(key)))
	b.fake.Advance(squaregateway.HoldFor)
	require.Zero(t, b.fake.Holds(string(key)))
	require.Zero(t, b.fake.Charges(string(key)))
}

func TestCharge_DeclineUnconfirmed_IsUnknown(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]squarefake.Fault{
		"lost":             {Close: true, Times: 2}, // net/http repeats a read on another connection
		"a page":           {Status: 200, Body: "<html></html>"},
		"without the mark": {Drop: []string{"Square-Version"}},
		"an error":         {Skip: true, Status: 401, Errors: []squarefake.Error{{Category: "AUTHENTICATION_ERROR", Code: "INSUFFICIENT_SCOPES"}}},
	} {
		b := newBench(t, squarefake.Options{BareDeclines: true})
		fault.Call = "list"
		b.fake.Inject(fault)
		r := b.charge(cardDeclined, payment.ClassUnknownAnswered)
		require.Contains(t, r.Message, "GENERIC_DECLINE", name)
		b.charge(cardDeclined, payment.ClassDeclined)
	}
}

// Errors are classified by category and code, never by the HTTP status.
func TestCharge_Errors_AreClassifiedByCode(t *testing.T) {
	t.Parallel()
	const method, invalid, api = "PAYMENT_METHOD_ERROR", "INVALID_REQUEST_ERROR", "API_ERROR"
	for name, tt := range map[string]struct {
		errors []squarefake.Error
		want   payment.Class
	}{
		"temporary":            {[]squarefake.Error{{Category: method, Code: "TEMPORARY_ERROR"}}, payment.ClassUnknownAnswered},
		"temporary, declined":  {[]squarefake.Error{{Category: method, Code: "GENERIC_DECLINE"}, {Category: method, Code: "TEMPORARY_ERROR"}}, payment.ClassUnknownAnswered},
		"key reused":           {[]squarefake.Error{{Category: invalid, Code: "IDEMPOTENCY_KEY_REUSED"}}, payment.ClassKeyReused},
		"rate limit":           {[]squarefake.Error{{Category: "RATE_LIMIT_ERROR", Code: "RATE_LIMITED"}}, payment.ClassNotCharged},
		"token":                {[]squarefake.Error{{Category: "AUTHENTICATION_ERROR", Code: "ACCESS_TOKEN_EXPIRED"}}, payment.ClassRejected},
		"wrong request":        {[]squarefake.Error{{Category: invalid, Code: "VALUE_TOO_LOW", Field: "amount_money.amount"}}, payment.ClassRejected},
		"card not processed":   {[]squarefake.Error{{Category: method, Code: "CARD_PROCESSING_NOT_ENABLED"}}, payment.ClassRejected},
		"internal":             {[]squarefake.Error{{Category: api, Code: "INTERNAL_SERVER_ERROR"}}, payment.ClassUnknownAnswered},
		"behind the edge":      {[]squarefake.Error{{Category: api, Code: "GATEWAY_TIMEOUT"}}, payment.ClassUnknownUnanswered},
		"away":                 {[]squarefake.Error{{Category: api, Code: "SERVICE_UNAVAILABLE"}}, payment.ClassUnknownUnanswered},
		"running":              {[]squarefake.Error{{Category: invalid, Code: "CONFLICT"}}, payment.ClassUnknownUnanswered},
		"declined, new code":   {[]squarefake.Error{{Category: method, Code: "NEW_REASON"}}, payment.ClassDeclined},
		"of a refund":          {[]squarefake.Error{{Category: "REFUND_ERROR", Code: "REFUND_DECLINED"}}, payment.ClassUnknownAnswered},
		"subscription":         {[]squarefake.Error{{Category: "MERCHANT_SUBSCRIPTION_ERROR", Code: "X"}}, payment.ClassRejected},
		"declined and invalid": {[]squarefake.Error{{Category: invalid, Code: "BAD_REQUEST"}, {Category: method, Code: "CVV_FAILURE"}}, payment.ClassDeclined},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, status := range []int{200, 402, 429, 500} {
				b := newBench(t, squarefake.Options{})
				b.fake.Inject(squarefake.Fault{
					Call: "create", Skip: true, Status: status, Errors: tt.errors, Header: map[string]string{"Retry-After": "3"},
				})
				r := b.charge(cardOK, tt.want)
				require.True(t, r.Answered)
				require.Contains(t, r.Message, tt.errors[len(tt.errors)-1].Code)
				require.Equal(t, tt.want.Retryable(), r.RetryAfter == 3*time.Second)
				if !tt.want.Unknown() && tt.want != payment.ClassNotCharged {
					continue
				}
				b.charge(cardOK, payment.ClassApproved)
			}
		})
	}
}

// A decline is found by its payment, and counts as nothing found, because declines may not be saved.
func TestLookUp_Decline_HasItsCode(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{DeclineStatus: http.StatusPaymentRequired})
	r := b.charge("cnon:card-nonce-rejected-cvv", payment.ClassDeclined)
	l := b.lookUp(b.ref(), payment.FoundDeclined)
	require.Equal(t, r.Code, l.Code)
	require.Equal(t, r.Message, l.Message)
	ref := b.ref()
	ref.Reference = r.Reference
	require.Equal(t, l, b.lookUp(ref, payment.FoundDeclined))
}
