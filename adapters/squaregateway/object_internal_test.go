package squaregateway

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

var bodies = []string{
	``, ` `, `{}`, `[]`, `null`, `{"a":1}`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, `{"a":[{"b":1,"\u0062":2}]}`, `{"a":1} {}`,
	"{\"a\":\"\xff\"}", `{"payment":{"id":"x","status":"COMPLETED","reference_id":"key-1","amount_money":{"amount":100,"currency":"USD"}}}`,
	`{"errors":[{"category":"PAYMENT_METHOD_ERROR","code":"GENERIC_DECLINE","detail":"no","field":"source_id"}],"payment":{"id":"x","status":"FAILED","reference_id":"key-1"}}`,
	`{"payments":[{"id":"x","status":"APPROVED"}],"cursor":"c"}`, `{"payment":{"id":"x","status":"COMPLETED","amount_money":{"amount":1e400}}}`,
}

func TestReadObject_AmbiguousBodies_AreRefused(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `[]`, `"a"`, `{"a":1,"a":2}`, `{"a":[{"b":1,"\u0062":2}]}`, `{"a":1} {}`, "{\"a\":\"\xff\"}", `<html>`, `{"a":1,}`} {
		_, err := readObject([]byte(body))
		require.Error(t, err, body)
	}
	o, err := readObject([]byte(` {"a":{"b":["c",1.5,true,null]},"A":"other","n":12} `))
	require.NoError(t, err)
	require.Equal(t, []any{"c", json.Number("1.5"), true, nil}, o.object("a").list("b"))
	require.Equal(t, "other", o.text("A"))
	require.Empty(t, o.text("n"))
	n, whole := o.integer("n")
	require.True(t, whole)
	require.EqualValues(t, 12, n)
}

// FuzzAnswer: of all answers, only a payment of this key or errors of Square's schema prove something,
// and all texts can be stored.
func FuzzAnswer(f *testing.F) {
	for _, body := range bodies {
		f.Add(200, body)
		f.Add(400, body)
	}
	g := &Gateway{now: time.Now}
	f.Fuzz(func(t *testing.T, status int, body string) {
		a := g.read(httpcall.Answer{Status: status, Body: []byte(body)})
		own := a.own("key-1")
		if a.payment != nil {
			require.True(t, usableID(a.payment.id))
			require.Equal(t, own, a.payment.reference == "key-1" || a.payment.reference == "" && len(a.errors) > 0 && status/100 != 1)
		} else if own {
			require.NotEmpty(t, a.errors)
		}
		for _, text := range []string{clip(a.describe()), a.foreign(), decline(a.errors).Message} {
			require.LessOrEqual(t, len(text), payment.MaxMessageBytes)
			require.True(t, utf8.ValidString(text), "%q", text)
		}
		if len(a.errors) > 0 {
			class, _ := worst(a.errors)
			require.Contains(t, severity, class)
			require.Contains(t, payment.DeclineCodes(), decline(a.errors).Code)
		}
	})
}
