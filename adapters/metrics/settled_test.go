package metrics_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/metrics"
	"paymentd/core/payment"
)

// A lookup that finds what was known before is no outcome.
func TestOnSettled(t *testing.T) {
	t.Parallel()
	m := metrics.New("test")
	var got []payment.State
	m.OnSettled(func(kind payment.Kind, state payment.State) {
		require.Equal(t, payment.KindCharge, kind)
		got = append(got, state)
	})
	p := m.Payments(fake.NewPayments())
	require.NoError(t, settle(t, p, claim(t, p, ask(t, "order-1")), payment.StateDeclined))
	require.Equal(t, []payment.State{payment.StateDeclined}, got)

	held := claim(t, p, ask(t, "order-2"))
	for _, found := range []payment.LookupResult{payment.FoundNoAnswer, payment.FoundNoAnswer, payment.FoundApproved} {
		l := lookup(held, found)
		l.End = &payment.AttemptEnd{Result: payment.Result{Class: payment.ClassUnknownUnanswered}, Took: time.Second}
		if held.State != payment.StateProcessing {
			l.End = nil
		}
		after, _, err := p.RecordLookup(t.Context(), l)
		require.NoError(t, err)
		held = after
	}
	require.Equal(t, []payment.State{payment.StateDeclined, payment.StateUnresolved, payment.StateSucceeded}, got)
}
