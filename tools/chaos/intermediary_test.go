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

// intermediary stands between a replica and the gateway, as a load balancer or a mesh does. While it is
// sick it answers most requests by itself, without the gateway's mark, whether it passes them on or not.
type intermediary struct {
	*httptest.Server

	sick     atomic.Bool
	gateway  *httputil.ReverseProxy
	seed     uint64        // of its answers
	requests atomic.Uint64 // the stream of random numbers of each
}

// answers are those of proxies, meshes, content networks and hosts. Any of them would be a
// decline, a rejection or "nothing found" to a service that goes by the status.
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
		panic(http.ErrAbortHandler) // a lost connection stays one
	}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

// ServeHTTP passes a request on, or answers it, or both.
func (i *intermediary) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	random := rand.New(rand.NewPCG(i.seed, i.requests.Add(1)))
	if !i.sick.Load() || random.IntN(3) == 0 {
		i.gateway.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	switch random.IntN(3) {
	case 0: // not passed on
	case 1: // passed on before the answer
		i.passOn(r, body)
	case 2: // passed on after the answer
		delay := time.Duration(random.IntN(2000)) * time.Millisecond
		go func() {
			time.Sleep(delay)
			i.passOn(r, body)
		}()
	}
	a := answers[random.IntN(len(answers))]
	w.Header().Set("Content-Type", a.contentType)
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// passOn sends the request to the gateway, and drops the answer.
func (i *intermediary) passOn(r *http.Request, body []byte) {
	defer func() { _ = recover() }() // of a gateway that is away
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 5*time.Second)
	defer cancel()
	on := r.Clone(ctx)
	on.Body = io.NopCloser(bytes.NewReader(body))
	i.gateway.ServeHTTP(httptest.NewRecorder(), on)
}

func (m *monkey) answerInBetween(t *testing.T) {
	t.Helper()
	i := m.world.between[m.random.IntN(len(m.world.between))]
	i.sick.Store(true)
	m.wait(6000)
	i.sick.Store(false)
}
