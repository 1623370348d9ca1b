package apptest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// Gateway serves the gateway protocol over a real socket. A script decides on each call, and a ledger
// keeps the charges. It honours gateway keys: a repeated key gets its first result.
//
// It charges when the call arrives, before any delay and whether or not the response is delivered, which
// is the worst case that the protocol allows.
type Gateway struct {
	// URL is for PAYMENTD_GATEWAY.
	URL string

	mu      sync.Mutex
	script  Script
	calls   []Call
	charges []Charge // in the order in which they were decided
	byKey   map[string]Charge
	numbers map[kindOfCall]int
}

type kindOfCall struct {
	key    string
	lookUp bool
}

// Call is one request to the gateway.
type Call struct {
	Key string
	// LookUp is set for a lookup of the key, which has no other fields than Key, Number and At.
	LookUp                    bool
	OrderID, Amount, Currency string
	// Number counts the calls with this key and this LookUp, from 1.
	Number int
	At     time.Time
}

// Charge is a line of the ledger.
type Charge struct {
	Key, OrderID, Amount, Currency string
	TransactionID                  string // empty if it was declined
}

// Reply is how the gateway responds to a call. The zero value approves a charge, and answers a lookup
// from the ledger.
type Reply struct {
	// Delay is the time before the response. If Until is not nil, the response is also held back until it
	// is closed.
	Delay time.Duration
	Until <-chan struct{}
	// Status is the status of the response unless it is 0. With 402 the charge is declined; with any other
	// status nothing is charged, unless Taken is set.
	Status int
	// Taken charges with any status.
	Taken bool
	// Unmarked responds as an intermediary would, without the gateway's mark. A charge with a status is
	// not charged, unless Taken is set.
	Unmarked bool
	// Body replaces the body that belongs to the status. It needs a status.
	Body string
	// Header is added to the header of the response.
	Header http.Header
	// Message is the message of a decline.
	Message string
	// Lost closes the connection without a response. A charge with the status 0 is charged.
	Lost bool
}

// Script decides how to respond to a call.
type Script func(Call) Reply

// StartGateway runs a gateway until the test ends. It approves everything until [Gateway.Do].
func StartGateway(t testing.TB) *Gateway {
	t.Helper()
	g := &Gateway{
		script: func(Call) Reply { return Reply{} },
		byKey:  make(map[string]Charge), numbers: make(map[kindOfCall]int),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charges", g.charge)
	mux.HandleFunc("GET /charges/{key}", g.lookUp)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections() // ends the calls that are held back
		server.Close()
	})
	g.URL = server.URL
	return g
}

// Do replaces the script, for the calls that arrive from now on.
func (g *Gateway) Do(script Script) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.script = script
}

// Charges returns the ledger, with approved and declined charges.
func (g *Gateway) Charges() []Charge {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.charges)
}

// Taken returns the transactions of the approved charges of an order; more than one is a double charge.
func (g *Gateway) Taken(order string) (transactions []string) {
	for _, c := range g.Charges() {
		if c.OrderID == order && c.TransactionID != "" {
			transactions = append(transactions, c.TransactionID)
		}
	}
	return transactions
}

// Calls returns the calls to charge an order in the order of their arrival; of all orders if it is "".
func (g *Gateway) Calls(order string) (calls []Call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.calls {
		if !c.LookUp && (order == "" || c.OrderID == order) {
			calls = append(calls, c)
		}
	}
	return calls
}

// Keys returns the different gateway keys of the calls to charge an order, sorted.
func (g *Gateway) Keys(order string) []string {
	keys := make(map[string]bool)
	for _, c := range g.Calls(order) {
		keys[c.Key] = true
	}
	return slices.Sorted(maps.Keys(keys))
}

func (g *Gateway) charge(w http.ResponseWriter, r *http.Request) {
	var body struct {
		OrderID  string `json:"order_id"`
		Amount   string `json:"amount"`
		Currency string `json:"currency"`
	}
	key := r.Header.Get("Idempotency-Key")
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || key == "" || body.OrderID == "" {
		mark(w, key)
		answer(w, http.StatusBadRequest, "message", "the request is not of the gateway protocol")
		return
	}
	reply := g.take(Call{Key: key, OrderID: body.OrderID, Amount: body.Amount, Currency: body.Currency})
	if !wait(r, reply) {
		return
	}
	reply.head(w, key)
	if reply.write(w) {
		return
	}
	switch c := g.decided(key); {
	case c.Amount != body.Amount || c.Currency != body.Currency || c.OrderID != body.OrderID:
		answer(w, http.StatusUnprocessableEntity, "code", "idempotency_key_reused", "message", "the key was used for another charge")
	case c.TransactionID == "":
		answer(w, http.StatusPaymentRequired, "status", "declined", "code", "card_declined", "message", reply.Message)
	default:
		answer(w, http.StatusCreated, "status", "succeeded", "transaction_id", c.TransactionID)
	}
}

// take records the call, calls the script, and decides on the key if it is new.
func (g *Gateway) take(c Call) Reply {
	g.mu.Lock()
	defer g.mu.Unlock()
	reply := g.script(g.record(c))
	_, decided := g.byKey[c.Key]
	declined := reply.Status == http.StatusPaymentRequired && !reply.Unmarked && reply.Body == ""
	if decided || (reply.Status != 0 && !declined && !reply.Taken) {
		return reply
	}
	charge := Charge{Key: c.Key, OrderID: c.OrderID, Amount: c.Amount, Currency: c.Currency}
	if reply.Status == 0 || reply.Taken {
		charge.TransactionID = fmt.Sprintf("txn-%d", len(g.charges)+1)
	}
	g.byKey[c.Key] = charge
	g.charges = append(g.charges, charge)
	return reply
}

// record records the call and numbers it. The caller holds g.mu.
func (g *Gateway) record(c Call) Call {
	kind := kindOfCall{c.Key, c.LookUp}
	g.numbers[kind]++
	c.Number, c.At = g.numbers[kind], time.Now()
	g.calls = append(g.calls, c)
	return c
}

func (g *Gateway) decided(key string) Charge {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.byKey[key]
}

func (g *Gateway) lookUp(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("key")
	g.mu.Lock()
	reply := g.script(g.record(Call{Key: key, LookUp: true}))
	g.mu.Unlock()
	if !wait(r, reply) {
		return
	}
	reply.head(w, key)
	if reply.Status == http.StatusPaymentRequired && reply.Body == "" {
		reply.Body = `{"message":"as scripted"}` // a lookup is never declined
	}
	if reply.write(w) {
		return
	}
	switch c := g.decided(key); {
	case c.Key == "":
		answer(w, http.StatusNotFound, "code", "not_found", "message", "no charge has this key")
	case c.TransactionID == "":
		answer(w, http.StatusOK, "status", "declined", "code", "card_declined")
	default:
		answer(w, http.StatusOK, "status", "succeeded", "transaction_id", c.TransactionID)
	}
}

// mark adds the gateway's mark to a response.
func mark(w http.ResponseWriter, key string) { w.Header().Set("Idempotency-Key", key) }

// head writes the header, with the gateway's mark unless the response is unmarked.
func (r Reply) head(w http.ResponseWriter, key string) {
	if !r.Unmarked {
		mark(w, key)
	}
	for name, values := range r.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
}

// write writes a scripted response. It returns false if the response is to come from the ledger.
func (r Reply) write(w http.ResponseWriter) bool {
	switch {
	case r.Status == 0, r.Status == http.StatusPaymentRequired && r.Body == "" && !r.Taken && !r.Unmarked:
		return false
	case r.Body == "":
		answer(w, r.Status, "message", "as scripted")
	default:
		w.WriteHeader(r.Status)
		_, _ = io.WriteString(w, r.Body) // only the connection of the client can fail
	}
	return true
}

// wait holds the response back, and reports whether there will be one.
func wait(r *http.Request, reply Reply) bool {
	until := reply.Until
	if until == nil {
		now := make(chan struct{})
		close(now)
		until = now
	}
	select {
	case <-time.After(reply.Delay):
	case <-r.Context().Done():
		return false
	}
	select {
	case <-until:
	case <-r.Context().Done():
		return false
	}
	if reply.Lost {
		panic(http.ErrAbortHandler) // closes the connection without a response
	}
	return true
}

// answer writes a response with a JSON object of names and values.
func answer(w http.ResponseWriter, status int, members ...string) {
	body := make(map[string]string)
	for i := 0; i+1 < len(members); i += 2 {
		body[members[i]] = members[i+1]
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // only the connection of the client can fail
}
