package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/httpapi"
	"paymentd/core"
	"paymentd/core/apikey"
	"paymentd/core/payment"
	"paymentd/ports"
)

// stored is the payment of an order at a gateway.
func stored(gateway payment.GatewayID, state payment.State) func(context.Context, payment.OrderID) (payment.Payment, error) {
	return func(ctx context.Context, id payment.OrderID) (payment.Payment, error) {
		if gateway == "" {
			return payment.Payment{}, ports.ErrNotFound
		}
		p, err := paid(ctx, id)
		p.Gateway, p.State = gateway, state
		return p, err
	}
}

// limitedTo serves with a key of every scope and these limits, and returns the header with the key.
func limitedTo(t *testing.T, p *processor, limits apikey.Limits, route ...payment.GatewayID) (s *service, header string) {
	t.Helper()
	keys := fake.NewKeys()
	key, secret := apikey.New("shop", apikey.Scopes{apikey.ScopeAdmin})
	key.Limits = limits
	require.NoError(t, keys.Create(t.Context(), key))
	o := options(t)
	o.Keys, o.Metrics = holders(t, keys), counting
	o.Route = func(core.Request) ([]payment.GatewayID, error) { return route, nil }
	o.Gateways = func() []httpapi.GatewayStatus {
		return []httpapi.GatewayStatus{
			{Name: "bank", Breaker: "closed", Capabilities: payment.Capabilities{Gateway: "bank"}},
			{Name: "stripe", Breaker: "closed", Capabilities: payment.Capabilities{Gateway: "stripe"}},
		}
	}
	return serveWith(t, p, o), "Authorization: Bearer " + secret.Reveal()
}

func (a answer) requireOutside(t *testing.T, words string) {
	t.Helper()
	require.Equal(t, http.StatusForbidden, a.status, a.body)
	require.Equal(t, `Bearer realm="paymentd", error="insufficient_scope"`, a.header.Get("WWW-Authenticate"))
	require.Contains(t, a.sentence(t), words)
}

func TestKeyLimits_OrderPrefixes(t *testing.T) {
	t.Parallel()
	p := answering(approved)
	p.history = func(_ context.Context, id payment.OrderID) (ports.History, error) {
		found, err := paid(t.Context(), id)
		return ports.History{Payment: found}, err
	}
	s, key := limitedTo(t, p, apikey.Limits{OrderPrefixes: []string{"shop1-", "shop2-"}})
	json := "Content-Type: application/json"
	const refund = `{"refund_id":"r-1"}`

	for _, order := range []string{"shop3-1", "shop1", "Shop1-1", "xshop1-1"} {
		for _, a := range []answer{
			s.post(fmt.Sprintf(`{"order_id":%q,"amount":1}`, order), key),
			s.get("/payments/"+order, key),
			s.request(http.MethodPost, "/payments/"+order+"/refunds", refund, key, json),
			s.get("/payments/"+order+"/refunds", key),
			s.get("/payments/"+order+"/refunds/r-1", key),
		} {
			a.requireOutside(t, "begins with shop1- or shop2-; use one that is for this order")
		}
	}
	p.requireUntouched(t)
	for _, path := range []string{"/metrics"} {
		s.get(path, key).requireOutside(t, "limited to orders shop1-* shop2-*, and this path is about all")
	}

	for _, order := range []string{"shop1-1", "shop2-"} {
		require.Equal(t, http.StatusOK, s.post(fmt.Sprintf(`{"order_id":%q,"amount":1}`, order), key).status)
		require.Equal(t, http.StatusOK, s.get("/payments/"+order, key).status)
		require.Equal(t, http.StatusOK, s.request(http.MethodPost, "/payments/"+order+"/refunds", refund, key, json).status)
		require.Equal(t, http.StatusOK, s.get("/payments/"+order+"/refunds", key).status)
	}
	require.Equal(t, http.StatusOK, s.get("/payments/shop1%2D1", key).status, "the decoded id counts")
	s.get("/payments/shop3%2D1", key).requireOutside(t, "shop1-")
	require.Equal(t, http.StatusBadRequest, s.post(`{"order_id":"","amount":1}`, key).status)
}

func TestKeyLimits_Gateways(t *testing.T) {
	t.Parallel()
	const bank, stripe = payment.GatewayID("bank"), payment.GatewayID("stripe")
	for name, c := range map[string]struct {
		at      payment.GatewayID // of the stored payment; none if empty
		state   payment.State
		route   []payment.GatewayID
		refused string // by a charge
		unseen  bool
	}{
		"a new payment":                       {route: []payment.GatewayID{bank}},
		"a new payment that may fail over":    {route: []payment.GatewayID{bank, stripe}, refused: "the routes lead this payment to stripe as well"},
		"a new payment for the other":         {route: []payment.GatewayID{stripe}, refused: "the routes lead this payment to stripe"},
		"a payment at the gateway":            {at: bank, state: payment.StateFailed, route: []payment.GatewayID{bank}},
		"a payment that may fail over":        {at: bank, state: payment.StateFailed, route: []payment.GatewayID{bank, stripe}, refused: "as well"},
		"a success at the gateway":            {at: bank, state: payment.StateSucceeded, route: []payment.GatewayID{stripe}},
		"a success at the other":              {at: stripe, state: payment.StateSucceeded, route: []payment.GatewayID{bank}, refused: "the payment is at another one", unseen: true},
		"a payment at the other":              {at: stripe, state: payment.StateFailed, route: []payment.GatewayID{bank}, refused: "the payment is at another one", unseen: true},
		"a payment of before gateways had id": {at: " ", state: payment.StateSucceeded, route: []payment.GatewayID{bank}, refused: "at another one", unseen: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := answering(approved)
			p.payment = stored(c.at, c.state)
			p.history = func(ctx context.Context, id payment.OrderID) (ports.History, error) {
				found, err := p.payment(ctx, id)
				return ports.History{Payment: found}, err
			}
			s, key := limitedTo(t, p, apikey.Limits{Gateways: []string{"bank"}}, c.route...)
			if charged := s.post(oneRequest, key); c.refused == "" {
				require.Equal(t, http.StatusOK, charged.status, charged.body)
			} else {
				charged.requireOutside(t, c.refused)
				require.Empty(t, p.requests)
			}
			refund := s.request(http.MethodPost, "/payments/order-123/refunds", `{"refund_id":"r-1"}`, key, "Content-Type: application/json")
			read := s.get("/payments/order-123", key)
			if c.unseen {
				refund.requireOutside(t, "at another one")
				read.requireOutside(t, "at another one")
				require.Empty(t, p.refunds)
				return
			}
			require.Equal(t, http.StatusOK, refund.status)
			require.Equal(t, c.at == "", read.status == http.StatusNotFound, read.body)
		})
	}
}

func TestKeyLimits_GatewayList(t *testing.T) {
	t.Parallel()
	s, key := limitedTo(t, answering(approved), apikey.Limits{Gateways: []string{"stripe"}})
	body := s.get("/gateways", key).body
	require.Contains(t, body, `"name":"stripe"`)
	require.NotContains(t, body, "bank")
}

// A key with limits sees its own payments only, in order and each once, over as many pages as it takes.
func TestKeyLimits_List(t *testing.T) {
	t.Parallel()
	payments := many(t, 4500)
	want := []string{}
	for i := range payments {
		switch i {
		case 3, 4, 5, 900, 4400, 4499:
			payments[i].OrderID = payment.OrderID(fmt.Sprintf("shop1-%04d", 9999-i))
			want = append(want, payments[i].OrderID.String())
			payments[i].Gateway = "bank"
		case 7, 8:
			payments[i].OrderID = payment.OrderID(fmt.Sprintf("shop1-%04d", 9999-i)) // at another gateway
		}
	}
	p := holding(payments)
	s, key := limitedTo(t, p, apikey.Limits{OrderPrefixes: []string{"shop1-"}, Gateways: []string{"bank"}})
	for _, limit := range []int{1, 2, 50} {
		var got []string
		cursor, requests := "", 0
		for requests == 0 || cursor != "" {
			a := s.get(fmt.Sprintf("/payments?limit=%d&cursor=%s", limit, url.QueryEscape(cursor)), key)
			require.Equal(t, http.StatusOK, a.status, a.body)
			page := decodePage(t, a)
			require.LessOrEqual(t, len(page.Payments), limit)
			for _, one := range page.Payments {
				got = append(got, fmt.Sprint(one["order_id"]))
			}
			cursor = page.NextCursor
			requests++
		}
		require.Equal(t, want, got)
		require.LessOrEqual(t, requests, len(want)+3)
	}
}

func TestAuth_ExpiredKey_IsRefusedWithASentence(t *testing.T) {
	t.Parallel()
	keys := fake.NewKeys()
	key, secret := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
	key.ExpiresAt = time.Now().Add(-time.Second)
	require.NoError(t, keys.Create(t.Context(), key))
	o := options(t)
	o.Keys = holders(t, keys)
	p := &processor{process: func(context.Context, core.Request) (core.Answer, error) { return approved, nil }}
	a := serveWith(t, p, o).post(oneRequest, "Authorization: Bearer "+secret.Reveal())
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Equal(t, "the API key has expired; use another one", a.sentence(t))
	require.Equal(t, `Bearer realm="paymentd", error="invalid_token"`, a.header.Get("WWW-Authenticate"))
	p.requireUntouched(t)
}
