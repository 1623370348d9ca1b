package payment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// An approval that cannot be kept is not told: the money may have been taken, and what
// was it called?
func TestReadable(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		transactionID string
		readable      bool
	}{
		"usual":     {"txn-21408", true},
		"longest":   {strings.Repeat("t", payment.MaxTransactionIDBytes), true},
		"printable": {"ch_1 ~", true},
		"none":      {"", false},
		"too long":  {strings.Repeat("t", payment.MaxTransactionIDBytes+1), false},
		"newline":   {"txn\n", false},
		"not ASCII": {"txn-é", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := payment.Result{Class: payment.ClassApproved, TransactionID: test.transactionID}
			l := payment.Lookup{Result: payment.FoundApproved, TransactionID: test.transactionID}
			if test.readable {
				require.Equal(t, r, r.Sanitized())
				require.Equal(t, l, l.Sanitized())
				return
			}
			require.Equal(t, payment.ClassUnknownAnswered, r.Sanitized().Class)
			require.Empty(t, r.Sanitized().TransactionID)
			require.Equal(t, payment.FoundNoAnswer, l.Sanitized().Result)
			require.Empty(t, l.Sanitized().TransactionID)
		})
	}
	for _, class := range []payment.Class{payment.ClassDeclined, payment.ClassNotCharged} {
		require.Equal(t, of(class), of(class).Sanitized())
	}
	nothing := payment.Lookup{Result: payment.FoundNothing}
	require.Equal(t, nothing, nothing.Sanitized())
}
