package httpapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpapi"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

var errForged = errors.New("the event is not signed")

// readEvent stands for the verification of a signature: the header Signature must be the whole body.
func readEvent(header http.Header, body []byte, _ time.Time) (httpapi.Event, error) {
	if header.Get("Signature") != string(body) {
		return httpapi.Event{}, errForged
	}
	kind, order, _ := strings.Cut(string(body), " ")
	e := httpapi.Event{GatewayEvent: core.GatewayEvent{
		ID: "evt-1", Kind: kind, Gateway: "bank:1", OrderID: payment.OrderID(order), Key: "key-1", Says: payment.FoundApproved,
	}}
	switch kind {
	case "payout":
		e.Skipped = httpapi.EventIgnored
	case "elsewhere":
		e.Skipped = httpapi.EventOtherAccount
	}
	return e, nil
}

// observed counts the results of events.
type observed struct {
	mu      sync.Mutex
	results map[string]int
}

func (*observed) RequestBegan(string)                           {}
func (*observed) RequestEnded(string, int, time.Duration, bool) {}

func (o *observed) EventEnded(gateway, result string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.results == nil {
		o.results = make(map[string]int)
	}
	o.results[gateway+" "+result]++
}

// eventAPI is the API with a gateway that receives events.
type eventAPI struct {
	t        *testing.T
	handler  http.Handler
	log      *logbook
	observed *observed
	notified []core.GatewayEvent
	fail     error
	known    core.Notified
}

func newEventAPI(t *testing.T, with ...func(*httpapi.Options)) *eventAPI {
	t.Helper()
	a := &eventAPI{t: t, log: &logbook{}, observed: &observed{}, known: core.NotifiedDue}
	p := &processor{notify: func(_ context.Context, e core.GatewayEvent) (core.Notified, error) {
		a.notified = append(a.notified, e)
		return a.known, a.fail
	}}
	o := options(t)
	o.Observer, o.Events = a.observed, map[string]httpapi.EventReader{"bank": readEvent}
	for _, set := range with {
		set(&o)
	}
	a.handler = httpapi.New(p, o, a.log.logger())
	return a
}

func (a *eventAPI) post(path, body, signature string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(a.t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Host = "not-allowed.example" // the sender is authenticated by its signature
	r.Header.Set("Signature", signature)
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	return w
}

const eventsPath = "/gateways/bank/events"

// Every signed event gets 200, also if nothing follows from it, so that the gateway does not send it again.
func TestEvents_Signed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		body   string
		known  core.Notified
		result string
	}{
		{"paid order-1", core.NotifiedDue, "accepted"},
		{"paid order-1", core.NotifiedKnown, "duplicate"},
		{"paid order-1", core.NotifiedUnknownOrder, "unknown_order"},
		{"payout order-1", "", "ignored"},
		{"elsewhere order-1", "", "other_account"},
	} {
		a := newEventAPI(t)
		a.known = tt.known
		w := a.post(eventsPath, tt.body, tt.body)
		require.Equal(t, http.StatusOK, w.Code, tt.body)
		require.JSONEq(t, `{"status":"ok"}`, w.Body.String())
		require.Equal(t, map[string]int{"bank " + tt.result: 1}, a.observed.results)
		if tt.known == "" {
			require.Empty(t, a.notified)
			continue
		}
		require.Equal(t, []core.GatewayEvent{{
			ID: "evt-1", Kind: "paid", Gateway: "bank:1", OrderID: "order-1", Key: "key-1", Says: payment.FoundApproved,
		}}, a.notified)
	}
}

// An event that is not stored must be sent again; any other refusal is final.
func TestEvents_Refused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		path, body, signature string
		fail                  error
		status                int
		answer                string
		result                string
	}{
		"forged":           {eventsPath, "paid order-1", "x", nil, 400, errForged.Error(), "bank refused"},
		"unknown gateway":  {"/gateways/other/events", "paid order-1", "paid order-1", nil, 404, "there is no gateway with this name", "other refused"},
		"an odd name":      {"/gateways/b%61nk/events", "paid order-1", "paid order-1", nil, 404, "there is no gateway with this name", "other refused"},
		"too large":        {eventsPath, strings.Repeat("x", 256<<10+1), "", nil, 413, "at most 262144 bytes", "bank refused"},
		"database away":    {eventsPath, "paid order-1", "paid order-1", ports.ErrUnavailable, 503, "the database is not available", "bank failed"},
		"read-only":        {eventsPath, "paid order-1", "paid order-1", ports.ErrNotWritable, 503, "accepts no writes", "bank failed"},
		"in doubt":         {eventsPath, "paid order-1", "paid order-1", ports.ErrInDoubt, 503, "before it confirmed", "bank failed"},
		"too slow":         {eventsPath, "paid order-1", "paid order-1", context.DeadlineExceeded, 503, "stopped waiting", "bank failed"},
		"an unknown error": {eventsPath, "paid order-1", "paid order-1", errors.New("x"), 500, "internal error", "bank failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newEventAPI(t)
			a.fail = tt.fail
			w := a.post(tt.path, tt.body, tt.signature)
			require.Equal(t, tt.status, w.Code)
			require.Contains(t, w.Body.String(), tt.answer)
			require.Equal(t, tt.status == http.StatusServiceUnavailable, w.Header().Get("Retry-After") != "")
			require.Equal(t, map[string]int{tt.result: 1}, a.observed.results)
			require.Equal(t, tt.fail != nil, len(a.notified) == 1)
		})
	}
}

// The largest body is accepted, with and without a length.
func TestEvents_LargestBody(t *testing.T) {
	t.Parallel()
	for _, chunked := range []bool{false, true} {
		o := options(t)
		o.Events = map[string]httpapi.EventReader{"bank": func(_ http.Header, body []byte, _ time.Time) (httpapi.Event, error) {
			return httpapi.Event{Skipped: httpapi.EventIgnored}, map[bool]error{true: nil, false: errForged}[len(body) == 256<<10]
		}}
		body := io.Reader(strings.NewReader(strings.Repeat("x", 256<<10)))
		if chunked {
			body = io.MultiReader(body)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, eventsPath, body)
		w := httptest.NewRecorder()
		httpapi.New(&processor{}, o, (&logbook{}).logger()).ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code, "chunked %v: %s", chunked, w.Body)
	}
}

// A storm of forged events reaches neither the core nor, but for one line a minute, the log.
func TestEvents_StormOfForgedOnes_CostsNothing(t *testing.T) {
	t.Parallel()
	storm := 20_000
	if testing.Short() {
		storm = 2_000
	}
	synctest.Test(t, func(t *testing.T) {
		a := newEventAPI(t)
		for range storm {
			a.post(eventsPath, "paid order-1", "x")
		}
		require.Empty(t, a.notified)
		require.Equal(t, map[string]int{"bank refused": storm}, a.observed.results)
		lines := a.log.entries(t)
		require.Len(t, lines, 1)
		require.Equal(t, "WARN", lines[0]["level"])
		require.Equal(t, "bank", lines[0]["gateway"])
		require.Equal(t, errForged.Error(), lines[0]["reason"])
		require.InEpsilon(t, 1, lines[0]["events"], 0)

		time.Sleep(time.Minute)
		a.post(eventsPath, "paid order-1", "x")
		a.post("/gateways/nothing/events", "paid order-1", "x")
		lines = a.log.entries(t)
		require.Len(t, lines, 3)
		require.InEpsilon(t, storm, lines[1]["events"], 0, "those since the line before")
		require.Equal(t, "other", lines[2]["gateway"])
	})
}

// The rate of an address is limited before a body is read.
func TestEvents_TooManyOfAnAddress(t *testing.T) {
	t.Parallel()
	a := newEventAPI(t, func(o *httpapi.Options) { o.LimitPerAddress = httpapi.Rate{Requests: 2, Window: time.Hour} })
	for i := range 5 {
		w := a.post(eventsPath, "paid order-1", "paid order-1")
		require.Equal(t, i >= 2, w.Code == http.StatusTooManyRequests)
	}
	require.Len(t, a.notified, 2)
	require.Equal(t, map[string]int{"bank accepted": 2, "bank refused": 3}, a.observed.results)
}

// Events of another account are logged once a minute.
func TestEvents_OfAnotherAccount_AreLogged(t *testing.T) {
	t.Parallel()
	a := newEventAPI(t)
	for range 3 {
		a.post(eventsPath, "elsewhere order-1", "elsewhere order-1")
	}
	warnings := 0
	for _, line := range a.log.entries(t) {
		if line["level"] == "WARN" {
			warnings++
			require.Equal(t, "elsewhere", line["event"])
			require.Equal(t, "evt-1", line["event_id"])
		}
	}
	require.Equal(t, 1, warnings)
}

// Events that are slow to arrive do not take the place of requests to charge.
func TestEvents_ConcurrentSlowOnes_LeaveRoomForPayments(t *testing.T) {
	t.Parallel()
	const slots = 64
	o := options(t)
	o.Events = map[string]httpapi.EventReader{"bank": readEvent}
	handler := httpapi.New(answering(approved), o, (&logbook{}).logger())
	began, release := make(chan struct{}, slots), make(chan struct{})
	var serving sync.WaitGroup
	for range slots {
		serving.Go(func() {
			r := httptest.NewRequest(http.MethodPost, eventsPath, blocking{began, release})
			handler.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	for range slots {
		<-began
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, eventsPath, strings.NewReader("x")))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	r := httptest.NewRequest(http.MethodPost, "/payments/process", strings.NewReader(`{"order_id":"order-1","amount":1}`))
	r.Header.Set("Content-Type", "application/json")
	w = httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	close(release)
	serving.Wait()
}

// blocking is a body that arrives when it is released.
type blocking struct {
	began   chan<- struct{}
	release <-chan struct{}
}

func (b blocking) Read([]byte) (int, error) {
	b.began <- struct{}{}
	<-b.release
	return 0, io.EOF
}
