package stripefake

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Account is the account that the fake serves.
const Account = "acct_1Fake0000000000"

// Options are the settings of a [Fake]. The zero value is usable.
type Options struct {
	// SecretKey is the only key that is accepted; empty for any sk_test_… or rk_test_….
	SecretKey string
	// Clock returns the time; time.Now by default.
	Clock func() time.Time
	// SearchLag and ListLag are how long after its creation a PaymentIntent is not found by them. Refunds lag in lists
	// as well.
	SearchLag, ListLag time.Duration
	// ProcessingFor is how long a bank debit is in the status processing; 0 until [Fake.Settle].
	ProcessingFor time.Duration
	// HoldFor is how long money is held that is not captured; 7 days by default, as for most cards. Afterwards the
	// PaymentIntent is cancelled.
	HoldFor time.Duration
	// NoExpiry leaves capture_before out of the charges, as for payment methods that do not have it.
	NoExpiry bool
	// Mute are the statuses of errors that do not echo the Idempotency-Key. It is not documented which
	// do; by default all do.
	Mute []int
	// NoSearch answers every search with an error, as for an account in India.
	NoSearch bool
}

// maxObjects bounds the memory: more PaymentIntents, refunds or keys are refused.
const maxObjects = 2_000_000

// keyLifetime is how long keys are kept.
const keyLifetime = 24 * time.Hour

// Fake is a fake of Stripe's API. It is safe for concurrent use.
type Fake struct {
	options Options

	mu     sync.Mutex
	state  state
	inUse  map[string]bool // keys of requests that are being executed
	faults []*Fault
	ledger *os.File // nil for none
	served map[string]int
}

// Open returns a fake with the ledger at path, which is created if it is missing; empty for a fake that
// forgets everything when the process ends.
func Open(path string, o Options) (*Fake, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.HoldFor = cmp.Or(o.HoldFor, 7*24*time.Hour)
	f := &Fake{options: o, state: newState(), inUse: make(map[string]bool), served: make(map[string]int)}
	if path == "" {
		return f, nil
	}
	var err error
	if f.ledger, err = openLedger(path, &f.state); err != nil {
		return nil, fmt.Errorf("open ledger of the Stripe fake: %w", err)
	}
	return f, nil
}

// Close closes the ledger.
func (f *Fake) Close() error {
	if f.ledger == nil {
		return nil
	}
	return f.ledger.Close()
}

// Charges returns how often money was taken with a gateway key in the metadata "paymentd_key".
func (f *Fake) Charges(key string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, i := range f.state.Intents {
		if i.Metadata["paymentd_key"] == key && i.Status == statusSucceeded {
			n++
		}
	}
	return n
}

// Received returns how much of a PaymentIntent was taken, in Stripe's unit of the currency.
func (f *Fake) Received(id string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.state.Intents[id]; i != nil {
		return i.Received
	}
	return 0
}

// Served returns how many requests had this method and path pattern, such as
// "POST /v1/payment_intents/{id}/cancel".
func (f *Fake) Served(pattern string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.served[pattern]
}

// Intents returns the ids of the PaymentIntents with a gateway key, oldest first.
func (f *Fake) Intents(key string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for _, id := range f.state.Order {
		if f.state.Intents[id].Metadata["paymentd_key"] == key {
			ids = append(ids, id)
		}
	}
	return ids
}

// Status returns the status of a PaymentIntent; empty if there is none.
func (f *Fake) Status(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.state.Intents[id]
	if i == nil {
		return ""
	}
	f.advance(i)
	return i.Status
}

// route is a request that the fake answers.
type route struct {
	method, pattern string
	handle          func(*Fake, *call) reply
}

func routes() []route {
	return []route{
		{"POST", "/v1/payment_intents", (*Fake).create},
		{"GET", "/v1/payment_intents", (*Fake).list},
		{"GET", "/v1/payment_intents/search", (*Fake).search},
		{"GET", "/v1/payment_intents/{id}", (*Fake).retrieve},
		{"POST", "/v1/payment_intents/{id}/confirm", (*Fake).confirm},
		{"POST", "/v1/payment_intents/{id}/cancel", (*Fake).cancel},
		{"POST", "/v1/payment_intents/{id}/capture", (*Fake).capture},
		{"POST", "/v1/refunds", (*Fake).refund},
		{"GET", "/v1/refunds", (*Fake).listRefunds},
		{"GET", "/v1/refunds/{id}", (*Fake).retrieveRefund},
		{"GET", "/v1/account", (*Fake).account},
	}
}

// Handler returns the HTTP handler of the API, and of the page at which a customer authenticates.
func (f *Fake) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes() {
		mux.HandleFunc(r.method+" "+r.pattern, func(w http.ResponseWriter, req *http.Request) {
			f.serve(w, req, r)
		})
	}
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, req *http.Request) {
		f.serve(w, req, route{"", "unknown", func(*Fake, *call) reply {
			return fail(http.StatusNotFound, errorBody{
				Type: typeInvalid, Message: "Unrecognized request URL (" + req.Method + ": " + req.URL.Path + ").",
			})
		}})
	})
	mux.HandleFunc("GET /fake/authenticate/{id}", f.authenticatePage)
	return mux
}

// call is one request.
type call struct {
	request *http.Request
	form    map[string]string // the parameters of the body or of the query
	id      string            // of the path
	base    string            // the address of the fake, such as http://127.0.0.1:4000
	key     string            // the Idempotency-Key; empty for none
	reqID   string
}

const maxBodyBytes = 1 << 20

// serve answers one request.
func (f *Fake) serve(w http.ResponseWriter, req *http.Request, r route) {
	c, ok := f.newCall(w, req)
	if !ok {
		return
	}
	f.mu.Lock()
	f.served[r.method+" "+r.pattern]++
	fault := f.takeFault(req)
	f.mu.Unlock()
	if fault != nil {
		f.serveFault(w, c, r, fault)
		return
	}
	f.write(w, c, f.execute(c, r))
}

func (f *Fake) newCall(w http.ResponseWriter, req *http.Request) (*call, bool) {
	req.Body = http.MaxBytesReader(w, req.Body, maxBodyBytes)
	if err := req.ParseForm(); err != nil {
		http.Error(w, "cannot read the form", http.StatusBadRequest)
		return nil, false
	}
	values := req.Form
	c := &call{
		request: req, id: req.PathValue("id"), key: req.Header.Get("Idempotency-Key"), reqID: "req_" + token(14),
		form: make(map[string]string, len(values)),
	}
	for name, all := range values {
		c.form[name] = strings.Join(all, ",")
	}
	scheme := "http://"
	if req.TLS != nil {
		scheme = "https://"
	}
	c.base = scheme + req.Host
	return c, true
}

// execute authenticates a request, and answers it by its key.
func (f *Fake) execute(c *call, r route) reply {
	secret, _ := strings.CutPrefix(c.request.Header.Get("Authorization"), "Bearer ")
	test := strings.HasPrefix(secret, "sk_test_") || strings.HasPrefix(secret, "rk_test_")
	if f.options.SecretKey != "" && secret != f.options.SecretKey || f.options.SecretKey == "" && !test {
		return fail(http.StatusUnauthorized, errorBody{Type: typeInvalid, Message: "Invalid API Key provided: sk_test_****"})
	}
	if r.method == http.MethodGet || c.key == "" {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.persist(f.handle(c, r), saved{})
	}
	return f.executeOnce(c, r)
}

// handle answers one request, unless the fake is full.
func (f *Fake) handle(c *call, r route) reply {
	if r.method == http.MethodPost && max(len(f.state.Order), len(f.state.RefundOrder), len(f.state.Keys)) >= maxObjects {
		return fail(http.StatusInternalServerError, errorBody{Type: typeAPI, Message: "the fake is full; start it with another ledger"})
	}
	return r.handle(f, c)
}

// reply is an answer, with the changes that it makes.
type reply struct {
	status   int
	body     any
	changed  []*intentRecord
	refunded *refundRecord
	// unsaved means that the execution had not begun, so that the key is not used.
	unsaved bool
	// replayOf is the id of the request whose saved answer this is.
	replayOf string
}

// write answers with the headers of Stripe.
func (f *Fake) write(w http.ResponseWriter, c *call, r reply) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Request-Id", c.reqID)
	h.Set("Stripe-Version", cmp.Or(c.request.Header.Get("Stripe-Version"), "2026-03-25.dahlia"))
	h.Set("Date", f.options.Clock().UTC().Format(http.TimeFormat))
	if c.request.Method == http.MethodPost && !slices.Contains(f.options.Mute, r.status) {
		h.Set("Idempotency-Key", cmp.Or(c.key, token(8)+"-"+token(4)))
	}
	if r.replayOf != "" {
		h.Set("Idempotent-Replayed", "true")
		h.Set("Original-Request", r.replayOf)
	}
	switch r.status {
	case http.StatusConflict, http.StatusInternalServerError:
		h.Set("Stripe-Should-Retry", "true")
	case http.StatusTooManyRequests:
		if body, ok := r.body.(errorEnvelope); ok && body.Error.Code == codeRateLimit {
			h.Set("Stripe-Rate-Limited-Reason", "global-rate")
			h.Set("Retry-After", "1")
		}
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(encode(r.body))
}
