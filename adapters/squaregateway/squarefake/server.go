package squarefake

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options are the settings of a [Server]. The zero value of each is a usable default.
type Options struct {
	// Ledger is the path of the file of all payments; empty for none.
	Ledger string
	// Token is the access token that requests need; empty for "fake-token".
	Token string
	// Location is the only location; empty for "LFAKE". Its currency is Currency; empty for USD.
	Location, Currency string
	// Lag is how long payments and their changes are missing from lists.
	Lag time.Duration

	// DeclineStatus is the HTTP status of declines; zero for 400.
	DeclineStatus int
	// BareDeclines: declines have no payment.
	BareDeclines bool
	// ForgetDeclines: a repeat of a declined key is processed anew.
	ForgetDeclines bool
	// StaleRepeats: a repeat gets the first answer as it was, and not the payment as it is.
	StaleRepeats bool
	// RepeatAfterCancel: a repeat of a key whose payment was cancelled makes another payment.
	RepeatAfterCancel bool
	// PendingRefunds: refunds are PENDING until [Server.DecideRefund].
	PendingRefunds bool
	// FailedRefunds: refunds are FAILED at once, with errors beside the refund.
	FailedRefunds bool
	// RefundsReduceAmount: a refund reduces the amount_money of its payment, as one sentence of the guide "Refund
	// Payments" says, and not only raises its refunded_money.
	RefundsReduceAmount bool
	// NoUpdates: payments cannot be updated, as for sellers in Australia and Japan ("Update Payments").
	NoUpdates bool
	// NoExpiry: payments have no delayed_until, as those without a card.
	NoExpiry bool
	// VersionedErrors: errors have the header Square-Version.
	VersionedErrors bool
}

// Defaults of [Options].
const (
	DefaultToken    = "fake-token"
	DefaultLocation = "LFAKE"
	defaultCurrency = "USD"
	merchantID      = "MFAKE"
)

// SourceByAmount is a source of the fake's own, for tests that know amounts only: 94.02 is declined and
// 95.08 takes [SlowFor], in units of the currency; any other is approved. Refunds of such a payment by these amounts
// do the same, and one by 96.14 is PENDING.
const SourceByAmount = "cnon:fake-by-amount"

// SlowFor is how long a slow payment takes.
const SlowFor = 1500 * time.Millisecond

// Server is the fake. It is safe for concurrent use.
type Server struct {
	o      Options
	ledger *ledger

	mu       sync.Mutex
	skipped  time.Duration // by which the fake's clock is ahead
	payments []*record     // oldest first
	byID     map[string]*record
	byKey    map[string]*record // the latest payment or decline of each key
	busy     map[string]bool    // keys whose request is being processed

	refundByID  map[string]*refundRecord
	refundByKey map[string]*refundRecord // the latest of each key

	faults []*Fault
	calls  []Call
	events int
}

// Call is a request that arrived.
type Call struct {
	Method, Path, Query string
	Header              http.Header
	Body                string
}

// maxCalls bounds the requests that are remembered.
const maxCalls = 10_000

// Open returns a server with the payments of the ledger.
func Open(o Options) (*Server, error) {
	s := &Server{
		o: o, byID: map[string]*record{}, byKey: map[string]*record{}, busy: map[string]bool{},
		refundByID: map[string]*refundRecord{}, refundByKey: map[string]*refundRecord{},
	}
	for _, d := range []struct {
		option *string
		value  string
	}{{&s.o.Token, DefaultToken}, {&s.o.Location, DefaultLocation}, {&s.o.Currency, defaultCurrency}} {
		if *d.option == "" {
			*d.option = d.value
		}
	}
	if s.o.DeclineStatus == 0 {
		s.o.DeclineStatus = http.StatusBadRequest
	}
	if o.Ledger == "" {
		return s, nil
	}
	l, err := openLedger(o.Ledger, s.restore)
	s.ledger = l
	return s, err
}

// Close closes the ledger.
func (s *Server) Close() error {
	if s.ledger == nil {
		return nil
	}
	return s.ledger.file.Close()
}

// Advance sets the fake's clock forward.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skipped += d
}

// Now returns the time by the fake's clock.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

func (s *Server) now() time.Time { return time.Now().Add(s.skipped).UTC() }

// Charges returns how many payments with the reference_id have taken money.
func (s *Server) Charges(reference string) int { return s.count(reference, statusCompleted) }

// Holds returns how many payments with the reference_id hold money.
func (s *Server) Holds(reference string) int { return s.count(reference, statusApproved) }

func (s *Server) count(reference, status string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.payments {
		s.expire(r)
		if r.ReferenceID == reference && r.Status == status {
			n++
		}
	}
	return n
}

// Decide sets the state of a payment that is PENDING, such as one from a bank account.
func (s *Server) Decide(id, status string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.byID[id]
	if r == nil || r.Status != statusPending {
		return errors.New("squarefake: there is no payment that is PENDING with the id " + id)
	}
	return s.change(r, status)
}

// IDs returns the ids of the payments with the reference_id, oldest first.
func (s *Server) IDs(reference string) (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.payments {
		if r.ReferenceID == reference && r.ID != "" {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// Calls returns the requests that arrived, oldest first.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Call(nil), s.calls...)
}

// ServeHTTP serves the API, and for tests in another process:
//
//	POST /fake/advance   {"seconds":60}
//	POST /fake/fault     a [Fault]
//	GET  /fake/ledger    every payment, one JSON object per line
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if call, ok := strings.CutPrefix(r.URL.Path, "/fake/"); ok {
		s.control(w, r, call)
		return
	}
	s.serve(w, r)
}

func (s *Server) control(w http.ResponseWriter, r *http.Request, call string) {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	switch call {
	case "advance":
		var request struct{ Seconds int }
		if decoder.Decode(&request) == nil {
			s.Advance(time.Duration(request.Seconds) * time.Second)
		}
	case "fault":
		var f Fault
		if decoder.Decode(&f) == nil {
			s.Inject(f)
		}
	case "ledger":
		s.mu.Lock()
		defer s.mu.Unlock()
		encoder := json.NewEncoder(w)
		for _, record := range s.payments {
			s.expire(record)
			_ = encoder.Encode(record) //nolint:errchkjson // an error here is the client's connection
		}
	default:
		http.NotFound(w, r)
	}
}
