package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// void requests the void of a charge.
func void(t *testing.T, base, charge, key, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/charges/"+charge+"/voids", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Idempotency-Key", key)
	status, answer, header, err := do(req)
	require.NoError(t, err)
	require.Equal(t, []string{key}, header["Idempotency-Key"])
	return status, answer
}

func TestHandler_Voids(t *testing.T) {
	t.Parallel()
	g := open(t, ledgerPath(t))
	base, _ := serve(t, g)
	for key, amount := range map[string]string{"paid": "100.00", "declined": "9402.00", "open": "9201.00", "open-2": "9201.00"} {
		_, _, _, err := post(t.Context(), base, key, dollars(amount))
		require.NoError(t, err)
	}
	for _, tt := range []struct {
		name, charge, key, body string
		status                  int
		want                    string
	}{
		{"voided", "open", "void-1", "{}", 200, `{"status":"voided"}`},
		{"again", "open", "void-1", "{}", 200, `{"status":"voided"}`},
		{"another void", "open", "void-2", "{}", 200, `{"status":"voided"}`},
		{"its key for another charge", "open-2", "void-1", "{}", 422, `idempotency_key_reused`},
		{"the key of a charge", "open-2", "paid", "{}", 422, `idempotency_key_reused`},
		{"too late", "paid", "void-3", "{}", 402, `"code":"already_succeeded"`},
		{"declined", "declined", "void-4", "{}", 402, `"code":"already_declined"`},
		{"no charge", "none", "void-5", "{}", 404, `"code":"not_found"`},
		{"an amount", "open-2", "void-6", `{"amount":"1.00"}`, 400, "must be a JSON object with no members"},
		{"a wrong key", "open-2", "void 6", "{}", 400, "without spaces"},
	} {
		status, body := void(t, base, tt.charge, tt.key, tt.body)
		require.Equal(t, tt.status, status, tt.name)
		require.Contains(t, body, tt.want, tt.name)
	}
	for path, want := range map[string]int{"open/voids/void-1": 200, "open/voids/void-9": 404, "open-2/voids/void-1": 404} {
		status, body, err := get(t.Context(), base+"/charges/"+path)
		require.NoError(t, err)
		require.Equal(t, want, status, path)
		require.Equal(t, want == 200, strings.Contains(body, `"voided"`))
	}
	status, body, _, err := post(t.Context(), base, "void-1", dollars("1.00"))
	require.NoError(t, err)
	require.Equal(t, 422, status, "the key of a void is for no charge: %s", body)
}

// A customer decides at the page that the answer names.
func TestHandler_RedirectPageDecides(t *testing.T) {
	t.Parallel()
	for decision, want := range map[string]string{
		"approve": `{"transaction_id":"txn-1","status":"succeeded"}`,
		"decline": `{"status":"declined","code":"authentication_failed"}`,
	} {
		base, _ := serve(t, open(t, ledgerPath(t)))
		status, body, _, err := post(t.Context(), base, "a%2Fb", strings.Replace(dollars("9201.00"), "order-1", "<b>&o", 1))
		require.NoError(t, err)
		require.Equal(t, 200, status)
		page := base + "/redirect/a%252Fb"
		require.JSONEq(t, `{"status":"pending","redirect_url":"`+page+`"}`, body)

		status, body, err = get(t.Context(), page)
		require.NoError(t, err)
		require.Equal(t, 200, status)
		require.Contains(t, body, "&lt;b&gt;&amp;o")
		require.Contains(t, body, `value="approve"`)
		for _, form := range []string{"decision=maybe", "decision=" + decision, "decision=approve", "decision=decline"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page, strings.NewReader(form))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			_, _, _, err = do(req) // follows the redirect to the page
			require.NoError(t, err)
		}
		_, body, err = get(t.Context(), base+"/charges/a%252Fb")
		require.NoError(t, err)
		require.JSONEq(t, want, body, "the first decision is final")
		_, body, err = get(t.Context(), page)
		require.NoError(t, err)
		require.NotContains(t, body, "<form")
	}
}

// A charge that no customer decides has no page.
func TestHandler_RedirectPageOfAnotherCharge(t *testing.T) {
	t.Parallel()
	base, _ := serve(t, open(t, ledgerPath(t)))
	for key, amount := range map[string]string{"paid": "100.00", "timed": "9202.00"} {
		_, body, _, err := post(t.Context(), base, key, dollars(amount))
		require.NoError(t, err)
		require.NotContains(t, body, "redirect_url")
	}
	for _, key := range []string{"paid", "timed", "none"} {
		status, body, err := get(t.Context(), base+"/redirect/"+key)
		require.NoError(t, err)
		require.Equal(t, 404, status, key)
		require.Contains(t, body, "No charge waits")
	}
}
