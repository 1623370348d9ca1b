package payment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func resolution(o payment.Outcome) payment.Resolution {
	return payment.Resolution{OrderID: "order-1", Outcome: o, By: "ada"}
}

func TestResolution(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		outcome payment.Outcome
		detail  string
	}{
		"succeeded": {
			payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-9"}, "succeeded: txn-9",
		},
		"failed": {
			payment.Outcome{
				State: payment.StateFailed, Code: payment.CodeResolved, Reason: "not on the statement",
			},
			"failed: not on the statement",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := in(t, payment.StateUnresolved)
			now := noon.Add(lease)
			require.NoError(t, resolution(test.outcome).Check())
			d, err := resolution(test.outcome).Apply(p, now)
			require.NoError(t, err)
			require.Equal(t, payment.VerdictWritten, d.Verdict)
			require.True(t, d.Write)
			require.Equal(t, &p.Attempt, d.PriorAttempt)
			require.Equal(t, &payment.Event{
				Number: 1, Kind: payment.EventResolved, At: now, Replica: "ada", Fence: 2, Detail: test.detail,
			}, d.Event)
			got, o := d.Payment, test.outcome
			require.Equal(t, o.State, got.State)
			require.Equal(t, []string{o.TransactionID, o.Code, o.Reason}, []string{got.TransactionID, got.Code, got.Reason})
			require.True(t, got.DueAt.IsZero())
			require.False(t, got.Doubt.Any())
			require.Equal(t, now, got.UpdatedAt)
			require.Equal(t, p.GatewayKey, got.GatewayKey)
		})
	}
}

func TestAResolutionNeedsAnUnresolvedPayment(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		if state == payment.StateUnresolved {
			continue
		}
		d, err := resolution(payment.Outcome{State: payment.StateFailed}).Apply(in(t, state), noon)
		var refused *payment.NotUnresolvedError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, state, refused.State)
		if state == payment.StateProcessing {
			require.ErrorContains(t, err, "in flight")
		} else {
			require.EqualError(t, err, "the payment is "+string(state)+"; only an unresolved payment can be resolved")
		}
		require.Equal(t, payment.Decision{}, d)
	}
}

func TestResolutionRefusals(t *testing.T) {
	t.Parallel()
	taken := payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-9"}
	long := taken
	long.TransactionID = strings.Repeat("t", 256)
	nameless := resolution(taken)
	nameless.By = ""
	longName := resolution(taken)
	longName.By = strings.Repeat("a", 65)
	tests := map[string]struct {
		resolution payment.Resolution
		field      string
	}{
		"by nobody":        {nameless, "by"},
		"by a long name":   {longName, "by"},
		"no transaction":   {resolution(payment.Outcome{State: payment.StateSucceeded}), "transaction_id"},
		"long transaction": {resolution(long), "transaction_id"},
		"no reason":        {resolution(payment.Outcome{State: payment.StateFailed}), "reason"},
		"declined":         {resolution(payment.Outcome{State: payment.StateDeclined, Reason: "no"}), "state"},
		"nothing":          {resolution(payment.Outcome{}), "state"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.resolution.Check()
			var refused *payment.FieldError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, test.field, refused.Field)
			require.NotEmpty(t, refused.Message)
		})
	}
}
