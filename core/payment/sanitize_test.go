package payment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// An approval without a valid transaction id cannot be stored, so its outcome is unknown.
func TestSanitized_ApprovalNeedsATransactionID(t *testing.T) {
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
		require.Equal(t, resultOf(class), resultOf(class).Sanitized())
	}
	nothing := payment.Lookup{Result: payment.FoundNothing}
	require.Equal(t, nothing, nothing.Sanitized())
}

func TestSettlement_SanitizesCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"card_declined":          "card_declined",
		"":                       "",
		"do not honour":          "do_not_honour",
		"é\n":                    "___",
		strings.Repeat("c", 100): strings.Repeat("c", payment.MaxCodeBytes),
	} {
		p := claimedPayment(t)
		s := payment.Settlement{
			ClaimRef: p.ClaimRef(), End: attemptEnd(payment.Result{Class: payment.ClassDeclined, Code: code}),
			Outcome: payment.Outcome{State: payment.StateDeclined, Code: code},
		}
		d, err := apply(s, p, noon)
		require.NoError(t, err)
		require.Equal(t, want, d.Payment.Code)
		require.Equal(t, want, d.Payment.Attempt.Code)
	}
}

func TestSettlement_CutsMessagesBetweenCharacters(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ message, want string }{
		"short":      {"no", "no"},
		"just fits":  {strings.Repeat("a", 500), strings.Repeat("a", 500)},
		"one over":   {strings.Repeat("a", 501), strings.Repeat("a", 500)},
		"two bytes":  {"a" + strings.Repeat("ж", 250), "a" + strings.Repeat("ж", 249)},
		"four bytes": {"ab" + strings.Repeat("🧾", 125), "ab" + strings.Repeat("🧾", 124)},
		"not UTF-8":  {"a\xffb", "a\uFFFDb"},
		"no UTF-8":   {strings.Repeat("\x80", 1000), "\uFFFD"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := payment.Settlement{
				ClaimRef: claimedPayment(t).ClaimRef(),
				End:      attemptEnd(payment.Result{Class: payment.ClassDeclined, Message: test.message}),
				Outcome:  payment.Outcome{State: payment.StateDeclined, Reason: test.message},
			}
			d, err := apply(s, claimedPayment(t), noon)
			require.NoError(t, err)
			require.Equal(t, test.want, d.Payment.Attempt.Message)
			require.Equal(t, test.want, d.Payment.Reason)
		})
	}
}

// What is stored of a message, from any source, is valid UTF-8 without control characters, of bounded
// length, and unchanged when it is read and stored again.
func TestSettlement_SanitizesMessages(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"no \U0001F4B8":             "no \U0001F4B8",
		"a\x00b\x1b[0m\x7f\u0085":   "a\uFFFDb\uFFFD[0m\uFFFD ",
		"two\r\nlines\tand more":    "two  lines and more",
		"cut \xf0\x9f":              "cut \uFFFD",
		"\xed\xa0\x80surrogate":     "\uFFFDsurrogate",
		strings.Repeat("\xff", 600): "\uFFFD",
		strings.Repeat("é", 300):    strings.Repeat("é", 250),
		strings.Repeat("\x00", 300): strings.Repeat("\uFFFD", 166),
	} {
		for range 2 {
			p := claimedPayment(t)
			d, err := payment.Settlement{
				ClaimRef: p.ClaimRef(),
				End:      &payment.AttemptEnd{Result: payment.Result{Class: payment.ClassDeclined, Code: "c", Message: message}},
				Outcome:  payment.Outcome{State: payment.StateDeclined, Code: "c", Reason: message},
			}.Apply(p, noon)
			require.NoError(t, err)
			require.Equal(t, want, d.Payment.Reason)
			require.Equal(t, want, d.Payment.Attempt.Message)
			message = want
		}
	}
	p := inState(t, payment.StateUnresolved)
	d, err := payment.Resolution{
		OrderID: p.OrderID, By: "Zo\xeb\n", Outcome: payment.Outcome{State: payment.StateFailed, Reason: "a\x00"},
	}.Apply(p, noon)
	require.NoError(t, err)
	require.Equal(t, "Zo\uFFFD ", d.Event.Replica)
	require.Equal(t, "was unresolved; now failed: a\uFFFD", d.Event.Detail)
}
