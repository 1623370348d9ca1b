package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAuditFinds(t *testing.T) {
	t.Parallel()

	right := audit{Answers: 10, Succeeded: 10, Charges: 10, Charged: 10}
	require.Empty(t, right.wrong())
	for name, c := range map[string]struct {
		a    audit
		says string
	}{
		"an answer without a payment":   {audit{Answers: 10, Succeeded: 9, Charges: 10, Charged: 10}, "9 payments succeeded"},
		"a payment that nobody made":    {audit{Answers: 10, Succeeded: 11, Charges: 11, Charged: 11}, "11 payments succeeded"},
		"a second charge":               {audit{Answers: 10, Succeeded: 10, Charges: 11, Charged: 10}, "charged twice"},
		"a payment without a charge":    {audit{Answers: 10, Succeeded: 10, Charges: 9, Charged: 9}, "9 charges in the ledger"},
		"a charge without a payment":    {audit{Answers: 10, Succeeded: 10, Charges: 11, Charged: 11}, "11 charges in the ledger"},
		"more than the errors can hide": {audit{Answers: 8, Errors: 1, Succeeded: 10, Charges: 10, Charged: 10}, "1 errors"},
		"a bare loop that cheats": {audit{
			Answers: 1, Succeeded: 1, Charges: 1, Charged: 1, Others: map[string]tally{bare: {Answers: 5, Succeeded: 4}},
		}, "bare answered 5 times"},
	} {
		require.Contains(t, c.a.wrong(), c.says, name)
	}
	require.Empty(t, audit{Answers: 8, Errors: 2, Succeeded: 9, Charges: 10, Charged: 10}.wrong(),
		"a client that got an error may have paid")
}
