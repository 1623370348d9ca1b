package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func expedite(retry bool) payment.Expedite {
	return payment.Expedite{OrderID: "order-1", Retry: retry, By: "ada", Rules: rules()}
}

func TestExpedite_MakesThePaymentDueNow(t *testing.T) {
	t.Parallel()
	now := noon.Add(10 * time.Second)
	failed, _ := failedByLookup(t)
	for name, c := range map[string]struct {
		payment payment.Payment
		retry   bool
		now     time.Time
		state   payment.State
		detail  string
	}{
		"look up an unresolved payment": {
			inState(t, payment.StateUnresolved), false, now, payment.StateUnresolved, "was unresolved and due in 55s; look up now",
		},
		"look up a pending payment": {
			inState(t, payment.StatePending), false, now, payment.StatePending, "was pending and due in 55s; look up now",
		},
		"look up what is due": {
			inState(t, payment.StateUnresolved), false, noon.Add(time.Hour), payment.StateUnresolved, "was unresolved and due; look up now",
		},
		"retry a scheduled payment": {
			inState(t, payment.StateScheduled), true, now, payment.StateScheduled, "was scheduled and due in 55s; retry now",
		},
		"retry an unresolved payment": {
			inState(t, payment.StateUnresolved), true, now, payment.StateScheduled, "was unresolved and due in 55s; now scheduled: retry with the same key",
		},
		"look up a failed payment that is in doubt": {
			failed, false, noon.Add(time.Hour), payment.StateFailed, "was failed and due in 1m0s; look up now",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := apply(expedite(c.retry), c.payment, c.now)
			require.NoError(t, err)
			require.NoError(t, d.Payment.Validate())
			require.Equal(t, payment.VerdictWritten, d.Verdict)
			require.Equal(t, c.state, d.Payment.State)
			require.Equal(t, c.payment.Fence+1, d.Payment.Fence)
			require.Equal(t, c.payment.GatewayKey, d.Payment.GatewayKey)
			require.Equal(t, c.payment.Doubt, d.Payment.Doubt, "an act of an operator proves nothing")
			require.Equal(t, &payment.Event{
				Number: c.payment.Events + 1, Kind: payment.EventExpedited, At: c.now, Replica: "ada",
				Fence: d.Payment.Fence, Detail: c.detail,
			}, d.Event)
			if c.state == payment.StateFailed {
				require.Len(t, d.Keys, 1)
				require.Equal(t, c.now, d.Keys[0].DueAt)
				return
			}
			require.Equal(t, c.now, d.Payment.DueAt)
			require.Equal(t, c.retry && c.payment.State == payment.StateUnresolved, d.PriorAttempt != nil)
		})
	}
}

// The queue then sends the key again.
func TestExpedite_RetriedUnresolvedPaymentIsClaimedWithTheSameKey(t *testing.T) {
	t.Parallel()
	p := inState(t, payment.StateUnresolved)
	d, err := apply(expedite(true), p, noon.Add(10*time.Second))
	require.NoError(t, err)
	policy := pickUpPolicy()
	policy.Work = payment.WorkCharges
	claimed := pickUp(policy, d.Payment, noon.Add(11*time.Second))
	require.Equal(t, payment.VerdictClaimed, claimed.Verdict)
	require.Equal(t, p.GatewayKey, claimed.Payment.Attempt.GatewayKey)
	require.Equal(t, p.Doubt, claimed.Payment.Doubt)
}

func TestExpedite_IsRefused(t *testing.T) {
	t.Parallel()
	foreign := rules()
	foreign.Gateway = "https://other.example"
	old, full := inState(t, payment.StateUnresolved), inState(t, payment.StateUnresolved)
	full.Events = 1000
	soon := noon.Add(10 * time.Second)
	for name, c := range map[string]struct {
		payment payment.Payment
		retry   bool
		rules   payment.KeyRules
		now     time.Time
		why     string
	}{
		"a worker holds the claim":     {claimedPayment(t), false, rules(), soon, "a worker is processing it"},
		"the claim has expired":        {claimedPayment(t), true, rules(), noon.Add(time.Hour), "about to take it over"},
		"its gateway is gone":          {old, false, foreign, soon, "gateway https://gateway.example is not configured"},
		"its key is too old":           {old, true, rules(), noon.Add(24 * time.Hour), "may not be sent again"},
		"its history is full":          {full, false, rules(), soon, "history is full"},
		"retry of a pending payment":   {inState(t, payment.StatePending), true, rules(), soon, "it is pending"},
		"lookup of a succeeded one":    {inState(t, payment.StateSucceeded), false, rules(), soon, "nothing about it is in doubt"},
		"lookup of a scheduled one":    {inState(t, payment.StateScheduled), false, rules(), soon, "nothing about it is in doubt"},
		"retry of a failed payment":    {inState(t, payment.StateFailed), true, rules(), soon, "it is failed"},
		"lookup of a voided payment":   {inState(t, payment.StateVoided), false, rules(), soon, "it is voided"},
		"retry of an authorized one":   {inState(t, payment.StateAuthorized), true, rules(), soon, "it is authorized"},
		"lookup of a declined payment": {inState(t, payment.StateDeclined), false, rules(), soon, "it is declined"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := expedite(c.retry)
			e.Rules = c.rules
			d, err := apply(e, c.payment, c.now)
			var refused *payment.NotExpeditedError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, refused.Error(), c.why)
			require.Zero(t, d)
		})
	}
}
