package gatewaycheck_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// specimen is a gateway over HTTP that keeps the protocol, except for the faults that are set.
type specimen struct {
	ignoresKeys    bool          // charges at every attempt
	searchesFirst  bool          // looks for the key, and charges without a lock
	savesOnAnswer  bool          // stores the key only if the answer can be written
	repricesKeys   bool          // charges another amount under the same key
	rejectsReuse   bool          // answers another amount under a key with a code of its own
	forgetsAfter   time.Duration // forgets keys
	unsavedDecline bool          // approves the repeat of a decline

	unmarked       bool          // never sends the mark
	unmarkedErrors bool          // sends it on successes only
	routerLookups  bool          // a router answers lookups: 404, with the mark, as a page
	blindLookups   bool          // lookups find nothing
	lag            time.Duration // of lookups
	runningIs      string        // the status of a charge that is being processed
	oneAtATime     bool          // a request waits for the one before

	lenient  bool // charges what it can read of a body
	cents    bool // reads amounts of every currency with two decimals
	voidsAll bool // voids a charge that has succeeded
	revives  bool // approves the repeat of a charge that it has voided
	noVoids  bool
	noList   bool

	noRefunds    bool
	refundsTwice bool // gives money back at every attempt with the key of a refund
	overRefunds  bool // gives back more than was charged
	losesRefunds bool // lookups find no refund

	noHolds        bool // ignores capture: manual
	noCaptures     bool // has no captures and voids
	holdsTwice     bool // holds money at every attempt
	capturesTwice  bool // takes money at every attempt with the key of a capture
	overCaptures   bool // takes more than is held
	recaptures     bool // takes what is held with each key
	hidesParts     bool // lookups do not say that a part was captured
	losesCaptures  bool // lookups find no capture and no void
	capturesVoided bool // takes money that was released
	voidsCaptured  bool // voids a charge that was captured
	keepsVoided    bool // approves voids, and does not release the money
	revoids        bool // declines the repeat of a void

	lossy   bool // its list lacks the latest charge
	doubles bool // its list has the latest charge twice

	mu      sync.Mutex
	turn    sync.Mutex
	charges map[string]*specimenCharge
	refunds map[string]string // the ids, by key
	ends    map[string]string // the ids of captures and voids, by key
	running map[string]bool
	all     []*specimenCharge
	count   int
}

type specimenCharge struct {
	Key           string `json:"key"`
	OrderID       string `json:"order_id"`
	Amount        string `json:"amount"`
	Currency      string `json:"currency"`
	Status        string `json:"status"`
	TransactionID string `json:"transaction_id,omitempty"`
	Code          string `json:"code,omitempty"`
	Created       string `json:"created"`

	Capture  string `json:"capture,omitempty"`
	Captured string `json:"captured,omitempty"`

	body     string
	at       time.Time
	refunded bool
	first    string // the first status
}

// Amounts of a specimen.
const (
	specimenDeclined = "402.00"
	specimenSlow     = "408.00"
	specimenHung     = "499.00"
	specimenPending  = "202.00"

	slowFor = 400 * time.Millisecond
)

// serve serves the specimen until the test ends.
func (s *specimen) serve(t *testing.T) (base string) {
	t.Helper()
	s.charges, s.running = make(map[string]*specimenCharge), make(map[string]bool)
	s.refunds, s.ends = make(map[string]string), make(map[string]string)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charges", s.charge)
	mux.HandleFunc("GET /charges/{key}", s.lookUp)
	if !s.noVoids {
		mux.HandleFunc("POST /charges/{key}/voids", s.void)
	}
	if !s.noCaptures {
		mux.HandleFunc("POST /charges/{key}/captures", s.capture)
		mux.HandleFunc("GET /charges/{key}/captures/{operation}", s.lookUpEnd)
		mux.HandleFunc("GET /charges/{key}/voids/{operation}", s.lookUpEnd)
	}
	if !s.noRefunds {
		mux.HandleFunc("POST /charges/{key}/refunds", s.refund)
		mux.HandleFunc("GET /charges/{key}/refunds/{refund}", s.lookUpRefund)
	}
	if !s.noList {
		mux.HandleFunc("GET /charges", s.list)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// answer writes an answer of the gateway itself.
func (s *specimen) answer(w http.ResponseWriter, key string, status int, body any) {
	if !s.unmarked && (status < 400 || !s.unmarkedErrors) {
		w.Header().Set("Idempotency-Key", key)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // an error here is the client's connection
}

type object map[string]any

func (s *specimen) charge(w http.ResponseWriter, r *http.Request) {
	if s.oneAtATime {
		s.turn.Lock()
		defer s.turn.Unlock()
	}
	key := r.Header.Get("Idempotency-Key")
	body, _ := io.ReadAll(r.Body)
	c := &specimenCharge{Key: key, body: string(body)}
	if err := json.Unmarshal(body, c); err != nil || c.OrderID == "" || !validAmount(c) {
		if !s.lenient || len(body) == 0 {
			s.answer(w, key, http.StatusBadRequest, object{"message": "wrong"})
			return
		}
	}
	if c.Amount == specimenHung {
		<-r.Context().Done()
		return
	}
	status, result := s.decide(c)
	if s.savesOnAnswer && r.Context().Err() != nil {
		s.mu.Lock()
		delete(s.charges, key)
		s.mu.Unlock()
	}
	s.answer(w, key, status, result)
}

// validAmount reports whether the amount is above zero, in a currency.
func validAmount(c *specimenCharge) bool {
	var units, minor int
	n, _ := fmt.Sscanf(c.Amount+" ", "%d.%d ", &units, &minor)
	return n > 0 && units+minor > 0 && c.Amount[0] != '-' && c.Amount != "1e2" && c.Currency != "ZZZ"
}

// decide decides on a charge, and returns the answer.
func (s *specimen) decide(c *specimenCharge) (status int, body any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.remembered(c.Key)
	if s.running[c.Key] {
		return http.StatusConflict, object{"message": "running"}
	}
	switch {
	case first == nil || s.ignoresKeys:
	case first.body != c.body && s.rejectsReuse:
		return http.StatusUnprocessableEntity, object{"code": "duplicate_order"}
	case first.body != c.body && !s.repricesKeys:
		return http.StatusUnprocessableEntity, object{"code": "idempotency_key_reused"}
	case first.body == c.body && !s.repeats(first):
		return first.answer()
	}
	if s.searchesFirst || s.savesOnAnswer {
		s.pause(150 * time.Millisecond) // long enough for all attempts of a race, also on a busy machine
	}
	if c.Amount == specimenSlow {
		s.running[c.Key] = true
		s.pause(slowFor)
		delete(s.running, c.Key)
	}
	s.take(c, first != nil)
	return c.answer()
}

// repeats reports whether the gateway makes another charge for a key that was decided.
func (s *specimen) repeats(first *specimenCharge) bool {
	switch first.Status {
	case "voided":
		return s.revives && !first.manual()
	case "declined":
		return s.unsavedDecline
	case "authorized":
		return s.holdsTwice
	}
	return false
}

// pause lets other requests in for a while.
func (s *specimen) pause(d time.Duration) {
	s.mu.Unlock()
	time.Sleep(d)
	s.mu.Lock()
}

// take records a new charge. Unless one has replaced it, its key belongs to it from then on.
func (s *specimen) take(c *specimenCharge, again bool) {
	c.at = time.Now()
	c.Created = c.at.UTC().Format(time.RFC3339Nano)
	switch {
	case c.Amount == specimenDeclined && !again:
		c.Status, c.Code = "declined", "card_declined"
	case c.Amount == specimenPending && !again:
		c.Status = "pending"
	default:
		s.count++
		c.Status, c.TransactionID = "succeeded", fmt.Sprintf("ch-%d", s.count)
		if c.manual() && !s.noHolds {
			c.Status = "authorized"
		}
	}
	if s.cents && c.Currency == "KWD" {
		c.Amount = "10.000"
	}
	c.first = c.Status
	s.all = append(s.all, c)
	s.charges[c.Key] = c
}

func (s *specimen) remembered(key string) *specimenCharge {
	c := s.charges[key]
	if c != nil && s.forgetsAfter > 0 && time.Since(c.at) > s.forgetsAfter {
		return nil
	}
	return c
}

// answer is the answer to a charge that is decided.
func (c *specimenCharge) answer() (status int, body any) {
	if c.Status == "declined" {
		return http.StatusPaymentRequired, object{"status": c.Status, "code": c.Code}
	}
	if c.manual() && c.Status != "pending" {
		return http.StatusOK, object{"status": c.first, "transaction_id": c.TransactionID}
	}
	return http.StatusOK, object{"status": c.Status, "transaction_id": c.TransactionID}
}

func (s *specimen) lookUp(w http.ResponseWriter, r *http.Request) {
	if s.oneAtATime {
		s.turn.Lock()
		defer s.turn.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.PathValue("key")
	c := s.remembered(key)
	switch {
	case s.routerLookups:
		w.Header().Set("Idempotency-Key", key) // added to every answer by the gateway's framework
		http.NotFound(w, r)
	case s.running[key] && s.runningIs != "":
		s.answer(w, key, http.StatusOK, object{"status": s.runningIs})
	case c == nil || s.blindLookups || time.Since(c.at) < s.lag:
		s.answer(w, key, http.StatusNotFound, object{"code": "not_found"})
	default:
		found := object{"status": c.Status, "code": c.Code, "transaction_id": c.TransactionID}
		if c.Captured != "" && !s.hidesParts {
			found["captured"] = c.Captured
		}
		s.answer(w, key, http.StatusOK, found)
	}
}

func (s *specimen) void(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	c := s.remembered(r.PathValue("key"))
	switch {
	case c == nil:
		s.answer(w, key, http.StatusNotFound, object{"code": "not_found"})
	case c.manual() && !s.noHolds:
		s.voidHold(w, key, c)
	case c.Status != "pending" && c.Status != "voided" && !s.voidsAll:
		s.answer(w, key, http.StatusPaymentRequired, object{"status": "declined", "code": "too_late"})
	default:
		c.Status = "voided"
		s.answer(w, key, http.StatusOK, object{"status": "voided"})
	}
}

// refund gives all of a charge back: its only refund is one of the whole amount.
func (s *specimen) refund(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	c := s.charges[r.PathValue("key")]
	id, used := s.refunds[key]
	switch {
	case c == nil:
		s.answer(w, key, http.StatusNotFound, object{"code": "not_found"})
	case used && !s.refundsTwice:
		s.answer(w, key, http.StatusOK, object{"status": "succeeded", "transaction_id": id})
	case c.refunded && !s.overRefunds && !used:
		s.answer(w, key, http.StatusPaymentRequired, object{"status": "declined", "code": "amount_exceeds_charge"})
	default:
		s.count++
		c.refunded, s.refunds[key] = true, fmt.Sprintf("re-%d", s.count)
		s.answer(w, key, http.StatusOK, object{"status": "succeeded", "transaction_id": s.refunds[key]})
	}
}

func (s *specimen) lookUpRefund(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.PathValue("refund")
	if id, used := s.refunds[key]; used && !s.losesRefunds {
		s.answer(w, key, http.StatusOK, object{"status": "succeeded", "transaction_id": id})
		return
	}
	s.answer(w, key, http.StatusNotFound, object{"code": "not_found"})
}

func (s *specimen) list(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	last := s.all[len(s.all)-1:]
	switch {
	case s.lossy:
		all = all[:1]
	case s.doubles && last[0].Status == "succeeded":
		all = append(slices.Clip(all), last...)
	case s.doubles:
		all = append(slices.Clip(all), all[0])
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object{"charges": all}) //nolint:errchkjson // as above
}
