package squarefake

import (
	"net/http"
	"slices"
	"time"
)

// Fault is a fault of one kind of call, the next Times that it arrives.
type Fault struct {
	// Call is create, complete, cancel, cancel_by_key, get, list, update, refund, get_refund,
	// list_refunds or location; empty for any.
	Call string `json:"call"`
	// Times is how often it happens; zero for once.
	Times int `json:"times"`
	// Skip: the request is not processed.
	Skip bool `json:"skip"`
	// Delay is how long to wait before the request is processed.
	Delay time.Duration `json:"delay"`
	// Close: the connection is closed instead of an answer.
	Close bool `json:"close"`
	// Status, Header and Body are the answer, in place of the fake's own, if Status is not zero.
	Status int               `json:"status"`
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
	// Errors are the errors of the answer, if Status is not zero and Body is empty.
	Errors []Error `json:"errors"`
	// Drop removes the headers with these names from the answer.
	Drop []string `json:"drop"`
	// Arrived is closed when the fault happens. Nil for none.
	Arrived chan struct{} `json:"-"`
	// Release holds the request, before it is processed, until it is closed. Nil for no hold.
	Release chan struct{} `json:"-"`
}

// Inject adds a fault. Faults of the same call happen in the order in which they were added.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Times = max(f.Times, 1)
	s.faults = append(s.faults, &f)
}

// fault returns the fault of this call, or nil.
func (s *Server) fault(call string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Call != "" && f.Call != call {
			continue
		}
		if f.Times--; f.Times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return f
	}
	return nil
}

// before waits as the fault says, and reports whether the client is still there.
func (f *Fault) before(r *http.Request) bool {
	if f.Arrived != nil {
		close(f.Arrived)
	}
	if f.Release != nil {
		select {
		case <-f.Release:
		case <-r.Context().Done():
			<-f.Release // the request was sent, and is processed although its client has gone
		}
	}
	if f.Delay > 0 {
		time.Sleep(f.Delay)
	}
	return r.Context().Err() == nil
}

// answer returns the answer in place of the fake's own.
func (f *Fault) answer(own reply) reply {
	if f.Status != 0 {
		own = reply{status: f.Status, raw: f.Body}
		if f.Body == "" && len(f.Errors) > 0 {
			own.body.Errors = f.Errors
		}
	}
	own.header, own.drop, own.close = f.Header, f.Drop, f.Close
	return own
}
