package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAudit_InconsistentFiguresFail(t *testing.T) {
	t.Parallel()

	right := audit{Paid: 10, Succeeded: 10, Charges: 10, Charged: 10, isService: true}
	require.NoError(t, right.check())
	for name, c := range map[string]struct {
		a    audit
		says string
	}{
		"a paid order without a payment":   {audit{Paid: 10, Succeeded: 9, Charges: 10, Charged: 10}, "9 payments succeeded"},
		"a payment without a client":       {audit{Paid: 10, Succeeded: 11, Charges: 11, Charged: 11}, "11 payments succeeded"},
		"a second charge":                  {audit{Paid: 10, Succeeded: 10, Charges: 11, Charged: 10}, "charged twice"},
		"a payment without a charge":       {audit{Paid: 10, Succeeded: 10, Charges: 9, Charged: 9}, "9 charges in the ledger"},
		"a charge without a payment":       {audit{Paid: 10, Succeeded: 10, Charges: 11, Charged: 11}, "11 charges in the ledger"},
		"more payments than errors allow":  {audit{Paid: 8, Errors: 1, Succeeded: 10, Charges: 10, Charged: 10}, "1 errors"},
		"a payment that bare has not made": {audit{Contender: bare, Paid: 5, Succeeded: 4}, "bare: 5 responses"},
	} {
		c.a.isService = c.a.Contender != bare
		require.ErrorContains(t, c.a.check(), c.says, name)
	}
	require.NoError(t, audit{Paid: 8, Errors: 2, Succeeded: 9, Charges: 10, Charged: 10, isService: true}.check(),
		"the payment of a client that received an error may have succeeded")
}
