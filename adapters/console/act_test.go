package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/apikey"
	"paymentd/core/payment"
)

// Each act asks first, changes nothing by that, and is kept in the history with who, and what was before.
func TestActs_AreConfirmedAndKeptInTheHistory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step   fake.Step
		act    string
		fields []string
		asks   string // what the confirmation says
		kind   payment.EventKind
		detail string
		state  payment.State
	}{
		"look up": {
			fake.Timeout(), "lookup", nil, "A lookup never moves money.",
			payment.EventExpedited, "was unresolved and due in", payment.StateUnresolved,
		},
		"retry": {
			fake.Timeout(), "retry", nil, "under the same gateway key",
			payment.EventExpedited, "now scheduled: retry with the same key", payment.StateScheduled,
		},
		"resolve as failed": {
			fake.Timeout(), "resolve",
			[]string{"outcome", "failed", "reason", "not on the statement"},
			"Your word becomes the outcome.",
			payment.EventResolved, "was unresolved; now failed: not on the statement", payment.StateFailed,
		},
		"resolve as succeeded": {
			fake.Timeout(), "resolve",
			[]string{"outcome", "succeeded", "transaction", "txn-9"},
			"the customer pays twice or not at all",
			payment.EventResolved, "was unresolved; now succeeded: txn-9", payment.StateSucceeded,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			s.pay("order/1", c.step)
			b := s.as(s.admin)
			page := b.get("/console/payments/order%2F1")
			require.Equal(t, http.StatusOK, page.status)
			require.Contains(t, page.body, `<button name="act" value="`+c.act+`">`)

			before := s.history("order/1")
			asked := b.post("/console/confirm", "act", c.act, "ref", "order/1")
			require.Equal(t, http.StatusOK, asked.status)
			require.Contains(t, asked.text, c.asks)
			require.Contains(t, asked.text, "with the name ada")
			require.Contains(t, asked.body, `name="ref" value="order/1"`)
			require.Equal(t, before.Events, s.history("order/1").Events, "nothing was done yet")

			done := b.post("/console/act", append([]string{"act", c.act, "ref", "order/1"}, c.fields...)...)
			require.Equal(t, http.StatusSeeOther, done.status, done.text)
			require.Contains(t, done.header.Get("Location"), "/console/payments/order%2F1?done="+c.act+"&signed=")
			require.NotContains(t, b.get("/console/payments/order%2F1?done="+c.act).text, "done.", "not signed")
			h := s.history("order/1")
			require.Equal(t, c.state, h.Payment.State)
			require.Len(t, h.Events, len(before.Events)+1)
			event := h.Events[len(h.Events)-1]
			require.Equal(t, c.kind, event.Kind)
			require.Equal(t, "ada", event.Replica)
			require.Contains(t, event.Detail, c.detail)
			require.WithinDuration(t, time.Now(), event.At, time.Minute)
			shown := b.get(done.header.Get("Location"))
			require.Contains(t, shown.text, "done.")
			require.Contains(t, shown.text, event.Detail)
			require.Contains(t, s.log.String(), `msg="an operator acted in the console" act=`+c.act+" by=ada order_id=order/1")
		})
	}
}

func TestRefund_IsRequestedOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.pay("order-1", fake.Approve())
	b := s.as(s.admin)
	require.Contains(t, b.get("/console/payments/order-1").text, "100.00 USD can be refunded")
	asked := b.post("/console/confirm", "act", "refund", "ref", "order-1")
	require.Contains(t, asked.text, "empty for all that is left, 100.00 USD")

	for fields, want := range map[string]string{
		"refund=r-1&amount=25&reason=":           "the reason must not be empty",
		"refund=&amount=25&reason=broken":        "refund_id must not be empty",
		"refund=r-1&amount=25.001&reason=broken": "amount",
		"refund=r-1&amount=x&reason=broken":      "amount",
	} {
		got := b.post("/console/act", append([]string{"act", "refund", "ref", "order-1"}, pairs(fields)...)...)
		require.Equal(t, http.StatusUnprocessableEntity, got.status, fields)
		require.Contains(t, strings.ToLower(got.text), want)
		require.Contains(t, got.body, `role="alert"`)
	}
	require.Empty(t, s.history("order-1").Operations)

	for range 2 {
		got := b.post("/console/act", append([]string{"act", "refund", "ref", "order-1"}, pairs("refund=r-1&amount=25&reason=broken")...)...)
		require.Equal(t, http.StatusSeeOther, got.status, got.text)
	}
	operations := s.history("order-1").Operations
	require.Len(t, operations, 1)
	require.Equal(t, "25.00 USD", operations[0].Payment.Money.String())
	require.Equal(t, "ada", operations[0].Events[0].Replica)
	require.Contains(t, operations[0].Events[0].Detail, "broken")

	got := b.post("/console/act", append([]string{"act", "refund", "ref", "order-1"}, pairs("refund=r-2&amount=80&reason=broken")...)...)
	require.Equal(t, http.StatusConflict, got.status)
	require.Contains(t, got.text, "75.00 USD; refund at most that")
	page := b.get("/console/payments/order-1")
	require.Contains(t, page.text, "refund r-1: 25.00 USD")
	require.Contains(t, b.get("/console/waiting").text, "refund r-1")
}

// pairs turns name=value&… into a list of names and values.
func pairs(form string) (all []string) {
	for field := range strings.SplitSeq(form, "&") {
		name, value, _ := strings.Cut(field, "=")
		all = append(all, name, value)
	}
	return all
}

func TestActs_OnManyPayments(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.pay("order-1", fake.Timeout())
	s.pay("order-2", fake.Approve())
	s.pay("order-3", fake.Timeout())
	b := s.as(s.admin)
	selected := []string{"ref", "order-1", "ref", "order-2", "ref", "order-3", "ref", "order-4"}
	asked := b.post("/console/confirm", append(selected, "act", "resolve")...)
	require.Contains(t, asked.text, "The 4 payments")
	require.NotContains(t, asked.body, `name="transaction"`, "each payment has a transaction of its own")
	done := b.post("/console/act", append(selected, "act", "resolve", "outcome", "failed", "reason", "gateway confirmed")...)
	require.Equal(t, http.StatusOK, done.status)
	require.Contains(t, done.text, "2 of 4 done.")
	require.Contains(t, done.text, "It is succeeded now.")
	require.Contains(t, done.text, "There is no such payment.")
	require.Equal(t, payment.StateFailed, s.find("order-1").State)
	require.Equal(t, payment.StateSucceeded, s.find("order-2").State)
	require.Equal(t, payment.StateFailed, s.find("order-3").State)

	require.Equal(t, http.StatusBadRequest, b.post("/console/confirm", "act", "lookup").status, "none")
	require.Equal(t, http.StatusBadRequest, b.post("/console/confirm", append(selected, "act", "refund")...).status, "one at a time")
	require.Equal(t, http.StatusBadRequest, b.post("/console/confirm", "act", "explode", "ref", "order-1").status)
	many := []string{"act", "lookup"}
	for range 51 {
		many = append(many, "ref", "order-1")
	}
	require.Equal(t, http.StatusBadRequest, b.post("/console/confirm", many...).status, "too many")
	for _, ref := range []string{"", "order-1 refund", "order-1 theft r-1", "a b c", "\x00"} {
		require.GreaterOrEqual(t, b.post("/console/confirm", "act", "lookup", "ref", ref).status, 200)
		require.NotEqual(t, http.StatusInternalServerError, b.post("/console/confirm", "act", "lookup", "ref", ref).status, ref)
	}
}

// A key is shown once, and its acts are in the log.
func TestKeys_CreateAndRevoke(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(s.admin)
	for fields, want := range map[string]string{
		"name=&scope=read": "must not be empty", "name=ok": "at least one scope", "name=rita&scope=read": "An active key has this name", "name=a+b&scope=read": "must consist of",
	} {
		got := b.post("/console/keys", pairs(fields)...)
		require.Equal(t, http.StatusUnprocessableEntity, got.status, fields)
		require.Contains(t, got.text, want)
	}
	got := b.post("/console/keys", "name", "shop", "scope", "pay", "scope", "refund")
	require.Equal(t, http.StatusOK, got.status)
	secret := valueOf(t, got.body, `id="secret" value="`)
	require.NoError(t, apikey.Check(secret))
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	s.refreshKeys()
	key, err := s.keys.Check(secret)
	require.NoError(t, err)
	require.Equal(t, apikey.Scopes{apikey.ScopePay, apikey.ScopeRefund}, key.Scopes)
	require.NotContains(t, b.get("/console/keys").body, secret, "it is shown once")
	require.NotContains(t, s.log.String(), secret)

	asked := b.get("/console/keys/revoke?id=" + string(key.ID))
	require.Contains(t, asked.text, "cannot be made valid again")
	require.Equal(t, http.StatusSeeOther, b.post("/console/keys/revoke", "id", string(key.ID)).status)
	s.refreshKeys()
	_, err = s.keys.Check(secret)
	require.ErrorIs(t, err, apikey.ErrUnknown)
	require.Contains(t, s.log.String(), `msg="an API key was created in the console" by=ada`)
	require.Contains(t, s.log.String(), `msg="an API key was revoked in the console" by=ada`)
	require.Equal(t, http.StatusNotFound, b.get("/console/keys/revoke?id=none").status)
	require.Equal(t, http.StatusNotFound, b.post("/console/keys/revoke", "id", "none").status)
}

func valueOf(t testing.TB, body, before string) string {
	t.Helper()
	_, after, found := strings.Cut(body, before)
	require.True(t, found, "no %s", before)
	value, _, _ := strings.Cut(after, `"`)
	return value
}

func TestHold_IsCapturedOrVoided(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(s.admin)
	for name, c := range map[string]struct{ fields, asks string }{
		"capture": {"act=capture&amount=60&reason=shipped", "takes the money"},
		"void":    {"act=void&reason=cancelled", "release the money"},
	} {
		id := payment.OrderID("order-" + name)
		_, err := s.service.Process(t.Context(), core.Request{OrderID: id, Money: usd(t, "100"), Capture: payment.CaptureManual})
		require.NoError(t, err)
		require.Equal(t, payment.StateAuthorized, s.find(id).State)
		require.Contains(t, b.get("/console/payments/"+string(id)).body, `<button name="act" value="`+name+`">`)
		asked := b.post("/console/confirm", "act", name, "ref", string(id))
		require.Equal(t, http.StatusOK, asked.status)
		require.Contains(t, asked.body, `id="reason"`)
		done := b.post("/console/act", append([]string{"ref", string(id)}, pairs(c.fields)...)...)
		require.Equal(t, http.StatusSeeOther, done.status, done.text)
		operation := s.history(id).Operations[0]
		require.Equal(t, payment.Kind(name), operation.Payment.Operation.Kind)
		require.Equal(t, "ada", operation.Events[0].Replica)
		require.NotContains(t, b.get("/console/payments/"+string(id)).body, `<button name="act" value="`+name+`">`, "it is in progress")
	}
}
