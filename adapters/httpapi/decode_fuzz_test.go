package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"paymentd/core"
	"paymentd/core/payment"
)

// FuzzDecode compares the decoder with a reference that shares no code with it: encoding/json for
// the syntax and the values, and a count of colons for the names that it drops.
func FuzzDecode(f *testing.F) {
	usd, err := payment.ParseCurrency("USD")
	require.NoError(f, err)
	for _, seed := range []string{
		chargeForm.example, `{"order_id":"a","amount":"1.50","currency":"KWD"}`, `{"order_id":"\u0061","amount":1} `,
		`{"order_id":"a","order_id":"a","amount":1}`, `{"order_id":"a","amount":1,"x":{"y":[1,2,"}"]}}`,
		`{"order_id":"a","amount":1,"Amount":1}`, `{"order_id":"a","amount":1e3}`, `{"order_id":"a","amount":-0}`,
		`{"order_id":"\ud800","amount":1}`, `{"order_id":"a","amount":1}{}`, `{"order_id":"a","amount":1,}`, `[]`, ``, `{`,
		`{"order_id":"a:\":","amount":"01"}`, "\xEF\xBB\xBF{}", "{\"order_id\":\"\xff\",\"amount\":1}", `{"order_id":null,"amount":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decode(body, usd)
		want, meant := judge(body, usd)
		require.Equal(t, meant, err == nil, "%q: %v", body, err)
		if err != nil {
			requireRefusal(t, err)
			require.Zero(t, got)
			return
		}
		require.Equal(t, want, got)
		again, err := json.Marshal(map[string]string{
			"order_id": got.OrderID.String(), "amount": got.Money.Decimal(), "currency": got.Money.Currency().Code(),
		})
		require.NoError(t, err)
		same, err := decode(again, payment.Currency{})
		require.NoError(t, err, "%s", again)
		require.Equal(t, got, same)
	})
}

// requireRefusal requires an error that clients get, as a short sentence of plain ASCII.
func requireRefusal(t *testing.T, err error) {
	t.Helper()
	var refused *refusal
	var field *payment.FieldError
	require.True(t, errors.As(err, &refused) || errors.As(err, &field), "%T", err)
	require.Regexp(t, `^[ -~]{10,240}$`, err.Error())
}

// judge returns what a body means if it is unambiguous.
func judge(body []byte, standard payment.Currency) (r core.Request, meant bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var members map[string]any
	if !utf8.Valid(body) || !json.Valid(body) || d.Decode(&members) != nil || len(members) != countMembers(string(body)) {
		return r, false
	}
	currency, known := standard, 2
	id, isText := members["order_id"].(string)
	amount, isAmount := members["amount"].(json.Number)
	if text, ok := members["amount"].(string); ok {
		amount, isAmount = json.Number(text), true
	}
	if value, ok := members["currency"]; ok {
		code, _ := value.(string)
		var err error
		if currency, err = payment.ParseCurrency(code); err != nil {
			return r, false
		}
		known++
	}
	if !isText || !isAmount || len(members) != known {
		return r, false
	}
	order, err := payment.ParseOrderID(id)
	money, err2 := payment.ParseMoney(amount.String(), currency)
	return core.Request{OrderID: order, Money: money}, err == nil && err2 == nil
}

// countMembers counts the members of the outermost object of valid JSON by their colons.
func countMembers(body string) int {
	count, depth := 0, 0
	for inText := false; body != ""; body = body[1:] {
		switch {
		case inText && body[0] == '\\':
			body = body[1:]
		case body[0] == '"':
			inText = !inText
		case inText:
		case strings.ContainsRune("{[", rune(body[0])):
			depth++
		case strings.ContainsRune("}]", rune(body[0])):
			depth--
		case body[0] == ':' && depth == 1:
			count++
		}
	}
	return count
}
