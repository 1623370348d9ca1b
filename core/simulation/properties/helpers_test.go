package properties_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"paymentd/core/payment"
)

const (
	lease = 30 * time.Second
	late  = time.Minute
)

var noon = time.Date(2026, 9, 17, 12, 0, 0, 0, time.UTC)

// currencies are the active ones of the domain, found among all codes of three letters.
func currencies() (known []payment.Currency) {
	for n := range 26 * 26 * 26 {
		code := string([]byte{byte('A' + n/676), byte('A' + n/26%26), byte('A' + n%26)})
		if currency, err := payment.ParseCurrency(code); err == nil {
			known = append(known, currency)
		}
	}
	return known
}

// requireClientSentence fails unless the refusal names its field, is short and is plain ASCII.
func requireClientSentence(t rapid.TB, err error) {
	t.Helper()
	var refused *payment.FieldError
	require.ErrorAs(t, err, &refused)
	require.Regexp(t, `^`+refused.Field+` must [ -~]{1,80}$`, refused.Message)
}

// repeats are all that a repeat of a key may get.
var repeats = []payment.Repeat{
	payment.RepeatCharges, payment.RepeatFirstAnswer, payment.RepeatFirstSuccess, payment.RepeatLatestStatus,
}

// rules are those of a gateway that honours keys for a day, and of lookups that begin after 5 seconds.
func rules() payment.KeyRules {
	return payment.KeyRules{
		Capabilities: payment.Capabilities{
			Gateway: "https://gateway.example", Repeat: payment.RepeatFirstSuccess, LooksUp: true, KeyLifetime: 24 * time.Hour,
			LookupForgets: true, SavesDeclines: true,
		},
		Late: late, Timeout: 10 * time.Second, LookupFirst: 5 * time.Second, LookupMax: 15 * time.Minute,
		MaxLease: lease + 10*time.Second, MaxDelay: 2 * time.Hour, MaxLookup: 3 * time.Hour,
	}
}

func claimRequest(t rapid.TB, key payment.GatewayKey) payment.ClaimRequest {
	t.Helper()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := payment.ParseMoney("100.00", usd)
	require.NoError(t, err)
	return payment.ClaimRequest{
		OrderID: "order-1", Money: money, NewKey: key, Replica: "replica-a", Lease: lease, Rules: rules(),
	}
}

func pickUpPolicy() payment.PickUpPolicy {
	return payment.PickUpPolicy{
		Replica: "replica-q", Lease: lease, Rules: rules(),
		NewKey: func() payment.GatewayKey { return "key-q" },
	}
}

// unresolvedPayment was claimed at noon, and its attempt was not answered.
func unresolvedPayment(t *testing.T) payment.Payment {
	t.Helper()
	a := claimRequest(t, "key-1")
	a.Worker = noon
	p := a.Open(noon)
	d, err := payment.Settlement{
		ClaimRef: p.ClaimRef(), End: attemptEnd(resultOf(payment.ClassUnknownUnanswered)), Worker: noon,
		Outcome: payment.Outcome{State: payment.StateUnresolved, Reason: "reason", DueIn: time.Minute},
	}.Apply(p, noon)
	require.NoError(t, err)
	return d.Payment
}

// attemptEnd is the result of an attempt that took two seconds.
func attemptEnd(r payment.Result) *payment.AttemptEnd {
	return &payment.AttemptEnd{Result: r, Took: 2 * time.Second}
}

func resultOf(class payment.Class) payment.Result {
	return payment.Result{Class: class, Message: "message of the gateway"}
}

// lookupRecord is the answer to a lookup of the payment's key, which was answered as soon as it was sent.
func lookupRecord(r payment.KeyRules, p payment.Payment, found payment.LookupResult, sent payment.Instant) payment.LookupRecord {
	return payment.LookupRecord{
		ClaimRef: p.ClaimRef(), Key: p.GatewayKey, Replica: "replica-q", Rules: r, Sent: sent, Worker: sent.Worker,
		Result: payment.Lookup{Result: found, TransactionID: "txn-7", Code: "code", Message: "message"},
	}
}

func resolution(o payment.Outcome) payment.Resolution {
	return payment.Resolution{OrderID: "order-1", Outcome: o, By: "ada"}
}

var allClasses = []payment.Class{
	payment.ClassApproved, payment.ClassDeclined, payment.ClassRejected, payment.ClassNotCharged,
	payment.ClassUnknownAnswered, payment.ClassUnknownUnanswered, payment.ClassPending, payment.ClassKeyReused,
}
