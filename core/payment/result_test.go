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
			l := payment.Lookup{Finding: payment.FoundApproved, TransactionID: test.transactionID}
			if test.readable {
				require.Equal(t, r, r.Readable())
				require.Equal(t, l, l.Readable())
				return
			}
			require.Equal(t, payment.ClassUnknownAnswered, r.Readable().Class)
			require.Empty(t, r.Readable().TransactionID)
			require.Equal(t, payment.FoundNoAnswer, l.Readable().Finding)
			require.Empty(t, l.Readable().TransactionID)
		})
	}
	for _, class := range []payment.Class{payment.ClassDeclined, payment.ClassNotCharged} {
		require.Equal(t, of(class), of(class).Readable())
	}
	nothing := payment.Lookup{Finding: payment.FoundNothing}
	require.Equal(t, nothing, nothing.Readable())
}
