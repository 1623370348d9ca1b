package chaos_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// intermediary is a proxy between a replica and the gateway, such as a load balancer or a mesh. While it
// is faulty it answers most requests itself, without the gateway's mark, and forwards some of them.
type intermediary struct {
	*httptest.Server

	faulty   atomic.Bool
	gateway  *httputil.ReverseProxy
	seed     uint64        // of its responses
	requests atomic.Uint64 // selects the stream of random numbers of each request
}

// answers are responses of proxies, meshes, content networks and hosts. A service that trusted the
// status alone would take each for a decline, a rejection or "not found".
var answers = []struct {
	status      int
	contentType string
	body        string
}{
	{http.StatusPaymentRequired, "text/plain", "Payment Required"},
	{http.StatusPaymentRequired, "application/json", `{"message":"exceed_egress_quota"}`},
	{http.StatusNotFound, "text/plain", "404 page not found"},
	{http.StatusNotFound, "application/json", `{"code":"not_found"}`},
	{http.StatusUnauthorized, "text/html", "<h1>401</h1>"},
	{http.StatusForbidden, "text/html", "<h1>blocked</h1>"},
	{http.StatusTooManyRequests, "text/plain", "slow down"},
	{499, "text/plain", ""},
	{http.StatusInternalServerError, "application/json", `{"charged":false}`},
	{http.StatusServiceUnavailable, "text/plain", "upstream connect error"},
	{520, "text/html", "<h1>Web server is returning an unknown error</h1>"},
	{524, "text/html", "<h1>A timeout occurred</h1>"},
	{http.StatusOK, "application/json", `{"status":"ok"}`},
	{http.StatusOK, "application/json", `{"status":"succeeded","transaction_id":"txn-unknown"}`},
}

func newIntermediary(t *testing.T, gateway string, seed uint64) *intermediary {
	t.Helper()
	to, err := url.Parse(gateway)
	require.NoError(t, err)
	i := &intermediary{gateway: httputil.NewSingleHostReverseProxy(to), seed: seed}
	i.gateway.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {
		panic(http.ErrAbortHandler) // closes the connection without a response
	}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

// ServeHTTP forwards a request, or answers it, or both.
func (i *intermediary) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	random := rand.New(rand.NewPCG(i.seed, i.requests.Add(1)))
	if !i.faulty.Load() || random.IntN(3) == 0 {
		i.gateway.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	switch random.IntN(3) {
	case 0: // not forwarded
	case 1: // forwarded before the response
		i.forward(r, body)
	case 2: // forwarded after the response
		delay := time.Duration(random.IntN(2000)) * time.Millisecond
		go func() {
			time.Sleep(delay)
			i.forward(r, body)
		}()
	}
	a := answers[random.IntN(len(answers))]
	w.Header().Set("Content-Type", a.contentType)
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// forward sends the request to the gateway, and discards the response.
func (i *intermediary) forward(r *http.Request, body []byte) {
	defer func() { _ = recover() }() // from ErrorHandler, if the gateway cannot be reached
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 5*time.Second)
	defer cancel()
	on := r.Clone(ctx)
	on.Body = io.NopCloser(bytes.NewReader(body))
	i.gateway.ServeHTTP(httptest.NewRecorder(), on)
}

func (m *monkey) answerForGateway(t *testing.T) {
	t.Helper()
	i := m.world.between[m.random.IntN(len(m.world.between))]
	i.faulty.Store(true)
	m.wait(6000)
	i.faulty.Store(false)
}
