package payment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestParseState(t *testing.T) {
	t.Parallel()
	for _, want := range payment.States() {
		state, err := payment.ParseState(string(want))
		require.NoError(t, err)
		require.Equal(t, want, state)
	}
	for _, name := range []string{"", "Succeeded", "done", "failed "} {
		_, err := payment.ParseState(name)
		requireFieldError(t, err, "state",
			"state must be one of processing, scheduled, pending, authorized, succeeded, declined, failed, unresolved, voided")
	}
}
