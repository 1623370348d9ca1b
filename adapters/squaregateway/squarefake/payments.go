package squarefake

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// createRequest is what the fake reads of CreatePaymentRequest.
type createRequest struct {
	SourceID       string `json:"source_id"`
	IdempotencyKey string `json:"idempotency_key"`
	AmountMoney    Money  `json:"amount_money"`
	LocationID     string `json:"location_id"`
	ReferenceID    string `json:"reference_id"`
	Note           string `json:"note"`
	Autocomplete   *bool  `json:"autocomplete"`
	DelayDuration  string `json:"delay_duration"`
	DelayAction    string `json:"delay_action"`
}

func (c createRequest) captures() bool { return c.Autocomplete == nil || *c.Autocomplete }

// Limits of the API specification, and of the guide "Delayed capture".
const (
	maxKey       = 45
	maxReference = 40
	maxNote      = 500
	minDelay     = time.Minute
	defaultDelay = 168 * time.Hour
)

// currencies are those of the countries in which Square processes payments.
var currencies = map[string]bool{"AUD": true, "CAD": true, "EUR": true, "GBP": true, "JPY": true, "USD": true}

// check returns the error of a request that the specification does not allow.
func (s *Server) check(c createRequest) (wrong reply, refused bool) {
	for _, rule := range []struct {
		broken bool
		answer reply
	}{
		{c.SourceID == "", invalid("MISSING_REQUIRED_PARAMETER", "source_id")},
		{c.IdempotencyKey == "", invalid("MISSING_REQUIRED_PARAMETER", "idempotency_key")},
		{len(c.IdempotencyKey) > maxKey, invalid("VALUE_TOO_LONG", "idempotency_key")},
		{len(c.ReferenceID) > maxReference, invalid("VALUE_TOO_LONG", "reference_id")},
		{len(c.Note) > maxNote, invalid("VALUE_TOO_LONG", "note")},
		{c.AmountMoney.Amount <= 0, invalid("VALUE_TOO_LOW", "amount_money.amount")},
		{!currencies[c.AmountMoney.Currency], invalid("INVALID_ENUM_VALUE", "amount_money.currency")},
		{c.AmountMoney.Currency != s.o.Currency, invalid("INVALID_VALUE", "amount_money.currency")},
		{
			c.LocationID != "" && c.LocationID != s.o.Location,
			failure(http.StatusForbidden, "AUTHENTICATION_ERROR", "FORBIDDEN", "The location is not one of this account.", "location_id"),
		},
		{c.DelayDuration != "" && (c.captures() || delay(c.DelayDuration) < minDelay), invalid("INVALID_VALUE", "delay_duration")},
		{c.DelayAction != "" && c.DelayAction != "CANCEL" && c.DelayAction != "COMPLETE", invalid("INVALID_VALUE", "delay_action")},
	} {
		if rule.broken {
			return rule.answer, true
		}
	}
	return reply{}, false
}

var delayPattern = regexp.MustCompile(`^PT(\d+)([HM])$`)

// delay parses the durations that the fake knows: whole hours or minutes. Others are zero.
func delay(text string) time.Duration {
	parts := delayPattern.FindStringSubmatch(text)
	if parts == nil {
		return 0
	}
	n, _ := strconv.Atoi(parts[1])
	if parts[2] == "H" {
		return time.Duration(n) * time.Hour
	}
	return time.Duration(n) * time.Minute
}

// The amounts of [SourceByAmount], in the currency's smallest unit.
const (
	declinedAmount = 9402
	slowAmount     = 9508
	pendingAmount  = 9614 // of refunds only
)

// outcome is what a source leads to.
type outcome struct {
	status string
	errors []Error
	bare   bool // without a payment
}

// outcomes are those of the sources of Square's sandbox ("Sandbox Payments"), and the fake's own.
var outcomes = map[string]outcome{
	"cnon:card-nonce-ok":                      {status: statusApproved},
	SourceByAmount:                            {status: statusApproved},
	"bnon:bank-nonce-ok":                      {status: statusPending},
	"cnon:card-nonce-declined":                declined(paymentMethod, "GENERIC_DECLINE", false),
	"cnon:card-nonce-rejected-cvv":            declined(paymentMethod, "CVV_FAILURE", false),
	"cnon:card-nonce-rejected-postalcode":     declined(paymentMethod, "ADDRESS_VERIFICATION_FAILURE", false),
	"cnon:card-nonce-rejected-expiration":     declined(paymentMethod, "INVALID_EXPIRATION", true),
	"cnon:card-nonce-already-used":            declined(invalidRequest, "CARD_TOKEN_USED", true),
	"cnon:gift-card-nonce-insufficient-funds": {statusFailed, []Error{{paymentMethod, "INSUFFICIENT_FUNDS", "", ""}, {paymentMethod, "GIFT_CARD_AVAILABLE_AMOUNT", "0", ""}}, false},
}

func declined(category, code string, bare bool) outcome {
	return outcome{statusFailed, []Error{{category, code, "Authorization error: '" + code + "'", ""}}, bare}
}

// create is CreatePayment.
func (s *Server) create(body []byte) reply {
	var c createRequest
	if !decode(body, &c) {
		return invalid("UNKNOWN_BODY_PARAMETER", "")
	}
	if wrong, refused := s.check(c); refused {
		return wrong
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[c.IdempotencyKey] {
		return failure(http.StatusConflict, invalidRequest, "CONFLICT", "A request with this key is being processed.", "")
	}
	if answer, found := s.repeat(c, string(body)); found {
		return answer
	}
	if c.SourceID == SourceByAmount && c.AmountMoney.Amount == slowAmount {
		s.busy[c.IdempotencyKey] = true
		s.mu.Unlock()
		time.Sleep(SlowFor)
		s.mu.Lock()
		delete(s.busy, c.IdempotencyKey)
	}
	return s.make(c, string(body))
}

// repeat answers a key that was used before.
func (s *Server) repeat(c createRequest, body string) (answer reply, found bool) {
	r := s.byKey[c.IdempotencyKey]
	if r == nil {
		return reply{}, false
	}
	s.expire(r)
	switch {
	case r.Status == statusFailed && s.o.ForgetDeclines, r.Status == statusCanceled && s.o.RepeatAfterCancel:
		return reply{}, false
	case r.Request != body:
		return failure(http.StatusBadRequest, invalidRequest, "IDEMPOTENCY_KEY_REUSED",
			"Different request parameters used for the same idempotency_key.", ""), true
	case r.Status == statusFailed:
		return s.declineAnswer(r), true
	case s.o.StaleRepeats:
		return ok(answerBody{Payment: s.payment(r, r.History[0].Status)}), true
	}
	return ok(answerBody{Payment: s.payment(r, r.Status)}), true
}

func (s *Server) declineAnswer(r *record) reply {
	return reply{status: s.o.DeclineStatus, body: answerBody{Errors: r.Errors, Payment: s.payment(r, r.Status)}}
}

// make makes a payment, or declines.
func (s *Server) make(c createRequest, body string) reply {
	o, known := outcomes[c.SourceID]
	if c.SourceID == SourceByAmount && c.AmountMoney.Amount == declinedAmount {
		o = outcomes["cnon:card-nonce-declined"]
	}
	if strings.HasPrefix(c.SourceID, "ccof:") {
		o, known = outcome{status: statusApproved}, true
	}
	if !known {
		return failure(http.StatusNotFound, invalidRequest, "NOT_FOUND", "Card nonce not found", "source_id")
	}
	now := s.now()
	r := &record{
		Number: len(s.payments) + 1, Key: c.IdempotencyKey, Request: body, ReferenceID: c.ReferenceID, Note: c.Note,
		Source: c.SourceID, Amount: c.AmountMoney.Amount, Approved: c.AmountMoney.Amount, Currency: c.AmountMoney.Currency,
		Status: o.status, Errors: o.errors, CreatedAt: now, UpdatedAt: now, DelayAction: c.DelayAction,
	}
	if o.status != statusFailed || !o.bare && !s.o.BareDeclines {
		r.ID = fmt.Sprintf("fake%08dZY", r.Number)
	}
	if r.Status == statusApproved {
		wait := defaultDelay
		if c.DelayDuration != "" {
			wait = delay(c.DelayDuration)
		}
		r.DelayDuration, r.DelayedUntil = "PT"+strconv.Itoa(int(wait/time.Minute))+"M", now.Add(wait)
		if c.captures() {
			r.Status = statusCompleted
		}
	}
	r.History = []state{{r.Status, now}}
	s.remember(r)
	if err := s.save(r); err != nil {
		return broken(err)
	}
	if r.Status == statusFailed {
		return s.declineAnswer(r)
	}
	return ok(answerBody{Payment: s.payment(r, r.Status)})
}

// find returns a payment, with its delay applied.
func (s *Server) find(id string) (*record, reply) {
	r := s.byID[id]
	if r == nil {
		return nil, failure(http.StatusNotFound, invalidRequest, "NOT_FOUND", "Could not find payment with id: "+id, "")
	}
	s.expire(r)
	return r, reply{}
}

// get is GetPayment.
func (s *Server) get(id string) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, missing := s.find(id)
	if r == nil {
		return missing
	}
	return ok(answerBody{Payment: s.payment(r, r.Status)})
}

func (s *Server) moved(r *record, status string) reply {
	if err := s.change(r, status); err != nil {
		return broken(err)
	}
	return ok(answerBody{Payment: s.payment(r, r.Status)})
}

// cancelByKey is CancelPaymentByIdempotencyKey. It answers success if there is no payment, and keeps
// nothing of the key then. What it does to a completed payment is not documented: here it is an error.
func (s *Server) cancelByKey(body []byte) reply {
	var c struct {
		IdempotencyKey string `json:"idempotency_key"`
	}
	if !decode(body, &c) || c.IdempotencyKey == "" || len(c.IdempotencyKey) > maxKey {
		return invalid("MISSING_REQUIRED_PARAMETER", "idempotency_key")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.byKey[c.IdempotencyKey]
	if r == nil {
		return ok(answerBody{})
	}
	s.expire(r)
	switch r.Status {
	case statusCompleted:
		return failure(http.StatusBadRequest, invalidRequest, "DELAYED_TRANSACTION_CAPTURED", "The payment is COMPLETED", "")
	case statusApproved, statusPending:
		if err := s.change(r, statusCanceled); err != nil {
			return broken(err)
		}
	}
	return ok(answerBody{})
}

// location is RetrieveLocation.
func (s *Server) location(id string) reply {
	if id != s.o.Location {
		return failure(http.StatusNotFound, invalidRequest, "NOT_FOUND", "Location not found", "")
	}
	return ok(answerBody{Location: map[string]any{
		"id": id, "name": "Fake", "status": "ACTIVE", "merchant_id": merchantID, "currency": s.o.Currency,
		"capabilities": []string{"CREDIT_CARD_PROCESSING"},
	}})
}

var errCursor = errors.New("the cursor is not one of this fake")
