package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// A lookup that says "processing" starts the wait for an attempt without an answer anew: nothing that is found
// within PAYMENTD_LATE of its answer counts, by either clock.
func TestLookupRecord_NothingCountsOnlyLateAfterProcessing(t *testing.T) {
	t.Parallel()
	const late = time.Minute
	began := time.Date(2026, 9, 17, 12, 0, 0, 0, time.UTC)
	both := func(d time.Duration) payment.Instant { return payment.Instant{DB: began.Add(d), Worker: began.Add(d)} }
	rules := payment.KeyRules{
		Capabilities: payment.Capabilities{Gateway: "https://gateway.example", Repeat: payment.RepeatFirstSuccess, LooksUp: true, SavesDeclines: true},
		Late:         late, Timeout: 10 * time.Second, LookupFirst: 5 * time.Second, LookupMax: 15 * time.Minute,
	}
	lookUp := func(p payment.Payment, found payment.LookupResult, sent payment.Instant, took time.Duration) payment.Payment {
		d, err := payment.LookupRecord{
			ClaimRef: p.ClaimRef(), Key: p.GatewayKey, Replica: "replica-a", Rules: rules, Sent: sent, Worker: sent.Worker.Add(took),
			Result: payment.Lookup{Result: found},
		}.Apply(p, sent.DB.Add(took))
		require.NoError(t, err)
		return d.Payment
	}
	unresolved := payment.Payment{
		OrderID: "order-1", State: payment.StateUnresolved, GatewayKey: "key-1", Gateway: rules.Gateway, Fence: 2,
		KeySent: both(-time.Hour), DueAt: began.Add(time.Hour), Attempt: payment.Attempt{Number: 1, StartedAt: began.Add(-time.Hour)},
		Doubt: payment.Doubt{Answered: true, Latest: both(-time.Hour)},
	}
	require.Equal(t, payment.StateFailed, lookUp(unresolved, payment.FoundNothing, both(0), time.Second).State,
		"each attempt was answered long ago")

	processing := lookUp(unresolved, payment.FoundProcessing, both(0), 2*time.Second)
	require.Equal(t, payment.StateUnresolved, processing.State)
	require.Equal(t, both(2*time.Second), processing.Doubt.Unanswered, "as of the answer")
	after := 2*time.Second + late
	for name, tt := range map[string]struct {
		sent payment.Instant
		want payment.State
	}{
		"at once":                   {both(2 * time.Second), payment.StateUnresolved},
		"too soon":                  {both(after - time.Microsecond), payment.StateUnresolved},
		"too soon for the database": {payment.Instant{DB: began.Add(after - time.Microsecond), Worker: began.Add(2 * after)}, payment.StateUnresolved},
		"too soon for the worker":   {payment.Instant{DB: began.Add(2 * after), Worker: began.Add(after - time.Microsecond)}, payment.StateUnresolved},
		"late enough":               {both(after), payment.StateFailed},
	} {
		require.Equal(t, tt.want, lookUp(processing, payment.FoundNothing, tt.sent, time.Second).State, name)
	}

	again := lookUp(processing, payment.FoundProcessing, both(30*time.Second), 2*time.Second)
	require.Equal(t, both(32*time.Second), again.Doubt.Unanswered, "the last one counts")
	unresolved.Doubt.Unanswered = both(time.Minute)
	earlier := lookUp(unresolved, payment.FoundProcessing, both(0), 2*time.Second)
	require.Equal(t, both(time.Minute), earlier.Doubt.Unanswered, "it brings no later one forward")
}
