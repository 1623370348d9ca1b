package console_test

import (
	"html"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/apikey"
	"paymentd/core/endpoint"
	"paymentd/ports"
)

// newEndpoint creates an endpoint in the console, and returns its secret.
func (b *browser) newEndpoint() (created endpoint.Endpoint, secret string) {
	b.t.Helper()
	b.get("/console/endpoints")
	got := b.post("/console/endpoints", "url", "https://shop.example/hook", "events", "payment.*")
	require.Equal(b.t, http.StatusOK, got.status, got.text)
	require.Equal(b.t, "no-store", got.header.Get("Cache-Control"))
	list, err := b.store.Endpoints().Current(b.t.Context())
	require.NoError(b.t, err)
	require.NotEmpty(b.t, list.Endpoints)
	return list.Endpoints[len(list.Endpoints)-1], html.UnescapeString(valueOf(b.t, got.body, `id="secret" value="`))
}

func (b *browser) endpointNow(id endpoint.ID) (found endpoint.Endpoint) {
	b.t.Helper()
	list, err := b.store.Endpoints().Current(b.t.Context())
	require.NoError(b.t, err)
	for _, e := range list.Endpoints {
		if e.ID == id {
			found = e
		}
	}
	return found
}

func TestEndpoints_ActsAreConfirmedAndKept(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(s.admin)
	require.Contains(t, b.get("/console/endpoints").text, "There is no endpoint")
	for fields, want := range map[string]string{
		"url=&events=*": "must be an https:// address", "url=ftp://x&events=*": "must be an https:// address", "url=https://x.example&events=nothing": "The types of events",
	} {
		got := b.post("/console/endpoints", pairs(fields)...)
		require.Equal(t, http.StatusUnprocessableEntity, got.status, fields)
		require.Contains(t, got.text, want)
	}
	e, secret := b.newEndpoint()
	require.Equal(t, e.Secret.Reveal(), secret)
	path := "/console/endpoints/" + string(e.ID)
	require.NotContains(t, b.get(path).body, secret, "it is shown once")
	require.NotContains(t, s.log.String(), secret)

	require.Contains(t, b.get(path+"/disable").text, "are not stored for it")
	done := b.post(path + "/disable").header.Get("Location")
	require.Contains(t, done, path+"?done=disable&signed=")
	require.Equal(t, endpoint.StateDisabled, b.endpointNow(e.ID).State)
	require.Contains(t, b.get(done).text, "is switched off. The history has it")
	require.Equal(t, http.StatusSeeOther, b.post(path+"/enable").status)
	require.Equal(t, endpoint.StateActive, b.endpointNow(e.ID).State)

	require.Contains(t, b.get(path+"/rotate").text, "signed with both secrets")
	require.Equal(t, http.StatusUnprocessableEntity, b.post(path+"/rotate", "overlap", "99999h").status)
	rotated := b.post(path+"/rotate", "overlap", "1h")
	require.Equal(t, http.StatusOK, rotated.status)
	require.Equal(t, secret, b.endpointNow(e.ID).Previous.Reveal())
	require.NotContains(t, rotated.body, secret)
	again := b.post(path+"/rotate", "overlap", "1h")
	require.Equal(t, http.StatusConflict, again.status)
	require.Contains(t, again.text, "The secret was rotated already, and the one before it signs until ")
	require.Equal(t, secret, b.endpointNow(e.ID).Previous.Reveal())
	require.Contains(t, again.body, `name="end_overlap"`)
	require.Equal(t, http.StatusOK, b.post(path+"/rotate", "overlap", "1h", "end_overlap", "1").status)
	require.NotEqual(t, secret, b.endpointNow(e.ID).Previous.Reveal())

	require.Equal(t, http.StatusSeeOther, b.post(path+"/delete").status)
	require.Equal(t, http.StatusNotFound, b.get(path).status)
	require.Equal(t, http.StatusNotFound, b.post(path+"/enable").status)
	history := b.get("/console/history?of=" + string(e.ID)).text
	for _, want := range []string{"endpoint created", "endpoint disabled", "endpoint enabled", "endpoint rotated", "endpoint deleted", "ada"} {
		require.Contains(t, history, want)
	}
	require.NotContains(t, b.get("/console/history").body, "whsec_")
}

func TestEndpoints_DeliveriesAreListedAndReplayed(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(s.admin)
	e, _ := b.newEndpoint()
	path := "/console/endpoints/" + string(e.ID)
	s.pay("order-1", fake.Approve())
	claimed, err := s.store.Outbox().ClaimDeliveries(t.Context(), e.ID, 1, time.Minute)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	answer := endpoint.Answer{Status: 503, Body: "<b>down</b>"}
	require.NoError(t, s.store.Outbox().Complete(t.Context(), claimed[0].Complete(answer)))

	got := b.get(path)
	require.Contains(t, got.text, "503 Service Unavailable: <b>down</b>")
	require.NotContains(t, got.body, "<b>down</b>")
	require.Contains(t, b.get("/console/endpoints").text, "https://shop.example/hook")
	require.Contains(t, b.get(path+"?outcome=delivered").text, "No event has this outcome")
	require.Equal(t, http.StatusBadRequest, b.get(path+"?outcome=lost").status)
	require.Equal(t, http.StatusBadRequest, b.get(path+"?after=x").status)

	event := string(claimed[0].Event)
	asked := b.get(path + "/replay?event=" + event).text
	require.Contains(t, asked, event)
	require.Contains(t, asked, "Attempts to deliver it")
	require.Contains(t, asked, "503 Service Unavailable")
	require.Contains(t, b.post(path+"/replay", "event", event).header.Get("Location"), path+"?done=replay&signed=")
	waiting := endpoint.OutcomeWaiting
	deliveries, err := s.store.Outbox().Deliveries(t.Context(), ports.DeliveryQuery{Endpoint: e.ID, Outcome: &waiting, Limit: 10})
	require.NoError(t, err)
	require.NotEmpty(t, deliveries)
	require.Zero(t, deliveries[len(deliveries)-1].Attempts, "counted anew")

	require.Equal(t, http.StatusSeeOther, b.post(path+"/replay", "since", "2020-01-01T00:00").status)
	for fields, status := range map[string]int{
		"since=":                              http.StatusUnprocessableEntity,
		"event=nonsense":                      http.StatusUnprocessableEntity,
		"event=" + event[:len(event)-1] + "x": http.StatusConflict,
		"since=2999-01-01T00:00":              http.StatusConflict,
	} {
		require.Equal(t, status, b.post(path+"/replay", pairs(fields)...).status, fields)
	}
	require.Contains(t, b.get(path).text, "events replayed")
}

// With the scope read, a person may look at endpoints and change nothing.
func TestEndpoints_ReaderMayNotAct(t *testing.T) {
	t.Parallel()
	s := open(t)
	e, _ := s.as(s.admin).newEndpoint()
	b := s.as(s.reader)
	path := "/console/endpoints/" + string(e.ID)
	require.Equal(t, http.StatusOK, b.get(path).status)
	require.NotContains(t, b.get(path).text, "Rotate")
	require.NotContains(t, b.get("/console/endpoints").text, "Create an endpoint")
	for _, act := range []string{"disable", "enable", "rotate", "replay", "delete"} {
		require.Equal(t, http.StatusForbidden, b.get(path+"/"+act).status)
		require.Equal(t, http.StatusForbidden, b.post(path+"/"+act, "overlap", "0s").status)
	}
	require.Equal(t, http.StatusForbidden, b.post("/console/endpoints", "url", "https://a.example", "events", "*").status)
	require.Equal(t, http.StatusForbidden, b.post("/console/keys/rotate", "id", "x", "overlap", "0s").status)
	require.Equal(t, endpoint.StateActive, s.as(s.admin).endpointNow(e.ID).State)
}

func TestKeys_LimitsExpiryAndRotation(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(s.admin)
	b.get("/console/keys")
	for fields, want := range map[string]string{
		"name=a&scope=pay&expires=2001-01-01": "a time in the future", "name=a&scope=pay&prefixes=a b": "A beginning of orders",
	} {
		require.Contains(t, b.post("/console/keys", pairs(fields)...).text, want)
	}
	got := b.post("/console/keys", "name", "shop", "scope", "pay", "expires", "2099-01-01T00:00", "prefixes", "shop1-\r\nshop2-\r\n", "gateways", "bank")
	require.Equal(t, http.StatusOK, got.status, got.text)
	s.refreshKeys()
	key, err := s.keys.Check(valueOf(t, got.body, `id="secret" value="`))
	require.NoError(t, err)
	require.Equal(t, apikey.Limits{OrderPrefixes: []string{"shop1-", "shop2-"}, Gateways: []string{"bank"}}, key.Limits)
	require.Equal(t, 2099, key.ExpiresAt.Year())
	require.Contains(t, b.get("/console/keys").text, "only orders shop1-* shop2-*, gateways bank")

	require.Contains(t, b.get("/console/keys/rotate?id="+string(key.ID)).text, "A new key with the name shop")
	require.Contains(t, b.post("/console/keys/rotate", "id", string(key.ID), "overlap", "0s").text, "Say when that one expires")
	require.Contains(t, b.post("/console/keys/rotate", "id", string(key.ID), "overlap", "x").text, "Choose for how long")
	rotated := b.post("/console/keys/rotate", "id", string(key.ID), "overlap", "0s", "expires", "2098-01-01T00:00")
	require.Equal(t, http.StatusOK, rotated.status, rotated.text)
	s.refreshKeys()
	next, err := s.keys.Check(valueOf(t, rotated.body, `id="secret" value="`))
	require.NoError(t, err)
	require.Equal(t, key.Limits, next.Limits)
	require.Contains(t, b.post("/console/keys/rotate", "id", string(key.ID), "overlap", "0s", "expires", "2098-01-01").text, "rotated or revoked already")
	history := b.get("/console/history?of=" + string(key.ID)).text
	require.Contains(t, history, "key rotated")
	require.Contains(t, history, "successor: "+string(next.ID))
	require.Contains(t, b.get("/console/history").text, "key created")
	require.Equal(t, http.StatusBadRequest, b.get("/console/history?after=x").status)
}

// A key that is limited, expired or revoked does not sign in, so that its owner sees no order through the console.
func TestSignIn_KeyThatMayNotSeeAll(t *testing.T) {
	t.Parallel()
	s := open(t)
	for name, want := range map[apikey.Name]string{"prefix": "is limited", "gateway": "is limited", "expired": "has expired", "revoked": "unknown or revoked"} {
		key, secret := apikey.New(name, apikey.Scopes{apikey.ScopeAdmin})
		switch name {
		case "prefix":
			key.Limits.OrderPrefixes = []string{"shop-"}
		case "gateway":
			key.Limits.Gateways = []string{"bank"}
		case "expired":
			key.ExpiresAt = time.Now().Add(-time.Minute)
		}
		require.NoError(t, s.store.Keys().Create(t.Context(), key))
		if name == "revoked" {
			_, err := s.store.Keys().Revoke(t.Context(), string(key.ID), "ada")
			require.NoError(t, err)
		}
		s.refreshKeys()
		b := s.browse()
		b.get("/console/sign-in")
		got := b.post("/console/sign-in", "key", secret.Reveal())
		require.Contains(t, got.text, want, name)
		for _, path := range []string{"", "/waiting.csv", "/payments.csv", "/search?q=a", "/endpoints", "/history"} {
			require.Equal(t, http.StatusSeeOther, b.get("/console"+path).status, path)
		}
		require.Equal(t, http.StatusUnauthorized, b.get("/console/now/stream").status)
	}
}
