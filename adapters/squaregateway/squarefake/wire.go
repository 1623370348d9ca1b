package squarefake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

const (
	statusApproved  = "APPROVED"
	statusPending   = "PENDING"
	statusCompleted = "COMPLETED"
	statusCanceled  = "CANCELED"
	statusFailed    = "FAILED"
)

const maxBodyBytes = 64 << 10

// Error is Square's Error object.
type Error struct {
	Category string `json:"category"`
	Code     string `json:"code"`
	Detail   string `json:"detail,omitempty"`
	Field    string `json:"field,omitempty"`
}

// Categories of errors.
const (
	invalidRequest = "INVALID_REQUEST_ERROR"
	paymentMethod  = "PAYMENT_METHOD_ERROR"
)

// Money is Square's Money object.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// paymentBody is what the fake has of Square's Payment object.
type paymentBody struct {
	ID            string       `json:"id"`
	CreatedAt     string       `json:"created_at"`
	UpdatedAt     string       `json:"updated_at"`
	AmountMoney   Money        `json:"amount_money"`
	TotalMoney    Money        `json:"total_money"`
	ApprovedMoney *Money       `json:"approved_money,omitempty"`
	RefundedMoney *Money       `json:"refunded_money,omitempty"`
	RefundIDs     []string     `json:"refund_ids,omitempty"`
	Status        string       `json:"status"`
	DelayDuration string       `json:"delay_duration,omitempty"`
	DelayAction   string       `json:"delay_action,omitempty"`
	DelayedUntil  string       `json:"delayed_until,omitempty"`
	SourceType    string       `json:"source_type"`
	CardDetails   *cardDetails `json:"card_details,omitempty"`
	LocationID    string       `json:"location_id"`
	ReferenceID   string       `json:"reference_id,omitempty"`
	Note          string       `json:"note,omitempty"`
	VersionToken  string       `json:"version_token"`
}

type cardDetails struct {
	Status string  `json:"status"`
	Errors []Error `json:"errors,omitempty"`
}

// answerBody is the body of an answer.
type answerBody struct {
	Errors   []Error        `json:"errors,omitempty"`
	Payment  *paymentBody   `json:"payment,omitempty"`
	Payments []*paymentBody `json:"payments,omitempty"`
	Cursor   string         `json:"cursor,omitempty"`
	Location map[string]any `json:"location,omitempty"`
	Refund   *refundBody    `json:"refund,omitempty"`
	Refunds  []*refundBody  `json:"refunds,omitempty"`
}

// reply is an answer.
type reply struct {
	status int
	body   answerBody
	raw    string // instead of body
	header map[string]string
	drop   []string
	close  bool
}

func ok(body answerBody) reply { return reply{status: http.StatusOK, body: body} }

// failure is an answer with one error.
func failure(status int, category, code, detail, field string) reply {
	return reply{status: status, body: answerBody{Errors: []Error{{category, code, detail, field}}}}
}

func invalid(code, field string) reply {
	return failure(http.StatusBadRequest, invalidRequest, code, "the value is not valid", field)
}

func broken(err error) reply {
	return failure(http.StatusInternalServerError, "API_ERROR", "INTERNAL_SERVER_ERROR", err.Error(), "")
}

var versionPattern = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// serve answers a call of the API.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		return
	}
	s.record(r, body)
	name, handle := s.route(r, body)
	var answer reply
	fault := s.fault(name)
	if fault != nil {
		fault.before(r)
	}
	switch {
	case fault != nil && fault.Skip:
	case r.Header.Get("Authorization") != "Bearer "+s.o.Token:
		answer = failure(http.StatusUnauthorized, "AUTHENTICATION_ERROR", "UNAUTHORIZED", "This request could not be authorized.", "")
	case !versionPattern.MatchString(r.Header.Get("Square-Version")):
		answer = invalid("INVALID_SQUARE_VERSION_FORMAT", "")
	default:
		answer = handle()
	}
	if fault != nil {
		answer = fault.answer(answer)
	}
	s.write(w, r, answer)
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, answer reply) {
	if answer.close || answer.status == 0 {
		panic(http.ErrAbortHandler) // makes net/http close the connection without an answer
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Date", s.Now().Format(http.TimeFormat))
	if answer.raw == "" && (answer.status == http.StatusOK || s.o.VersionedErrors) {
		header.Set("Square-Version", r.Header.Get("Square-Version"))
	}
	for name, value := range answer.header {
		header.Set(name, value)
	}
	for _, name := range answer.drop {
		header.Del(name)
	}
	w.WriteHeader(answer.status)
	if answer.raw != "" {
		_, _ = io.WriteString(w, answer.raw) // an error here is the client's connection
		return
	}
	_ = json.NewEncoder(w).Encode(answer.body) //nolint:errchkjson // an error here is the client's connection
}

func (s *Server) record(r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) < maxCalls {
		s.calls = append(s.calls, Call{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), string(body)})
	}
}

// route returns the name of a call and what answers it.
func (s *Server) route(r *http.Request, body []byte) (name string, handle func() reply) {
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/"), "/")
	id := ""
	if len(path) > 1 {
		id = path[1]
	}
	call := fmt.Sprintf("%s %s %d", r.Method, path[0], len(path))
	if path[0] == "refunds" {
		return s.routeRefund(call, r, id, body)
	}
	switch call {
	case "POST payments 1":
		return "create", func() reply { return s.create(body) }
	case "GET payments 1":
		return "list", func() reply { return s.list(r.URL.Query()) }
	case "GET payments 2":
		return "get", func() reply { return s.get(id) }
	case "PUT payments 2":
		return "update", func() reply { return s.update(id, body) }
	case "POST payments 2":
		if id == "cancel" {
			return "cancel_by_key", func() reply { return s.cancelByKey(body) }
		}
	case "POST payments 3":
		switch {
		case id == "" && path[2] == "cancel":
			return "cancel_by_key", func() reply { return s.cancelByKey(body) } // square-dotnet-sdk#13
		case path[2] == "complete":
			return "complete", func() reply { return s.complete(id, body) }
		case path[2] == "cancel":
			return "cancel", func() reply { return s.cancel(id) }
		}
	case "GET locations 2":
		return "location", func() reply { return s.location(id) }
	}
	return "unknown", noResource
}

func (s *Server) routeRefund(call string, r *http.Request, id string, body []byte) (name string, handle func() reply) {
	switch call {
	case "POST refunds 1":
		return "refund", func() reply { return s.refund(body) }
	case "GET refunds 1":
		return "list_refunds", func() reply { return s.listRefunds(r.URL.Query()) }
	case "GET refunds 2":
		return "get_refund", func() reply { return s.getRefund(id) }
	}
	return "unknown", noResource
}

func noResource() reply {
	return failure(http.StatusNotFound, invalidRequest, "NOT_FOUND", "Resource not found.", "")
}

// decode parses a body strictly.
func decode(body []byte, into any) bool {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return d.Decode(into) == nil && !d.More()
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// payment returns the Payment object of a record.
func (s *Server) payment(r *record, status string) *paymentBody {
	if r.ID == "" {
		return nil
	}
	amount, approved := Money{r.Amount, r.Currency}, Money{r.Approved, r.Currency}
	p := &paymentBody{
		ID: r.ID, CreatedAt: stamp(r.CreatedAt), UpdatedAt: stamp(r.UpdatedAt), AmountMoney: amount, TotalMoney: amount,
		Status: status, DelayDuration: r.DelayDuration, DelayAction: r.DelayAction, SourceType: "CARD",
		LocationID: s.o.Location, ReferenceID: r.ReferenceID, Note: r.Note, VersionToken: r.version(),
		CardDetails: &cardDetails{Errors: r.Errors},
	}
	switch status {
	case statusApproved:
		p.CardDetails.Status, p.ApprovedMoney = "AUTHORIZED", &approved
	case statusCompleted:
		p.CardDetails.Status, p.ApprovedMoney = "CAPTURED", &approved
	case statusCanceled:
		p.CardDetails.Status = "VOIDED"
	case statusFailed:
		p.CardDetails.Status = "FAILED"
	default:
		p.SourceType, p.CardDetails = "BANK_ACCOUNT", nil
	}
	if !r.DelayedUntil.IsZero() && !s.o.NoExpiry {
		p.DelayedUntil = stamp(r.DelayedUntil)
	}
	for _, refund := range r.Refunds {
		p.RefundIDs = append(p.RefundIDs, refund.ID)
	}
	if refunded := r.refunded(); refunded > 0 {
		p.RefundedMoney = &Money{refunded, r.Currency}
		if s.o.RefundsReduceAmount {
			p.AmountMoney.Amount -= refunded
		}
	}
	return p
}

// refundBody is what the fake has of Square's PaymentRefund object.
type refundBody struct {
	ID          string `json:"id"`
	Status      string `json:"status"`
	AmountMoney Money  `json:"amount_money"`
	PaymentID   string `json:"payment_id"`
	LocationID  string `json:"location_id"`
	Reason      string `json:"reason,omitempty"`
	CreatedAt   string `json:"created_at"`
	UpdatedAt   string `json:"updated_at"`
}

// refundBody returns the PaymentRefund object of a record.
func (s *Server) refundBody(r *refundRecord, status string) *refundBody {
	return &refundBody{
		ID: r.ID, Status: status, AmountMoney: Money{r.Amount, r.payment.Currency}, PaymentID: r.payment.ID,
		LocationID: s.o.Location, Reason: r.Reason, CreatedAt: stamp(r.CreatedAt), UpdatedAt: stamp(r.UpdatedAt),
	}
}
