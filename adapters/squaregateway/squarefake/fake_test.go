package squarefake_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway/squarefake"
)

// call makes a call of the API and returns the status and the body.
func call(t *testing.T, s *squarefake.Server, method, path, body string) (status int, answer map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+squarefake.DefaultToken)
	r.Header.Set("Square-Version", "2025-08-20")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), w.Body.String())
	return w.Code, answer
}

func open(t *testing.T, o squarefake.Options) *squarefake.Server {
	t.Helper()
	s, err := squarefake.Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// create returns the body of a CreatePayment.
func create(key, more string) string {
	return fmt.Sprintf(`{"idempotency_key":%q,"reference_id":%q,"source_id":"cnon:card-nonce-ok","amount_money":{"amount":100,"currency":"USD"}%s}`, key, key, more)
}

const hold = `,"autocomplete":false,"delay_duration":"PT1M"`

// code returns the code of the first error.
func code(answer map[string]any) string {
	errors, _ := answer["errors"].([]any)
	if len(errors) == 0 {
		return ""
	}
	first, _ := errors[0].(map[string]any)
	text, _ := first["code"].(string)
	return text
}

// The ledger has every payment in its latest state, also after a line that the death of the process cut.
func TestLedger_AfterRestart_IsComplete(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	s := open(t, squarefake.Options{Ledger: path})
	_, held := call(t, s, "POST", "/v2/payments", create("held", hold))
	call(t, s, "POST", "/v2/payments", create("taken", hold))
	id := s.IDs("taken")[0]
	status, _ := call(t, s, "POST", "/v2/payments/"+id+"/complete", "{}")
	require.Equal(t, http.StatusOK, status)
	require.NoError(t, s.Close())
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"number":3,"id":"fake0`)
	require.NoError(t, err)
	require.NoError(t, file.Close())

	s = open(t, squarefake.Options{Ledger: path})
	require.Equal(t, 1, s.Charges("taken"))
	require.Equal(t, 1, s.Holds("held"))
	_, again := call(t, s, "POST", "/v2/payments", create("held", hold))
	require.Equal(t, held, again, "a repeat is the same payment")
	status, reused := call(t, s, "POST", "/v2/payments", create("held", ""))
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "IDEMPOTENCY_KEY_REUSED", code(reused))
	require.Len(t, s.IDs("held"), 1)

	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(path, []byte("no ledger\n"), 0o600))
	_, err = squarefake.Open(squarefake.Options{Ledger: path})
	require.ErrorContains(t, err, "damaged")
}

func TestDelay_Over_CancelsOrCompletes(t *testing.T) {
	t.Parallel()
	s := open(t, squarefake.Options{})
	call(t, s, "POST", "/v2/payments", create("cancelled", hold+`,"delay_action":"CANCEL"`))
	call(t, s, "POST", "/v2/payments", create("completed", hold+`,"delay_action":"COMPLETE"`))
	s.Advance(59 * time.Second)
	require.Equal(t, 1, s.Holds("cancelled"))
	s.Advance(time.Second)
	require.Zero(t, s.Holds("cancelled"))
	require.Zero(t, s.Charges("cancelled"))
	require.Equal(t, 1, s.Charges("completed"))
	status, answer := call(t, s, "POST", "/v2/payments/"+s.IDs("cancelled")[0]+"/complete", "{}")
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "DELAYED_TRANSACTION_CANCELED", code(answer))
}

func TestCreate_WrongRequests_AreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, squarefake.Options{})
	for body, want := range map[string]string{
		`{`:                                     "UNKNOWN_BODY_PARAMETER",
		create("k", `,"capture":true`):          "UNKNOWN_BODY_PARAMETER",
		create(strings.Repeat("k", 46), ""):     "VALUE_TOO_LONG",
		create(strings.Repeat("k", 41), ""):     "VALUE_TOO_LONG", // as reference_id
		create("", ""):                          "MISSING_REQUIRED_PARAMETER",
		create("k", `,"delay_duration":"PT1M"`): "INVALID_VALUE", // for a delayed capture only
		create("k", `,"autocomplete":false,"delay_duration":"PT0M"`):                 "INVALID_VALUE",
		create("k", `,"location_id":"other"`):                                        "FORBIDDEN",
		strings.Replace(create("k", ""), "100", "0", 1):                              "VALUE_TOO_LOW",
		strings.Replace(create("k", ""), "USD", "SEK", 1):                            "INVALID_ENUM_VALUE",
		strings.Replace(create("k", ""), "USD", "EUR", 1):                            "INVALID_VALUE",
		strings.Replace(create("k", ""), "cnon:card-nonce-ok", "cnon:gone", 1):       "NOT_FOUND",
		strings.Replace(create("k", ""), `"source_id":"cnon:card-nonce-ok",`, "", 1): "MISSING_REQUIRED_PARAMETER",
	} {
		_, answer := call(t, s, "POST", "/v2/payments", body)
		require.Equal(t, want, code(answer), body)
	}
	require.Empty(t, s.IDs("k"))
}

// An empty id lands on the call that cancels by key (square-dotnet-sdk#13).
func TestCancel_EmptyID_CancelsByKey(t *testing.T) {
	t.Parallel()
	s := open(t, squarefake.Options{})
	call(t, s, "POST", "/v2/payments", create("k", hold))
	_, answer := call(t, s, "POST", "/v2/payments//cancel", `{"idempotency_key":"k"}`)
	require.Empty(t, answer)
	require.Zero(t, s.Holds("k"))
	status, answer := call(t, s, "POST", "/v2/payments/cancel", `{"idempotency_key":"never-used"}`)
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, answer)
}

// A partial capture is an update of the amount before it is taken; a refund is at most what was taken.
func TestUpdateAndRefund_AreBounded(t *testing.T) {
	t.Parallel()
	s := open(t, squarefake.Options{})
	call(t, s, "POST", "/v2/payments", create("k", hold))
	id := s.IDs("k")[0]
	update := func(amount int) (int, map[string]any) {
		return call(t, s, "PUT", "/v2/payments/"+id, fmt.Sprintf(`{"idempotency_key":"u%[1]d","payment":{"amount_money":{"amount":%[1]d,"currency":"USD"}}}`, amount))
	}
	refund := func(amount int) (int, map[string]any) {
		return call(t, s, "POST", "/v2/refunds", fmt.Sprintf(`{"idempotency_key":"r%[2]d","payment_id":%[1]q,"amount_money":{"amount":%[2]d,"currency":"USD"}}`, id, amount))
	}
	_, answer := update(101)
	require.Equal(t, "AMOUNT_TOO_HIGH", code(answer))
	status, _ := update(60)
	require.Equal(t, http.StatusOK, status)
	_, answer = refund(10)
	require.Equal(t, "REFUND_ERROR_PAYMENT_NEEDS_COMPLETION", code(answer))
	call(t, s, "POST", "/v2/payments/"+id+"/complete", "{}")
	status, _ = refund(50)
	require.Equal(t, http.StatusOK, status)
	_, answer = refund(11)
	require.Equal(t, "REFUND_AMOUNT_INVALID", code(answer))
	_, answer = update(10)
	require.Equal(t, "BAD_REQUEST", code(answer))
}

// An update and a completion for a version that the payment does not have any more change nothing. A repeat of an update
// with its key changes nothing either, and survives a restart.
func TestUpdateAndComplete_ByVersion(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	s := open(t, squarefake.Options{Ledger: path})
	_, answer := call(t, s, "POST", "/v2/payments", create("k", hold))
	id, first := s.IDs("k")[0], version(answer)
	require.NotEmpty(t, first)
	update := func(key, version string, amount int) map[string]any {
		_, answer := call(t, s, "PUT", "/v2/payments/"+id, fmt.Sprintf(
			`{"idempotency_key":%q,"payment":{"amount_money":{"amount":%d,"currency":"USD"},"version_token":%q}}`, key, amount, version))
		return answer
	}
	complete := func(version string) map[string]any {
		_, answer := call(t, s, "POST", "/v2/payments/"+id+"/complete", fmt.Sprintf(`{"version_token":%q}`, version))
		return answer
	}
	second := version(update("u1", first, 60))
	require.NotEqual(t, first, second)
	require.Equal(t, "VERSION_MISMATCH", code(update("u2", first, 70)))
	require.Equal(t, "VERSION_MISMATCH", code(complete(first)))
	require.Equal(t, "IDEMPOTENCY_KEY_REUSED", code(update("u1", first, 50)))
	require.NoError(t, s.Close())
	s = open(t, squarefake.Options{Ledger: path})
	require.Equal(t, second, version(update("u1", first, 60)), "a repeat")
	require.NoError(t, s.Update(id, 80))
	require.Equal(t, "VERSION_MISMATCH", code(complete(second)))
	require.NoError(t, s.Update(id, 60))
	_, answer = call(t, s, "POST", "/v2/payments/"+id+"/complete", "{}")
	require.Empty(t, code(answer))
	require.EqualValues(t, 60, s.Taken(id))
	require.Equal(t, "COMPLETED", s.Status(id))
	require.Error(t, s.End(id, "CANCELED"), "a payment that is COMPLETED cannot be cancelled")
	require.Error(t, s.Update(id, 10))
	require.Zero(t, s.Taken("unknown"))
	require.Empty(t, s.Status("unknown"))
}

// version returns the version_token of the payment of an answer.
func version(answer map[string]any) string {
	p, _ := answer["payment"].(map[string]any)
	token, _ := p["version_token"].(string)
	return token
}

// refundBody returns the body of a RefundPayment.
func refundBody(key, id string, amount int, reason string) string {
	return fmt.Sprintf(`{"idempotency_key":%q,"payment_id":%q,"amount_money":{"amount":%d,"currency":"USD"},"reason":%q}`, key, id, amount, reason)
}

// Refunds survive a restart with their keys, and the amount that is left is the same.
func TestRefunds_AfterRestart_AreComplete(t *testing.T) {
	t.Parallel()
	o := squarefake.Options{Ledger: filepath.Join(t.TempDir(), "ledger.jsonl"), PendingRefunds: true}
	s := open(t, o)
	call(t, s, "POST", "/v2/payments", create("k", ""))
	id := s.IDs("k")[0]
	status, first := call(t, s, "POST", "/v2/refunds", refundBody("r", id, 60, "why"))
	require.Equal(t, http.StatusOK, status)
	require.NoError(t, s.DecideRefund("r", "COMPLETED"))
	call(t, s, "POST", "/v2/refunds", refundBody("r2", id, 30, ""))
	require.NoError(t, s.Close())

	s = open(t, o)
	require.Equal(t, 1, s.Refunds("r"))
	require.Zero(t, s.Refunds("r2"), "it is pending")
	_, again := call(t, s, "POST", "/v2/refunds", refundBody("r", id, 60, "why"))
	refund := func(answer map[string]any) map[string]any {
		o, _ := answer["refund"].(map[string]any)
		return o
	}
	require.Equal(t, refund(first)["id"], refund(again)["id"])
	require.Equal(t, "COMPLETED", refund(again)["status"])
	for body, want := range map[string]string{
		refundBody("r", id, 60, "another reason"): "IDEMPOTENCY_KEY_REUSED",
		refundBody("r", id, 61, "why"):            "IDEMPOTENCY_KEY_REUSED",
		refundBody("r3", id, 11, ""):              "REFUND_AMOUNT_INVALID", // those that are pending count
	} {
		_, answer := call(t, s, "POST", "/v2/refunds", body)
		require.Equal(t, want, code(answer), body)
	}
	_, list := call(t, s, "GET", "/v2/refunds?sort_order=ASC", "")
	require.Len(t, list["refunds"], 2)
	_, paid := call(t, s, "GET", "/v2/payments/"+id, "")
	p, _ := paid["payment"].(map[string]any)
	require.Equal(t, map[string]any{"amount": 90.0, "currency": "USD"}, p["refunded_money"])
	require.Len(t, p["refund_ids"], 2)

	require.NoError(t, s.DecideRefund("r2", "REJECTED"))
	status, _ = call(t, s, "POST", "/v2/refunds", refundBody("r3", id, 11, ""))
	require.Equal(t, http.StatusOK, status, "its amount is free again")
	require.NoError(t, s.DecideRefund("r3", "FAILED"))
	_, answer := call(t, s, "POST", "/v2/refunds", refundBody("r4", id, 1, ""))
	require.Equal(t, "PAYMENT_NOT_REFUNDABLE", code(answer), "after a refund that failed")
	require.Error(t, s.DecideRefund("r3", "COMPLETED"))
	require.Error(t, s.DecideRefund("unknown", "COMPLETED"))
}

func TestRefund_WrongRequests_AreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, squarefake.Options{})
	call(t, s, "POST", "/v2/payments", create("k", ""))
	id := s.IDs("k")[0]
	for body, want := range map[string]string{
		`{`:                        "UNKNOWN_BODY_PARAMETER",
		refundBody("", id, 1, ""):  "MISSING_REQUIRED_PARAMETER",
		refundBody("r", "", 1, ""): "MISSING_REQUIRED_PARAMETER",
		refundBody(strings.Repeat("r", 46), id, 1, ""):                  "VALUE_TOO_LONG",
		refundBody("r", id, 1, strings.Repeat("w", 193)):                "VALUE_TOO_LONG",
		refundBody("r", id, 0, ""):                                      "VALUE_TOO_LOW",
		refundBody("r", "unknown", 1, ""):                               "NOT_FOUND",
		strings.Replace(refundBody("r", id, 1, ""), "USD", "EUR", 1):    "INVALID_VALUE",
		strings.Replace(refundBody("r", id, 1, ""), "reason", "why", 1): "UNKNOWN_BODY_PARAMETER",
	} {
		_, answer := call(t, s, "POST", "/v2/refunds", body)
		require.Equal(t, want, code(answer), body)
	}
	require.Empty(t, s.RefundIDs("r"))
	_, answer := call(t, s, "GET", "/v2/refunds/unknown", "")
	require.Equal(t, "NOT_FOUND", code(answer))
	_, answer = call(t, s, "GET", "/v2/refunds?location_id=other", "")
	require.Empty(t, answer)
}

// Another process sets the clock and the faults, and reads the ledger.
func TestControl_OverHTTP(t *testing.T) {
	t.Parallel()
	s := open(t, squarefake.Options{})
	call(t, s, "POST", "/v2/payments", create("k", hold))
	post := func(path, body string) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
		require.Equal(t, http.StatusOK, w.Code)
	}
	post("/fake/advance", `{"seconds":60}`)
	require.Zero(t, s.Holds("k"))
	post("/fake/fault", `{"call":"create","skip":true,"status":503,"errors":[{"category":"API_ERROR","code":"SERVICE_UNAVAILABLE"}]}`)
	status, answer := call(t, s, "POST", "/v2/payments", create("other", ""))
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "SERVICE_UNAVAILABLE", code(answer))
	_, record := call(t, s, "GET", "/fake/ledger", "")
	require.Equal(t, "CANCELED", record["status"])
}
