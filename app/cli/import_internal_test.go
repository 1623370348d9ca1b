package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestImportRead_Line(t *testing.T) {
	t.Parallel()
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

func TestImport_Folder_IsUsage(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitUsage, Run(t.Context(), []string{"import", t.TempDir()}, &stdout, &stderr, "test"), stderr.String())
	require.Contains(t, stderr.String(), "it is a folder")
}
