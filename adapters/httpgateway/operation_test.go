package httpgateway_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway"
	"paymentd/core/payment"
)

// operationKinds are the kinds of operations, by the last part of the path of a charge.
var operationKinds = map[string]payment.Kind{
	"captures": payment.KindCapture, "voids": payment.KindVoid, "refunds": payment.KindRefund,
}

func newOperation(t testing.TB, kind payment.Kind) payment.Charge {
	t.Helper()
	return payment.Charge{
		Key: "op-1", OrderID: "order-123", Operation: payment.OperationID{Kind: kind},
		Of: payment.ChargeID{Key: "key-1", TransactionID: "txn-1"}, Note: "returned goods", Money: dollars(t, "25"),
	}
}

func operationRef(c payment.Charge) payment.ChargeRef {
	return payment.ChargeRef{Key: c.Key, OrderID: c.OrderID, Operation: c.Operation, Of: c.Of, Money: c.Money}
}

// serveOperations answers an operation and its lookup with these, and sends each request to the channel.
func serveOperations(t *testing.T, status int, body string) (base string, requests <-chan string) {
	t.Helper()
	sent := make(chan string, 2)
	return serveUnmarked(t, func(w http.ResponseWriter, r *http.Request) {
		read, _ := io.ReadAll(r.Body)
		sent <- r.Method + " " + r.URL.EscapedPath() + " " + r.Header.Get("Idempotency-Key") + " " + string(read) + r.Header.Get("Refund-Id")
		w.Header().Set("Idempotency-Key", "op-1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}), sent
}

// What is sent depends only on the operation's key, amount, currency and name, and on the key of its charge.
func TestOperation_Request_FollowsTheProtocol(t *testing.T) {
	t.Parallel()
	for path, kind := range operationKinds {
		for charge, of := range map[payment.GatewayKey]string{"key-1": "/v1/charges/key-1/", "a/b?c": "/v1/charges/a%2Fb%3Fc/"} {
			base, requests := serveOperations(t, http.StatusOK, approved)
			g := newGateway(t, base+"/v1", longTimeout)
			c := newOperation(t, kind)
			c.Of.Key = charge
			body := `{"amount":"25.00","currency":"USD"}`
			switch kind {
			case payment.KindVoid:
				body = "{}"
			case payment.KindRefund:
				c.Operation.Name = "r-1"
				body += "r-1" // the header Refund-Id
			}
			r := g.Charge(t.Context(), c)
			require.Equal(t, payment.ClassApproved, r.Class, r.Message)
			require.Equal(t, "txn-21408", r.TransactionID)
			require.Equal(t, "POST "+of+path+" op-1 "+body, <-requests)
			for _, look := range []func() payment.Lookup{
				func() payment.Lookup { return g.LookUp(t.Context(), operationRef(c)) },
				func() payment.Lookup { return g.Cancel(t.Context(), operationRef(c)) }, // only a charge can be cancelled
			} {
				require.Equal(t, payment.Lookup{Result: payment.FoundApproved, TransactionID: "txn-21408"}, look())
				require.Equal(t, "GET "+of+path+"/op-1  ", <-requests)
				require.Empty(t, requests)
			}
		}
	}
}

// operationAnswer is an answer to an operation and to its lookup, with what both prove.
type operationAnswer struct {
	status int
	body   string
	class  payment.Class
	found  payment.LookupResult
}

const noLookup = payment.FoundNoAnswer

// operationAnswers have the classes of the answers to a charge.
var operationAnswers = map[string]operationAnswer{
	"pending":              {201, `{"status":"pending","transaction_id":"re-1"}`, payment.ClassPending, noLookup},
	"pending, 200":         {200, `{"status":"pending","redirect_url":"https://bank.example"}`, payment.ClassPending, payment.FoundPending},
	"processing":           {200, `{"status":"processing"}`, payment.ClassUnknownUnanswered, payment.FoundProcessing},
	"declined":             {402, `{"status":"declined","code":"amount_exceeds_charge"}`, payment.ClassDeclined, noLookup},
	"found declined":       {200, `{"status":"declined","code":"expired_card"}`, payment.ClassUnknownAnswered, payment.FoundDeclined},
	"declined and charged": {200, `{"status":"declined","charged":true}`, payment.ClassUnknownAnswered, noLookup},
	"key reused":           {422, `{"code":"idempotency_key_reused"}`, payment.ClassKeyReused, noLookup},
	"rejected":             {400, `{}`, payment.ClassRejected, noLookup},
	"rejected, 422":        {422, `{"code":"already_voided"}`, payment.ClassRejected, noLookup},
	"no such charge":       {404, `{"code":"not_found"}`, payment.ClassRejected, payment.FoundNothing},
	"404, succeeded":       {404, `{"code":"not_found","status":"succeeded","transaction_id":"t"}`, payment.ClassPending, noLookup},
	"404, pending":         {404, `{"code":"not_found","status":"pending"}`, payment.ClassPending, noLookup},
	"no route":             {404, `404 page not found`, payment.ClassRejected, noLookup},
	"no such operation":    {405, ``, payment.ClassRejected, noLookup},
	"not implemented":      {501, `{"error":"no"}`, payment.ClassRejected, noLookup},
	"501, yet done":        {501, `{"charged":true}`, payment.ClassPending, noLookup},
	"not done":             {503, `{"charged":false}`, payment.ClassNotCharged, noLookup},
	"one too many":         {429, ``, payment.ClassNotCharged, noLookup},
	"running":              {409, ``, payment.ClassUnknownUnanswered, noLookup},
	"failed":               {500, ``, payment.ClassUnknownAnswered, noLookup},
	"unreadable":           {200, page, payment.ClassUnknownAnswered, noLookup},
	"no transaction":       {200, `{"status":"succeeded"}`, payment.ClassUnknownAnswered, noLookup},
	"an error beside it":   {200, `{"status":"succeeded","transaction_id":"t","error":"no"}`, payment.ClassUnknownAnswered, noLookup},
	"authorized":           {200, `{"status":"authorized","transaction_id":"t"}`, payment.ClassUnknownAnswered, noLookup},
	"an unknown state":     {200, `{"status":"reversed"}`, payment.ClassUnknownAnswered, noLookup},
}

// answersOf are those that differ for a kind of operation.
var answersOf = map[payment.Kind]map[string]operationAnswer{
	payment.KindCapture: {
		"succeeded":      {200, approved, payment.ClassApproved, payment.FoundApproved},
		"as the charge":  {200, `{"status":"succeeded","transaction_id":"txn-1"}`, payment.ClassApproved, payment.FoundApproved},
		"with an amount": {200, `{"status":"succeeded","transaction_id":"t","captured":"26.00"}`, payment.ClassApproved, payment.FoundApproved},
		"voided":         {200, `{"status":"voided"}`, payment.ClassUnknownAnswered, payment.FoundVoided},
		"returned":       {200, `{"status":"returned","transaction_id":"t"}`, payment.ClassUnknownAnswered, noLookup},
	},
	payment.KindVoid: {
		"succeeded":           {200, approved, payment.ClassApproved, payment.FoundApproved},
		"as the charge":       {200, `{"status":"succeeded","transaction_id":"txn-1"}`, payment.ClassUnknownAnswered, noLookup},
		"voided":              {200, `{"status":"voided"}`, payment.ClassApproved, payment.FoundApproved},
		"voided, 201":         {201, `{"status":"voided"}`, payment.ClassApproved, noLookup},
		"cancelled":           {200, `{"status":"cancelled","transaction_id":"v-1","charged":false}`, payment.ClassApproved, payment.FoundApproved},
		"voided, yet charged": {200, `{"status":"voided","charged":true}`, payment.ClassUnknownAnswered, noLookup},
		"voided, yet not":     {200, `{"status":"voided","success":false}`, payment.ClassUnknownAnswered, noLookup},
		"voided, 500":         {500, `{"status":"voided"}`, payment.ClassUnknownAnswered, noLookup},
	},
	payment.KindRefund: {
		"succeeded":     {200, approved, payment.ClassApproved, payment.FoundApproved},
		"returned":      {200, `{"status":"returned","transaction_id":"re-1"}`, payment.ClassUnknownAnswered, payment.FoundReturned},
		"returned, 402": {402, `{"status":"returned","code":"no"}`, payment.ClassPending, noLookup},
		"404, returned": {404, `{"code":"not_found","status":"returned"}`, payment.ClassPending, noLookup},
	},
}

// Only the marks of the gateway and the statuses of the kind prove anything.
func TestOperation_Answers_HaveTheClassesOfACharge(t *testing.T) {
	t.Parallel()
	for _, kind := range operationKinds {
		for _, answers := range []map[string]operationAnswer{operationAnswers, answersOf[kind]} {
			for name, tt := range answers {
				t.Run(string(kind)+"/"+name, func(t *testing.T) {
					t.Parallel()
					base, _ := serveOperations(t, tt.status, tt.body)
					g, c := newGateway(t, base, longTimeout), newOperation(t, kind)
					r, l := g.Charge(t.Context(), c), g.LookUp(t.Context(), operationRef(c))
					require.Equal(t, tt.class, r.Class, r.Message)
					require.Equal(t, tt.found, l.Result, l.Message)
					require.True(t, r.Answered)
					require.Empty(t, r.RedirectURL+l.RedirectURL, "a customer acts for charges only")
					require.Equal(t, r, r.Sanitized())
					require.Equal(t, l, l.Sanitized())
					require.Zero(t, l.Captured)
				})
			}
		}
	}
}

// A void without a transaction of its own is identified by its key.
func TestVoid_WithoutTransaction_HasItsKey(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"status":"voided"}`: "op-1", `{"status":"voided","transaction_id":""}`: "op-1", `{"status":"voided","transaction_id":"v-1"}`: "v-1",
	} {
		base, _ := serveOperations(t, http.StatusOK, body)
		g, c := newGateway(t, base, longTimeout), newOperation(t, payment.KindVoid)
		require.Equal(t, want, g.Charge(t.Context(), c).TransactionID)
		require.Equal(t, want, g.LookUp(t.Context(), operationRef(c)).TransactionID)
	}
}

// An answer with the mark of the charge, or with none, is not about the operation, with any status.
func TestOperation_OtherMark_ProvesNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range operationKinds {
		for _, mark := range []string{"", "key-1", "op-2", "op-1, op-1"} {
			for status, body := range map[int]string{200: approved, 404: `{"code":"not_found"}`, 405: "", 501: "", 402: `{"status":"declined"}`} {
				g := newGateway(t, serveUnmarked(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Idempotency-Key", mark)
					w.WriteHeader(status)
					_, _ = io.WriteString(w, body)
				}), longTimeout)
				require.Equal(t, payment.ClassUnknownUnanswered, g.Charge(t.Context(), newOperation(t, kind)).Class, mark)
				require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), operationRef(newOperation(t, kind))).Result, mark)
			}
		}
	}
}

// A charge that is answered with 405 or 501 may have been made all the same: every gateway has charges.
func TestCharge_MissingMethod_IsUnknown(t *testing.T) {
	t.Parallel()
	for _, status := range []int{405, 501} {
		g := newGateway(t, say(t, status, jsonType, `{}`), longTimeout)
		require.Equal(t, payment.ClassUnknownAnswered, g.Charge(t.Context(), newCharge(t)).Class)
	}
}

// Only a refund comes back. A charge that is said to is not readable.
func TestLookUp_ReturnedCharge_IsNoAnswer(t *testing.T) {
	t.Parallel()
	g := newGateway(t, say(t, http.StatusOK, jsonType, `{"status":"returned","transaction_id":"t"}`), longTimeout)
	require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"}).Result)
	require.Equal(t, payment.ClassUnknownAnswered, g.Charge(t.Context(), newCharge(t)).Class)
}

func TestOperation_IncompleteRequest_SendsNothing(t *testing.T) {
	t.Parallel()
	g := newGateway(t, serveUnmarked(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }), longTimeout)
	for name, change := range map[string]func(*payment.Charge){
		"no key":            func(c *payment.Charge) { c.Key = "" },
		"no charge":         func(c *payment.Charge) { c.Of.Key = "" },
		"another operation": func(c *payment.Charge) { c.Operation.Kind = "increment" },
	} {
		for _, kind := range operationKinds {
			c := newOperation(t, kind)
			change(&c)
			require.Equal(t, payment.ClassRejected, g.Charge(t.Context(), c).Class, name)
			require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), operationRef(c)).Result, name)
		}
	}
}

// By default a gateway counts as able to do everything.
func TestCapabilities_Operations_AreThoseOfTheOption(t *testing.T) {
	t.Parallel()
	all := payment.OperationCapture | payment.OperationVoid | payment.OperationRefund
	require.Equal(t, all, newGateway(t, "http://127.0.0.1:1", longTimeout).Capabilities().Operations)
	for _, some := range []payment.Operations{0, payment.OperationRefund, payment.OperationCapture | payment.OperationVoid} {
		c := newGateway(t, "http://127.0.0.1:1", longTimeout, httpgateway.WithOperations(some)).Capabilities()
		require.Equal(t, some, c.Operations)
		require.Equal(t, some|payment.OperationCharge, c.Asynchronous)
		require.Equal(t, some.Has(payment.OperationVoid), c.Cancels)
	}
}
