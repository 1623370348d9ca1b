// Package protocoltest tests servers of the gateway protocol over a socket.
package protocoltest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// Server is a server of the gateway protocol, with the amounts that the suite needs.
type Server struct {
	// URL is the base URL, before "/charges".
	URL string

	Approved payment.Money // an amount that the server approves
	Declined payment.Money // an amount that the server declines
	// Holds: the server holds money, captures and voids.
	Holds bool
}

// markHeader is the header that marks an answer as the gateway's own.
const markHeader = "Idempotency-Key"

// Run checks that a server implements the gateway protocol (docs/gateway-protocol.md), and in
// particular that each of its own answers is marked. Keys and order ids are random.
func Run(t *testing.T, open func(t testing.TB) Server) {
	t.Helper()
	for name, holds := range map[string]func(p *protocol){
		"an approval":                        approvals,
		"a decline":                          declines,
		"a key is for one charge":            reusedKeys,
		"nothing has a new key":              unknownKeys,
		"a request that is not the protocol": wrongRequests,
		"a hold is captured":                 captures,
		"a hold is voided":                   voids,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			holds(&protocol{Server: open(t), t: t, key: "key-" + rand.Text(), order: "order-" + rand.Text()})
		})
	}
}

type protocol struct {
	Server

	t          *testing.T
	key, order string
}

// object is the JSON object of an answer.
type object map[string]any

// charge sends a charge, and requires a marked answer.
func (p *protocol) charge(m payment.Money) (int, object) {
	p.t.Helper()
	body, err := json.Marshal(map[string]string{
		"order_id": p.order, "amount": m.Decimal(), "currency": m.Currency().Code(),
	})
	require.NoError(p.t, err)
	return p.post(string(body))
}

func (p *protocol) post(body string) (int, object) {
	p.t.Helper()
	return p.send("/charges", p.key, body)
}

// send sends a charge or another operation, and requires a marked answer.
func (p *protocol) send(path, key, body string) (int, object) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.URL+path, strings.NewReader(body))
	require.NoError(p.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(markHeader, key)
	return p.exchange(req, key)
}

// hold holds money, and returns its transaction id.
func (p *protocol) hold() any {
	p.t.Helper()
	body := fmt.Sprintf(`{"order_id":%q,"amount":%q,"currency":%q,"capture":"manual"}`,
		p.order, p.Approved.Decimal(), p.Approved.Currency().Code())
	for range 2 {
		_, held := p.post(body)
		require.Equal(p.t, "authorized", held["status"])
		require.NotEmpty(p.t, held["transaction_id"])
	}
	_, found := p.lookUp(p.key)
	require.Equal(p.t, "authorized", found["status"])
	return found["transaction_id"]
}

// end sends a capture or a void of the charge, and looks it up.
func (p *protocol) end(kind, key, body string) (status int, answer, found object) {
	p.t.Helper()
	path := "/charges/" + p.key + "/" + kind
	status, answer = p.send(path, key, body)
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.URL+path+"/"+key, http.NoBody)
	require.NoError(p.t, err)
	_, found = p.exchange(req, key)
	return status, answer, found
}

// lookUp looks up a key, and requires a marked answer although the request has no such header.
func (p *protocol) lookUp(key string) (int, object) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.URL+"/charges/"+url.PathEscape(key), http.NoBody)
	require.NoError(p.t, err)
	req.Header.Set("Cache-Control", "no-cache")
	return p.exchange(req, key)
}

func (p *protocol) exchange(req *http.Request, key string) (int, object) {
	p.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true} // so that no connection outlives the test
	resp, err := transport.RoundTrip(req)
	require.NoError(p.t, err)
	defer func() { require.NoError(p.t, resp.Body.Close()) }()
	require.Equal(p.t, []string{key}, resp.Header.Values(markHeader), "the mark of the %d to %s %s", resp.StatusCode, req.Method, req.URL)
	require.NotContains(p.t, resp.Trailer, markHeader)
	read, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	var o object
	require.NoError(p.t, json.Unmarshal(read, &o), "the body is one JSON object: %s", read)
	return resp.StatusCode, o
}

func approvals(p *protocol) {
	status, first := p.charge(p.Approved)
	require.Contains(p.t, []int{http.StatusOK, http.StatusCreated}, status)
	require.Equal(p.t, "succeeded", first["status"])
	require.NotEmpty(p.t, first["transaction_id"])
	require.NotContains(p.t, first, "error")

	status, again := p.charge(p.Approved)
	require.Contains(p.t, []int{http.StatusOK, http.StatusCreated}, status)
	require.Equal(p.t, first["transaction_id"], again["transaction_id"])

	status, found := p.lookUp(p.key)
	require.Equal(p.t, http.StatusOK, status)
	require.Equal(p.t, "succeeded", found["status"])
	require.Equal(p.t, first["transaction_id"], found["transaction_id"])
}

func declines(p *protocol) {
	for range 2 {
		status, o := p.charge(p.Declined)
		require.Equal(p.t, http.StatusPaymentRequired, status)
		require.Equal(p.t, "declined", o["status"])
		require.NotEmpty(p.t, o["code"])
	}
	status, found := p.lookUp(p.key)
	require.Equal(p.t, http.StatusOK, status)
	require.Equal(p.t, "declined", found["status"])
	require.NotEmpty(p.t, found["code"])
}

func captures(p *protocol) {
	if !p.Holds {
		return
	}
	id := p.hold()
	capture := fmt.Sprintf(`{"amount":%q,"currency":%q}`, p.Approved.Decimal(), p.Approved.Currency().Code())
	key := "capture-" + p.key
	_, first, found := p.end("captures", key, capture)
	require.Equal(p.t, "succeeded", first["status"])
	require.Equal(p.t, first["transaction_id"], found["transaction_id"])
	_, again, _ := p.end("captures", key, capture)
	require.Equal(p.t, first["transaction_id"], again["transaction_id"])
	_, charge := p.lookUp(p.key)
	require.Equal(p.t, "succeeded", charge["status"])
	require.Equal(p.t, id, charge["transaction_id"])
	require.NotContains(p.t, charge, "captured", "all of it")
	p.refused("captures", "again-"+p.key, capture)
	p.refused("voids", "void-"+p.key, "{}")
}

func voids(p *protocol) {
	if !p.Holds {
		return
	}
	p.hold()
	for range 2 {
		_, answer, found := p.end("voids", "release-"+p.key, "{}")
		require.Contains(p.t, []any{"voided", "cancelled", "succeeded"}, answer["status"])
		require.Equal(p.t, answer["status"], found["status"])
	}
	_, charge := p.lookUp(p.key)
	require.Contains(p.t, []any{"voided", "cancelled"}, charge["status"])
	p.refused("captures", "capture-"+p.key, fmt.Sprintf(`{"amount":%q,"currency":%q}`, p.Approved.Decimal(), p.Approved.Currency().Code()))
}

// refused sends a capture or a void that the charge does not allow.
func (p *protocol) refused(kind, key, body string) {
	p.t.Helper()
	status, answer, found := p.end(kind, key, body)
	require.Contains(p.t, []int{http.StatusPaymentRequired, http.StatusUnprocessableEntity}, status)
	require.NotEmpty(p.t, answer["code"])
	require.NotContains(p.t, []any{"succeeded", "voided"}, found["status"])
}

func reusedKeys(p *protocol) {
	_, first := p.charge(p.Approved)
	status, o := p.charge(p.Declined)
	require.Equal(p.t, http.StatusUnprocessableEntity, status)
	require.Equal(p.t, "idempotency_key_reused", o["code"])
	require.NotContains(p.t, o, "charged", "the key has charged")
	_, found := p.lookUp(p.key)
	require.Equal(p.t, first["transaction_id"], found["transaction_id"])
}

func unknownKeys(p *protocol) {
	for _, key := range []string{p.key, p.key + "/?#%"} {
		status, o := p.lookUp(key)
		require.Equal(p.t, http.StatusNotFound, status)
		require.Equal(p.t, "not_found", o["code"])
		require.NotContains(p.t, o, "status")
		require.NotContains(p.t, o, "transaction_id")
	}
}

func wrongRequests(p *protocol) {
	for _, body := range []string{"", "{", "[]", "null", `{"order_id":7}`} {
		status, _ := p.post(body)
		require.Equal(p.t, http.StatusBadRequest, status, body)
	}
	status, o := p.lookUp(p.key)
	require.Equal(p.t, http.StatusNotFound, status)
	require.Equal(p.t, "not_found", o["code"])
}
