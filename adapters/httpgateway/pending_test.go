package httpgateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// Only a charge that is to be captured later says so.
func TestCharge_Capture_IsSentOnlyIfManual(t *testing.T) {
	t.Parallel()
	for capture, want := range map[payment.CaptureMode]string{
		payment.CaptureAutomatic: `{"order_id":"order-123","amount":"100.00","currency":"USD"}`,
		payment.CaptureManual:    `{"order_id":"order-123","amount":"100.00","currency":"USD","capture":"manual"}`,
	} {
		bodies := make(chan string, 1)
		g := newGateway(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			bodies <- string(body)
			_, _ = io.WriteString(w, `{"transaction_id":"t","status":"authorized","expires_at":"2026-03-08T12:00:00Z"}`)
		}), longTimeout)
		c := newCharge(t)
		c.Capture = capture
		r := g.Charge(t.Context(), c)
		require.Equal(t, payment.Result{
			Class: payment.ClassAuthorized, TransactionID: "t", Answered: true,
			HoldExpires: time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC),
		}, r)
		require.Equal(t, want, <-bodies)
	}
}

func TestCharge_PaymentMethod_IsSentOnlyIfThereIsOne(t *testing.T) {
	t.Parallel()
	for method, want := range map[payment.PaymentMethod]string{
		"":       `{"order_id":"order-123","amount":"100.00","currency":"USD"}`,
		"pm_1":   `{"order_id":"order-123","amount":"100.00","currency":"USD","payment_method":"pm_1"}`,
		`pm_"\<`: `{"order_id":"order-123","amount":"100.00","currency":"USD","payment_method":"pm_\"\\\u003c"}`,
	} {
		bodies := make(chan string, 1)
		g := newGateway(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			bodies <- string(body)
			_, _ = io.WriteString(w, approved)
		}), longTimeout)
		c := newCharge(t)
		c.Method = method
		require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), c).Class)
		require.Equal(t, want, <-bodies)
	}
}

// A redirect URL that cannot be given to a customer is dropped, and the charge stays pending.
func TestPending_RedirectURL_IsReturnedIfItCanBeUsed(t *testing.T) {
	t.Parallel()
	const dropped = "redirect_url was dropped"
	longest := "https://bank.example/" + strings.Repeat("a", 2048-21)
	for name, tt := range map[string]struct {
		members string // of the answer, after its status
		want    string
		dropped bool
	}{
		"none":             {``, "", false},
		"null":             {`,"redirect_url":null`, "", false},
		"https":            {`,"redirect_url":"https://bank.example/3ds?id=7"`, "https://bank.example/3ds?id=7", false},
		"loopback":         {`,"redirect_url":"http://127.0.0.1:3001/redirect/k"`, "http://127.0.0.1:3001/redirect/k", false},
		"longest":          {`,"redirect_url":"` + longest + `"`, longest, false},
		"too long":         {`,"redirect_url":"` + longest + `a"`, "", true},
		"http":             {`,"redirect_url":"http://bank.example/3ds"`, "", true},
		"relative":         {`,"redirect_url":"/3ds"`, "", true},
		"a script":         {`,"redirect_url":"javascript:alert(1)"`, "", true},
		"a line feed":      {`,"redirect_url":"https://bank.example/\n"`, "", true},
		"not a string":     {`,"redirect_url":7`, "", true},
		"an object":        {`,"redirect_url":{"url":"https://bank.example"}`, "", true},
		"empty":            {`,"redirect_url":""`, "", true},
		"with a reference": {`,"transaction_id":"t","redirect_url":"https://bank.example"`, "https://bank.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, say(t, http.StatusOK, jsonType, `{"status":"pending"`+tt.members+`}`), longTimeout)
			r := g.Charge(t.Context(), newCharge(t))
			require.Equal(t, payment.ClassPending, r.Class, r.Message)
			require.True(t, r.Answered)
			l := g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"})
			require.Equal(t, payment.FoundPending, l.Result, l.Message)

			require.Equal(t, tt.want, r.RedirectURL)
			require.Equal(t, tt.want, l.RedirectURL)
			require.Equal(t, tt.dropped, strings.Contains(r.Message, dropped), r.Message)
			require.Equal(t, tt.dropped, strings.Contains(l.Message, dropped), l.Message)
			require.Equal(t, r.Reference, l.Reference)
			require.Equal(t, strings.Contains(tt.members, "transaction_id"), r.Reference == "t")
		})
	}
}
