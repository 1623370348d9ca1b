package stripegateway_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v85"

	"paymentd/adapters/stripegateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/core/payment"
)

const webhookSecret = "whsec_test_secret"

func withSecrets(secrets ...string) func(*stripegateway.Options) {
	return func(o *stripegateway.Options) { o.WebhookSecrets = func() []string { return secrets } }
}

func TestEvent_OfACharge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b := newBench(t, stripefake.Options{Clock: func() time.Time { return now }}, withSecrets("whsec_old", webhookSecret))
	c := newCharge(t, visa)
	id := b.charge(t, c, payment.ClassApproved).TransactionID
	body := b.fake.Event("payment_intent.succeeded", id)
	e, err := b.Event(body, stripefake.Sign(body, webhookSecret, now), now)
	require.NoError(t, err)
	require.NotEmpty(t, e.ID)
	require.Equal(t, payment.FoundApproved, e.Says())
	require.Empty(t, stripegateway.Event{Kind: "payment_intent.created"}.Says())
	e.ID = ""
	require.Equal(t, stripegateway.Event{
		Kind: "payment_intent.succeeded", Reference: id, Key: c.Key, OrderID: c.OrderID, Ours: true, Created: now,
	}, e)
}

// Each event of a refund names it by its own metadata. That of a charge does so only if an endpoint with an old API
// version has the refunds in it, the newest first.
func TestEvent_OfARefund(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b := newBench(t, stripefake.Options{Clock: func() time.Time { return now }}, withSecrets(webhookSecret))
	charge, of := b.charged(t, visa)
	c := newRefund(t, charge, of, "2.50")
	id := b.charge(t, c, payment.ClassApproved).TransactionID
	read := func(body []byte) stripegateway.Event {
		t.Helper()
		e, err := b.Event(body, stripefake.Sign(body, webhookSecret, now), now)
		require.NoError(t, err)
		e.ID = ""
		return e
	}
	want := stripegateway.Event{
		Operation: payment.KindRefund, Reference: of.TransactionID, Key: c.Key, OrderID: c.OrderID, Ours: true, Created: now,
	}
	for _, tt := range []struct {
		kind, status string
		says         payment.LookupResult
	}{
		{"refund.created", "succeeded", payment.FoundApproved},
		{"refund.updated", "pending", payment.FoundPending},
		{"charge.refund.updated", "requires_action", payment.FoundPending},
		{"refund.updated", "patient", ""},
		{"refund.archived", "succeeded", ""},
		{"refund.failed", "failed", payment.FoundReturned}, // it does not say whether the refund had succeeded
	} {
		require.True(t, b.fake.SetRefund(id, tt.status))
		want.Kind, want.Refund = tt.kind, stripe.RefundStatus(tt.status)
		e := read(b.fake.Event(tt.kind, id))
		require.Equal(t, want, e)
		require.Equal(t, tt.says, e.Says(), tt.kind+" "+tt.status)
	}
	require.Equal(t, payment.FoundReturned, stripegateway.Event{
		Kind: "refund.updated", Operation: payment.KindRefund, Refund: stripe.RefundStatusCanceled,
	}.Says())

	none := read(b.fake.Event("charge.refunded", of.TransactionID))
	require.Empty(t, none.Key, "the key of the charge is not that of a refund")
	require.Empty(t, none.Says())
	old := strings.Replace(stubChargeRefunded, "REFUNDS", withRefund()+","+withRefund("metadata", `{"paymentd_key":"key-1"`), 1)
	e := read([]byte(old))
	require.Equal(t, payment.KindRefund, e.Operation)
	require.EqualValues(t, "key-2", e.Key)
	require.Equal(t, payment.FoundApproved, e.Says())
}

// stubChargeRefunded is the event of an endpoint with an old API version.
const stubChargeRefunded = `{"id":"evt_1","object":"event","type":"charge.refunded","livemode":false,"created":1767225600,` +
	`"data":{"object":{"id":"ch_1","object":"charge","metadata":{"paymentd_key":"key-1","paymentd_order_id":"order-1"},` +
	`"payment_intent":"pi_1","refunds":{"object":"list","data":[REFUNDS]}}}}`

// The window is checked in both directions, because stripe-go accepts signatures of the future.
func TestEvent_Signature(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b := newBench(t, stripefake.Options{}, withSecrets(webhookSecret))
	body := []byte(`{"id":"evt_1","object":"event","type":"payment_intent.succeeded","livemode":false,"data":{"object":{}}}`)
	at := func(offset time.Duration) string { return stripefake.Sign(body, webhookSecret, now.Add(offset)) }
	good := at(0)
	_, signature, _ := strings.Cut(good, ",")
	for name, tt := range map[string]struct {
		header string
		want   error
	}{
		"now":                  {good, nil},
		"5 minutes ago":        {at(-5 * time.Minute), nil},
		"in 5 minutes":         {at(5 * time.Minute), nil},
		"too old":              {at(-5*time.Minute - time.Second), stripegateway.ErrEventTime},
		"of the future":        {at(5*time.Minute + time.Second), stripegateway.ErrEventTime},
		"in a year":            {at(365 * 24 * time.Hour), stripegateway.ErrEventTime},
		"two signatures":       {strings.Replace(good, "v1=", "v1=00,v1=", 1), nil},
		"an old scheme beside": {good + ",v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39", nil},
		"only the old scheme":  {strings.Replace(good, "v1=", "v0=", 1), stripegateway.ErrEventUnsigned},
		"none":                 {"", stripegateway.ErrEventUnsigned},
		"no time":              {signature, stripegateway.ErrEventUnsigned},
		"another time":         {"t=1," + signature, stripegateway.ErrEventUnsigned},
		"two times":            {"t=1," + good, stripegateway.ErrEventUnsigned},
		"no signature":         {"t=1", stripegateway.ErrEventUnsigned},
		"another secret":       {stripefake.Sign(body, "whsec_other", now), stripegateway.ErrEventUnsigned},
		"an empty secret":      {stripefake.Sign(body, "", now), stripegateway.ErrEventUnsigned},
		"too long":             {good + strings.Repeat(",v1=00", 1000), stripegateway.ErrEventUnsigned},
	} {
		_, err := b.Event(body, tt.header, now)
		require.ErrorIs(t, err, tt.want, name)
	}
	_, err := b.Event(append(body, ' '), good, now)
	require.ErrorIs(t, err, stripegateway.ErrEventUnsigned, "the raw body is signed")

	unconfigured := newBench(t, stripefake.Options{})
	_, err = unconfigured.Event(body, good, now)
	require.ErrorIs(t, err, stripegateway.ErrEventUnsigned)
	empty := newBench(t, stripefake.Options{}, withSecrets(""))
	_, err = empty.Event(body, stripefake.Sign(body, "", now), now)
	require.ErrorIs(t, err, stripegateway.ErrEventUnsigned)
}

func TestEvent_Bodies(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b := newBench(t, stripefake.Options{}, withSecrets(webhookSecret), func(o *stripegateway.Options) { o.Account = "acct_1" })
	event := func(more string) string {
		return `{"id":"evt_1","object":"event","type":"charge.succeeded","livemode":false,"created":1,` + more + `}`
	}
	meta := `"metadata":{"paymentd_key":"key-1","paymentd_order_id":"order-1"}`
	ours := stripegateway.Event{ID: "evt_1", Kind: "charge.succeeded", Created: time.Unix(1, 0).UTC(), Ours: true}
	charge := ours
	charge.Reference, charge.Key, charge.OrderID = "pi_1", "key-1", "order-1"
	dispute := ours
	dispute.Reference = "pi_1"
	other, connected := ours, ours
	other.Account, other.Ours = "acct_2", false
	connected.Account = "acct_1"
	live := ours
	live.Live, live.Ours = true, false
	for name, tt := range map[string]struct {
		body string
		want *stripegateway.Event // nil for ErrEventBody
	}{
		"charge":           {event(`"data":{"object":{"object":"charge","payment_intent":"pi_1",` + meta + `}}`), &charge},
		"expanded":         {event(`"data":{"object":{"object":"dispute","payment_intent":{"id":"pi_1"}}}`), &dispute},
		"another object":   {event(`"data":{"object":{"object":"customer","id":"cus_1"}}`), &ours},
		"no data":          {event(`"x":1`), &ours},
		"a bad id":         {event(`"data":{"object":{"object":"payment_intent","id":"pi_1/x"}}`), &ours},
		"another account":  {event(`"account":"acct_2"`), &other},
		"the account":      {event(`"account":"acct_1"`), &connected},
		"live mode":        {strings.Replace(event(`"x":1`), "false", "true", 1), &live},
		"another version":  {event(`"api_version":"2099-01-01.zebra"`), &ours},
		"a thin event":     {strings.Replace(event(`"related_object":{"id":"x"}`), `"event"`, `"v2.core.event"`, 1), &ours},
		"no JSON":          {`<html>`, nil},
		"no id":            {`{"type":"x"}`, nil},
		"no type":          {`{"id":"evt_1"}`, nil},
		"repeated members": {event(`"id":"evt_2"`), nil},
		"too long":         {event(`"x":"` + strings.Repeat("x", 1<<20) + `"`), nil},
	} {
		e, err := b.Event([]byte(tt.body), stripefake.Sign([]byte(tt.body), webhookSecret, now), now)
		if tt.want == nil {
			require.ErrorIs(t, err, stripegateway.ErrEventBody, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, *tt.want, e, name)
		require.True(t, json.Valid([]byte(tt.body)))
	}
}
