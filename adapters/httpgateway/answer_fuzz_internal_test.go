package httpgateway

import (
	"net/http"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// FuzzAnswer: whatever a gateway answers, its words stay within the domain's bounds, and
// money is taken or refused only by the statuses that can say so.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "application/json", "", `{"transaction_id":"txn-21408","status":"succeeded"}`)
	f.Add(201, "", "", `{"TRANSACTION_ID":"txn-1"}`)
	f.Add(200, "application/json", "", `{"status":"declined","code":7,"message":"\ud800"}`)
	f.Add(402, "application/json", "1", `{"code":"card_declined","message":"No."}`)
	f.Add(402, "text/html", "soon", "<h1>Pay your bill</h1>")
	f.Add(404, "", "Sun, 22 Nov 2026 10:01:30 GMT", "\xff")
	f.Fuzz(func(t *testing.T, status int, contentType, wish, body string) {
		a := answer{
			status: status, body: []byte(body),
			header: http.Header{"Content-Type": {contentType}, "Retry-After": {wish}},
		}
		r := a.result()
		require.Equal(t, r.Class == payment.ClassApproved, r.TransactionID != "")
		require.Equal(t, r.Class == payment.ClassDeclined, r.Code != "")
		switch r.Class {
		case payment.ClassApproved:
			require.Equal(t, 2, status/100)
		case payment.ClassDeclined:
			require.True(t, status/100 == 2 || status == http.StatusPaymentRequired)
		case payment.ClassRejected, payment.ClassNotCharged:
			require.Equal(t, 4, status/100)
		case payment.ClassUnknownAnswered, payment.ClassUnknownUnanswered:
		}
		require.GreaterOrEqual(t, r.RetryAfter, 0*maxRetryAfter)
		require.LessOrEqual(t, r.RetryAfter, maxRetryAfter)

		l := a.lookup()
		require.Equal(t, l.Finding == payment.FoundApproved, l.TransactionID != "")
		require.Equal(t, l.Finding == payment.FoundDeclined, l.Code != "")
		for _, text := range []string{r.Message, l.Message} {
			require.LessOrEqual(t, len(text), payment.MaxMessageBytes)
			require.True(t, utf8.ValidString(text), "%q", text)
		}
		for _, word := range []string{r.TransactionID, l.TransactionID} {
			require.LessOrEqual(t, len(word), payment.MaxTransactionIDBytes)
		}
		for _, word := range []string{r.Code, l.Code} {
			require.LessOrEqual(t, len(word), payment.MaxCodeBytes)
		}
	})
}
