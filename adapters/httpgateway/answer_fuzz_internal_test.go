package httpgateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// FuzzAnswer: for every answer the message is within the domain's bounds, an unmarked answer proves
// nothing, and only the documented statuses mean that money was taken or refused.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "key-1", "", "", `{"transaction_id":"txn-21408","status":"succeeded"}`)
	f.Add(200, "key-2", "", "0", `{"transaction_id":"txn-21408","status":"succeeded"}`)
	f.Add(201, "key-1", "", "", `{"TRANSACTION_ID":"txn-1"}`)
	f.Add(200, "key-1", "", "1", `{"status":"declined","code":7,"message":"\ud800"}`)
	f.Add(402, "key-1", "1", "", `{"code":"card_declined","message":"No."}`)
	f.Add(402, "", "soon", "", "<h1>Pay your bill</h1>")
	f.Add(503, "key-1", "", "", `{"charged":false}`)
	f.Add(404, "key-1", "Sun, 22 Nov 2026 10:01:30 GMT", "x", `{"code":"not_found"}`)
	f.Add(200, "key-1", "", "0", `{"transaction_id":"re-1","status":"returned"}`)
	f.Add(200, "key-1", "", "60", `{"status":"returned"}`)
	f.Add(402, "key-1", "", "", `{"status":"returned","code":"amount_exceeds_charge"}`)
	f.Add(404, "key-1", "", "", `{"code":"not_found","status":"returned"}`)
	f.Add(402, "key-1", "", "", `{"charged":true}`)
	f.Fuzz(func(t *testing.T, status int, mark, wish, age, body string) {
		a := answer{
			status: status, body: []byte(body),
			header: http.Header{markHeader: {mark}, "Retry-After": {wish}, "Age": {age}},
		}
		r, l := a.result(charge), a.lookup(charge)
		refund := a.lookup(payment.ChargeRef{Key: key, Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r"}})
		require.Equal(t, a.marked(key), r.Answered)
		require.Equal(t, r.Class == payment.ClassApproved, r.TransactionID != "")
		require.Equal(t, r.Class == payment.ClassDeclined, r.Code != "")
		switch r.Class {
		case payment.ClassApproved:
			require.Equal(t, 2, status/100)
		case payment.ClassPending:
			require.Contains(t, []int{2, 4, 5}, status/100)
		case payment.ClassDeclined:
			require.Equal(t, http.StatusPaymentRequired, status)
		case payment.ClassRejected:
			require.Equal(t, 4, status/100)
		case payment.ClassNotCharged, payment.ClassKeyReused:
			require.Contains(t, []int{4, 5}, status/100)
		case payment.ClassUnknownAnswered, payment.ClassUnknownUnanswered:
		}
		if !r.Answered {
			require.Equal(t, payment.ClassUnknownUnanswered, r.Class)
			require.Equal(t, payment.FoundNoAnswer, l.Result)
		}
		if refund.Result == payment.FoundReturned {
			require.True(t, r.Answered)
			require.Equal(t, http.StatusOK, status)
			require.Equal(t, payment.FoundNoAnswer, l.Result, "a charge does not come back")
		} else {
			require.Equal(t, l.Result, refund.Result)
			require.Equal(t, l.TransactionID, refund.TransactionID)
			require.Equal(t, l.Code, refund.Code)
		}
		require.GreaterOrEqual(t, r.RetryAfter, time.Duration(0))

		require.Equal(t, l.Result == payment.FoundApproved, l.TransactionID != "")
		require.Equal(t, l.Result == payment.FoundDeclined, l.Code != "")
		require.Equal(t, r, r.Sanitized())
		require.Equal(t, l, l.Sanitized())
		for _, text := range []string{r.Message, l.Message} {
			require.LessOrEqual(t, len(text), payment.MaxMessageBytes)
			require.True(t, utf8.ValidString(text), "%q", text)
		}
		for _, code := range []string{r.Code, l.Code} {
			require.LessOrEqual(t, len(code), payment.MaxCodeBytes)
		}
	})
}

// FuzzObject: an object is parsed as encoding/json parses it, and is unambiguous for other parsers.
func FuzzObject(f *testing.F) {
	for _, b := range bodies {
		f.Add([]byte(b.body))
	}
	f.Add([]byte(`{"a":{"b":[{},{"c":1,"c":2}]}}`))
	f.Add([]byte("{\"\xff\":1}"))
	f.Add([]byte(`{"status":"a","st\u0061tus":"b"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := readObject(body, chargeMembers)
		if err != nil {
			require.Zero(t, o)
			return
		}
		require.True(t, utf8.Valid(body))
		var standard map[string]any
		unmarshal(t, body, &standard)
		for i, name := range chargeMembers {
			value, there := standard[name]
			require.Equal(t, there, o.values[i] != nil, name)
			text, isString := value.(string)
			require.Equal(t, text, o.text(name), name)
			if there {
				var read any
				unmarshal(t, o.values[i], &read)
				require.Equal(t, value, read, name)
				require.Equal(t, isString, o.values[i][0] == '"')
			}
		}
		again, err := json.Marshal(standard)
		require.NoError(t, err)
		reread, err := readObject(again, chargeMembers)
		require.NoError(t, err, "it had a member twice: %s", body)
		for i, name := range chargeMembers {
			require.Equal(t, o.values[i] == nil, reread.values[i] == nil, name)
		}
	})
}

// unmarshal is json.Unmarshal for numbers of any size.
func unmarshal(t *testing.T, text []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	require.NoError(t, d.Decode(into))
}
