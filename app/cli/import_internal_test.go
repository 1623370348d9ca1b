package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestImportRead_Line(t *testing.T) {
	t.Parallel()
	const refund = `{"kind":"refund","refund_id":"r-1","charge_key":"k-1","key":"k-9","order_id":"order-1","amount":"0.50","currency":"USD","status":"succeeded","transaction_id":"t-9"}`
	const first = `{"key":"k-1","order_id":"order-1","amount":"1.00","currency":"USD","status":"succeeded","transaction_id":"t-1"}`
	for _, test := range []struct{ name, list, problem string }{
		{"a charge", first, ""},
		{"further members", strings.Replace(first, `{`, `{"fee":{"amount":1,"Key":2},"note":null,`, 1), ""},
		{"the same charge twice", first + "\n" + first, ""},
		{"two charges of an order", first + "\n" + strings.NewReplacer("k-1", "k-2", "t-1", "t-2").Replace(first), ""},
		{"not an object", "[]", "line 1: must be a JSON object"},
		{"two objects", first + first, "line 1: must be a JSON object"},
		{"a number", strings.Replace(first, `"1.00"`, `1.00`, 1), "amount is none"},
		{"a member twice", strings.Replace(first, `"amount"`, `"amount":"9.00","amount"`, 1), "has the member amount twice"},
		{"escaped twice", strings.Replace(first, `"amount"`, `"amount":"9.00","\u0061mount"`, 1), "has the member amount twice"},
		{"another case", strings.Replace(first, `"amount"`, `"Amount":"9.00","amount"`, 1), `has the member "Amount": write amount`},
		{"a dot segment", strings.Replace(first, "order-1", "..", 1), "line 1: order_id must not be . or .."},
		{"a key of two orders", first + "\n" + strings.NewReplacer("order-1", "order-2", "t-1", "t-2").Replace(first), `line 2: the key "k-1" is also that of order order-1`},
		{"a transaction of two orders", first + "\n" + strings.NewReplacer("order-1", "order-2", "k-1", "k-2").Replace(first), `line 2: the transaction_id "t-1" is also`},
		{"a refund", refund, ""},
		{"a refund in a ledger", strings.NewReplacer(`"kind":"refund",`, "", `"refund_id":"r-1",`, "").Replace(refund), ""},
		{"a capture in a ledger", strings.NewReplacer(`"kind":"refund"`, `"operation":"capture"`, `"refund_id":"r-1",`, "").Replace(refund), ""},
		{"a transaction of two kinds", first + "\n" + strings.Replace(refund, "t-9", "t-1", 1), ""},
		{"another kind", strings.Replace(refund, `"kind":"refund"`, `"kind":"reversal"`, 1), `line 1: the kind "reversal" is not known`},
		{"two kinds", strings.Replace(refund, `"kind"`, `"operation":"void","kind"`, 1), `line 1: has the kind "refund" and the operation "void"`},
		{"a charge with a charge key", strings.Replace(first, `{`, `{"kind":"charge","charge_key":"k-2",`, 1), "line 1: is of a charge, and has a charge_key"},
		{"a capture with a refund id", strings.Replace(refund, `"kind":"refund"`, `"kind":"capture"`, 1), "line 1: is of a capture, and has a refund_id"},
		{"a kind twice", strings.Replace(refund, `"kind"`, `"kind":"refund","kind"`, 1), "line 1: has the member kind twice"},
		{"a refund id in another case", strings.Replace(refund, "refund_id", "Refund_ID", 1), `line 1: has the member "Refund_ID": write refund_id`},
		{"a wrong refund id", strings.Replace(refund, "r-1", "r 1", 1), "line 1: refund_id must"},
		{"a wrong charge key", strings.Replace(refund, "k-1", "k 1", 1), "line 1: the gateway key of the charge"},
		{"a held refund", strings.Replace(refund, "succeeded", "authorized", 1), "line 1: a refund r-1 cannot be authorized"},
		{"a returned charge", strings.Replace(first, "succeeded", "returned", 1), "line 1: a charge cannot be returned"},
		{"a key of two kinds", first + "\n" + strings.Replace(refund, "k-9", "k-1", 1), `line 2: the key "k-1" is also that of the charge of the order`},
		{"a key of two refunds", refund + "\n" + strings.Replace(refund, "r-1", "r-2", 1), `line 2: the key "k-9" is also that of the refund r-1`},
		{"a transaction of two refunds", refund + "\n" + strings.NewReplacer("r-1", "r-2", "k-9", "k-8").Replace(refund), `line 2: the transaction_id "t-9" is also`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			list := filepath.Join(t.TempDir(), "list")
			require.NoError(t, os.WriteFile(list, []byte(test.list+"\n"), 0o600))
			charges, _, err := (&importCommand{File: list, By: "ada"}).read()
			if test.problem == "" {
				require.NoError(t, err)
				require.NotEmpty(t, charges)
				return
			}
			require.ErrorContains(t, err, test.problem)
		})
	}
}

// What another line decides is left out, and what operations are about comes before them.
func TestImportRead_Order(t *testing.T) {
	t.Parallel()
	line := func(members, key, status string) string {
		return `{` + members + `"key":"` + key + `","order_id":"order-1","amount":"1.00","currency":"USD","status":"` + status +
			`","transaction_id":"of-` + key + `"}` + "\n"
	}
	list := filepath.Join(t.TempDir(), "list")
	require.NoError(t, os.WriteFile(list, []byte(
		line(`"kind":"refund","refund_id":"r-1",`, "k-1", "pending")+
			line(`"kind":"refund","refund_id":"r-2",`, "k-2", "succeeded")+
			line(`"operation":"capture","charge_key":"k-4",`, "k-3", "succeeded")+
			line(`"capture":"manual",`, "k-4", "authorized")+
			line(`"capture":"manual",`, "k-5", "authorized")+
			line(`"operation":"void","charge_key":"k-5",`, "k-6", "pending")+
			line(`"capture":"manual","void_key":"k-6",`, "k-5", "voided")+
			line(`"kind":"refund","refund_id":"r-1",`, "k-1", "succeeded")+
			line(`"kind":"refund","refund_id":"r-2",`, "k-2", "returned")+
			line("", "k-7", "pending")+
			line("", "k-8", "voided")+
			line("", "k-9", "declined")), 0o600))
	all, others, err := (&importCommand{File: list, By: "ada"}).read()
	require.NoError(t, err)
	var got []string
	for _, l := range all {
		got = append(got, l.Operation.String()+" "+string(l.Key)+" "+l.status)
	}
	require.Equal(t, []string{
		"charge k-4 authorized", "charge k-5 voided", "charge k-7 pending", "capture k-3 succeeded", "void k-6 voided",
		"refund r-1 k-1 succeeded", "refund r-2 k-2 returned",
	}, got)
	require.True(t, all[1].Hold && all[2].undecided && all[6].Returned)
	require.Equal(t, payment.GatewayKey("k-5"), all[4].Of.Key)
	require.Equal(t, 6, others)
}

func TestImport_Folder_IsUsage(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitUsage, Run(t.Context(), []string{"import", t.TempDir()}, &stdout, &stderr, "test"), stderr.String())
	require.Contains(t, stderr.String(), "it is a folder")
}
