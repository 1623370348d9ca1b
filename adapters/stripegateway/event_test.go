package stripegateway_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
	refund := ours
	refund.Reference = "pi_1"
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
		"refund":           {event(`"data":{"object":{"object":"refund","payment_intent":"pi_1","metadata":{}}}`), &refund},
		"expanded":         {event(`"data":{"object":{"object":"dispute","payment_intent":{"id":"pi_1"}}}`), &refund},
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
