package stripefake

import (
	"net/http"
	"strings"
	"time"
)

// Fault replaces the answers to some requests.
type Fault struct {
	// Method and Path select requests; empty for all. Path is a prefix, or with a leading * a suffix.
	Method, Path string
	// Times is how many requests get the fault; 0 for one.
	Times int
	// Delay is before anything else.
	Delay time.Duration
	// Execute executes the request as if there were no fault.
	Execute bool
	// Save saves the fault's answer under the key, in place of the answer of an executed request.
	Save bool
	// Drop closes the connection without an answer. Otherwise Status, Header and Body are the answer; with
	// Status 0, the request is answered as if there were no fault.
	Drop   bool
	Status int
	Header map[string]string
	Body   string
	// Unmarked leaves out the headers of Stripe, as an answer of an intermediary does.
	Unmarked bool
}

// Faults that Stripe documents, or that were reported.
var (
	// LostAnswer: the request is executed, and the connection closed.
	LostAnswer = Fault{Method: http.MethodPost, Execute: true, Drop: true}
	// LostRequest: the connection is closed before the request is executed.
	LostRequest = Fault{Method: http.MethodPost, Drop: true}
	// ProxyPage is a page of a proxy in place of the answer to a request that is executed.
	ProxyPage = Fault{
		Method: http.MethodPost, Execute: true, Unmarked: true, Status: http.StatusServiceUnavailable,
		Header: map[string]string{"Content-Type": "text/html"}, Body: "<html><h1>503 Service Unavailable</h1></html>",
	}
	// SavedError is a 500 after the charge, which every repeat gets.
	SavedError = Fault{
		Method: http.MethodPost, Execute: true, Save: true, Status: http.StatusInternalServerError,
		Body: `{"error":{"type":"api_error","message":"An unknown error occurred."}}`,
	}
	// SavedErrorNoCharge is a 500 before the charge, which every repeat gets.
	SavedErrorNoCharge = Fault{Method: http.MethodPost, Save: true, Status: http.StatusInternalServerError, Body: SavedError.Body}
	// LockTimeout is a 429 of a request that is executed.
	LockTimeout = Fault{
		Method: http.MethodPost, Execute: true, Status: http.StatusTooManyRequests,
		Header: map[string]string{"Stripe-Should-Retry": "true"},
		Body: `{"error":{"type":"invalid_request_error","code":"` + codeLockTimeout + `","message":"This object cannot be accessed ` +
			`right now because another API request or Stripe process is currently accessing it."}}`,
	}
	// RateLimit is a 429 of a request that is not executed.
	RateLimit = Fault{
		Status: http.StatusTooManyRequests,
		Header: map[string]string{"Retry-After": "1", "Stripe-Rate-Limited-Reason": "global-rate", "Stripe-Should-Retry": "false"},
		Body: `{"error":{"type":"invalid_request_error","code":"` + codeRateLimit + `","message":"Request rate limit exceeded. ` +
			`Learn more about rate limits here https://stripe.com/docs/rate-limits."}}`,
	}
	// Conflict is a 409 of a request that is executed.
	Conflict = Fault{
		Method: http.MethodPost, Execute: true, Status: http.StatusConflict,
		Body: `{"error":{"type":"idempotency_error","code":"` + codeKeyInUse + `","message":"There is currently another in-progress ` +
			`request using this Idempotent Key."}}`,
	}
)

// Inject adds faults. Of those that match a request, the first applies.
func (f *Fake) Inject(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range faults {
		fault.Times = max(fault.Times, 1)
		f.faults = append(f.faults, &fault)
	}
}

func (f *Fault) matches(req *http.Request) bool {
	suffix, isSuffix := strings.CutPrefix(f.Path, "*")
	return (f.Method == "" || f.Method == req.Method) &&
		(isSuffix && strings.HasSuffix(req.URL.Path, suffix) || !isSuffix && strings.HasPrefix(req.URL.Path, f.Path))
}

func (f *Fake) takeFault(req *http.Request) *Fault {
	for n, fault := range f.faults {
		if !fault.matches(req) {
			continue
		}
		if fault.Times--; fault.Times == 0 {
			f.faults = append(f.faults[:n:n], f.faults[n+1:]...)
		}
		return fault
	}
	return nil
}

func (f *Fake) serveFault(w http.ResponseWriter, c *call, r route, fault *Fault) {
	time.Sleep(fault.Delay)
	var answer reply
	if fault.Execute || fault.Status == 0 && !fault.Drop {
		answer = f.execute(c, r)
	}
	if fault.Save && c.key != "" && answer.replayOf == "" {
		f.saveFault(c, fault)
	}
	switch {
	case fault.Drop:
		panic(http.ErrAbortHandler)
	case fault.Status == 0:
		f.write(w, c, answer)
	case fault.Unmarked:
		for name, value := range fault.Header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(fault.Status)
		_, _ = w.Write([]byte(fault.Body))
	default:
		f.writeFault(w, c, fault)
	}
}

func (f *Fake) writeFault(w http.ResponseWriter, c *call, fault *Fault) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Request-Id", c.reqID)
	if c.request.Method == http.MethodPost && c.key != "" {
		w.Header().Set("Idempotency-Key", c.key)
	}
	for name, value := range fault.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(fault.Status)
	_, _ = w.Write([]byte(fault.Body))
}

// saveFault makes the fault's answer that of the key.
func (f *Fake) saveFault(c *call, fault *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.persist(reply{status: fault.Status, body: rawBody(fault.Body)}, saved{
		Key: c.key, Endpoint: c.request.Method + " " + c.request.URL.Path, Form: c.request.PostForm.Encode(), Request: c.reqID,
	})
}

// rawBody is a body that is JSON already.
type rawBody string

// MarshalJSON returns the body.
func (b rawBody) MarshalJSON() ([]byte, error) { return []byte(b), nil }
