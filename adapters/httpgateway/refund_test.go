package httpgateway_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func newRefund(t testing.TB) payment.Charge {
	t.Helper()
	return payment.Charge{
		Key: "refund-1", OrderID: "order-123", Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"},
		Of: payment.ChargeID{Key: "key-1", TransactionID: "txn-1"}, Note: "returned goods", Money: dollars(t, "25"),
	}
}

func refundRef(c payment.Charge) payment.ChargeRef {
	return payment.ChargeRef{Key: c.Key, OrderID: c.OrderID, Operation: c.Operation, Of: c.Of, Money: c.Money}
}

// serveRefunds answers a refund and its lookup with these, and sends each request to the channel.
func serveRefunds(t *testing.T, status int, body string) (base string, requests <-chan string) {
	t.Helper()
	sent := make(chan string, 2)
	return serveUnmarked(t, func(w http.ResponseWriter, r *http.Request) {
		read, _ := io.ReadAll(r.Body)
		sent <- r.Method + " " + r.URL.EscapedPath() + " " + r.Header.Get("Idempotency-Key") + " " + string(read)
		w.Header().Set("Idempotency-Key", "refund-1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}), sent
}

// What is sent depends only on the refund's key, amount and currency, and on the key of its charge.
func TestRefund_Request_FollowsTheProtocol(t *testing.T) {
	t.Parallel()
	for charge, path := range map[payment.GatewayKey]string{"key-1": "/v1/charges/key-1/refunds", "a/b?c": "/v1/charges/a%2Fb%3Fc/refunds"} {
		base, requests := serveRefunds(t, http.StatusOK, approved)
		g := newGateway(t, base+"/v1", longTimeout)
		c := newRefund(t)
		c.Of.Key = charge
		r := g.Charge(t.Context(), c)
		require.Equal(t, payment.ClassApproved, r.Class, r.Message)
		require.Equal(t, "txn-21408", r.TransactionID)
		require.Equal(t, "POST "+path+` refund-1 {"amount":"25.00","currency":"USD"}`, <-requests)
		for _, look := range []func() payment.Lookup{
			func() payment.Lookup { return g.LookUp(t.Context(), refundRef(c)) },
			func() payment.Lookup { return g.Cancel(t.Context(), refundRef(c)) }, // a refund cannot be cancelled
		} {
			require.Equal(t, payment.Lookup{Result: payment.FoundApproved, TransactionID: "txn-21408"}, look())
			require.Equal(t, "GET "+path+"/refund-1  ", <-requests)
			require.Empty(t, requests)
		}
	}
}

// The answers to a refund have the classes of those to a charge, and those to its lookup one state more.
func TestRefund_Answers_HaveTheClassesOfACharge(t *testing.T) {
	t.Parallel()
	const none = payment.FoundNoAnswer
	for name, tt := range map[string]struct {
		status int
		body   string
		class  payment.Class
		found  payment.LookupResult
	}{
		"succeeded":        {200, approved, payment.ClassApproved, payment.FoundApproved},
		"pending":          {201, `{"status":"pending","transaction_id":"re-1"}`, payment.ClassPending, none},
		"pending, 200":     {200, `{"status":"pending","redirect_url":"https://bank.example"}`, payment.ClassPending, payment.FoundPending},
		"processing":       {200, `{"status":"processing"}`, payment.ClassUnknownUnanswered, payment.FoundProcessing},
		"declined":         {402, `{"status":"declined","code":"amount_exceeds_charge"}`, payment.ClassDeclined, none},
		"found declined":   {200, `{"status":"declined","code":"expired_card"}`, payment.ClassUnknownAnswered, payment.FoundDeclined},
		"returned":         {200, `{"status":"returned","transaction_id":"re-1"}`, payment.ClassUnknownAnswered, payment.FoundReturned},
		"returned, 402":    {402, `{"status":"returned","code":"no"}`, payment.ClassPending, none},
		"key reused":       {422, `{"code":"idempotency_key_reused"}`, payment.ClassKeyReused, none},
		"rejected":         {400, `{}`, payment.ClassRejected, none},
		"no such charge":   {404, `{"code":"not_found"}`, payment.ClassRejected, payment.FoundNothing},
		"404, returned":    {404, `{"code":"not_found","status":"returned"}`, payment.ClassPending, none},
		"no refunds":       {405, ``, payment.ClassUnknownAnswered, none},
		"not refunded":     {503, `{"charged":false}`, payment.ClassNotCharged, none},
		"one too many":     {429, ``, payment.ClassNotCharged, none},
		"running":          {409, ``, payment.ClassUnknownUnanswered, none},
		"failed":           {500, ``, payment.ClassUnknownAnswered, none},
		"unreadable":       {200, page, payment.ClassUnknownAnswered, none},
		"no transaction":   {200, `{"status":"succeeded"}`, payment.ClassUnknownAnswered, none},
		"an unknown state": {200, `{"status":"reversed"}`, payment.ClassUnknownAnswered, none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, _ := serveRefunds(t, tt.status, tt.body)
			g, c := newGateway(t, base, longTimeout), newRefund(t)
			r, l := g.Charge(t.Context(), c), g.LookUp(t.Context(), refundRef(c))
			require.Equal(t, tt.class, r.Class, r.Message)
			require.Equal(t, tt.found, l.Result, l.Message)
			require.True(t, r.Answered)
			require.Empty(t, r.RedirectURL+l.RedirectURL, "a customer does not act for a refund")
		})
	}
}

// An answer with the mark of the charge is not about the refund.
func TestRefund_OtherMark_ProvesNothing(t *testing.T) {
	t.Parallel()
	for _, mark := range []string{"", "key-1", "refund-2", "refund-1, refund-1"} {
		g := newGateway(t, serveUnmarked(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Idempotency-Key", mark)
			_, _ = io.WriteString(w, approved)
		}), longTimeout)
		require.Equal(t, payment.ClassUnknownUnanswered, g.Charge(t.Context(), newRefund(t)).Class, mark)
		require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), refundRef(newRefund(t))).Result, mark)
	}
}

// Only a refund comes back. A charge that is said to is not readable.
func TestLookUp_ReturnedCharge_IsNoAnswer(t *testing.T) {
	t.Parallel()
	g := newGateway(t, say(t, http.StatusOK, jsonType, `{"status":"returned","transaction_id":"t"}`), longTimeout)
	require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"}).Result)
	require.Equal(t, payment.ClassUnknownAnswered, g.Charge(t.Context(), newCharge(t)).Class)
}

func TestRefund_IncompleteRequest_SendsNothing(t *testing.T) {
	t.Parallel()
	g := newGateway(t, serveUnmarked(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }), longTimeout)
	for name, change := range map[string]func(*payment.Charge){
		"no key":            func(c *payment.Charge) { c.Key = "" },
		"no charge":         func(c *payment.Charge) { c.Of.Key = "" },
		"another operation": func(c *payment.Charge) { c.Operation.Kind = "capture" },
	} {
		c := newRefund(t)
		change(&c)
		require.Equal(t, payment.ClassRejected, g.Charge(t.Context(), c).Class, name)
		require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), refundRef(c)).Result, name)
	}
}
