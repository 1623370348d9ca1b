package squarefake

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// The states of a refund (PaymentRefund.status) that a payment does not have.
const statusRejected = "REJECTED"

// Limits of RefundPayment: the API specification, and the guide "Refund Payments".
const (
	maxReason  = 192
	maxRefunds = 20 // of one payment
	// refundYears is how old a payment may be.
	refundYears = 1
)

// refundRecord is a refund, as the ledger has it with its payment.
type refundRecord struct {
	ID        string    `json:"id"`
	Key       string    `json:"idempotency_key"`
	Request   string    `json:"request"` // the body that made it
	Amount    int64     `json:"amount"`
	Reason    string    `json:"reason"`
	Status    string    `json:"status"`
	Errors    []Error   `json:"errors,omitempty"` // of a refund that failed at once
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`

	// History has the earlier states, oldest first.
	History []state `json:"history"`

	payment *record
}

// moves reports whether the refund has given money back, or may still.
func (r *refundRecord) moves() bool { return r.Status != statusFailed && r.Status != statusRejected }

// refunded returns how much of a payment was given back, or may still be. Refunds that are PENDING count, as in
// recorded answers of Square's sandbox.
func (r *record) refunded() (sum int64) {
	for _, refund := range r.Refunds {
		if refund.moves() {
			sum += refund.Amount
		}
	}
	return sum
}

// refundRequest is what the fake reads of RefundPaymentRequest.
type refundRequest struct {
	IdempotencyKey string `json:"idempotency_key"`
	AmountMoney    *Money `json:"amount_money"`
	PaymentID      string `json:"payment_id"`
	Reason         string `json:"reason"`
}

// refund is RefundPayment.
func (s *Server) refund(body []byte) reply {
	var c refundRequest
	switch {
	case !decode(body, &c):
		return invalid("UNKNOWN_BODY_PARAMETER", "")
	case c.IdempotencyKey == "":
		return invalid("MISSING_REQUIRED_PARAMETER", "idempotency_key")
	case len(c.IdempotencyKey) > maxKey:
		return invalid("VALUE_TOO_LONG", "idempotency_key")
	case c.AmountMoney == nil || c.PaymentID == "":
		return invalid("MISSING_REQUIRED_PARAMETER", "payment_id")
	case c.AmountMoney.Amount <= 0:
		return invalid("VALUE_TOO_LOW", "amount_money.amount")
	case len(c.Reason) > maxReason:
		return invalid("VALUE_TOO_LONG", "reason")
	}
	busy := "refund " + c.IdempotencyKey
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[busy] {
		return failure(http.StatusConflict, invalidRequest, "CONFLICT", "A request with this key is being processed.", "")
	}
	if answer, found := s.repeatRefund(c, string(body)); found {
		return answer
	}
	r, refusal := s.refundable(c)
	if r == nil {
		return refusal
	}
	if r.Source == SourceByAmount && c.AmountMoney.Amount == slowAmount {
		s.busy[busy] = true
		s.mu.Unlock()
		time.Sleep(SlowFor)
		s.mu.Lock()
		delete(s.busy, busy)
		if r, refusal = s.refundable(c); r == nil {
			return refusal
		}
	}
	return s.makeRefund(r, c, string(body))
}

// repeatRefund answers a key that has made a refund before. What was refused made none, and is processed anew.
func (s *Server) repeatRefund(c refundRequest, body string) (answer reply, found bool) {
	r := s.refundByKey[c.IdempotencyKey]
	switch {
	case r == nil, r.Status == statusFailed && r.Errors != nil && s.o.ForgetDeclines:
		return reply{}, false
	case r.Request != body:
		return failure(http.StatusBadRequest, invalidRequest, "IDEMPOTENCY_KEY_REUSED",
			"Different request parameters used for the same idempotency_key.", ""), true
	case s.o.StaleRepeats:
		return s.refundAnswer(r, r.History[0].Status), true
	}
	return s.refundAnswer(r, r.Status), true
}

// refundAnswer returns the answer to the request that made the refund.
func (s *Server) refundAnswer(r *refundRecord, status string) reply {
	answer := ok(answerBody{Refund: s.refundBody(r, status)})
	if len(r.Errors) > 0 {
		answer.status, answer.body.Errors = s.o.DeclineStatus, r.Errors
	}
	return answer
}

func (s *Server) refundError(code, field string) reply {
	return failure(s.o.DeclineStatus, "REFUND_ERROR", code, "", field)
}

// refundable returns the payment that the request refunds, or why it cannot.
func (s *Server) refundable(c refundRequest) (*record, reply) {
	r, missing := s.find(c.PaymentID)
	switch {
	case r == nil:
		return nil, missing
	case c.AmountMoney.Currency != r.Currency:
		return nil, invalid("INVALID_VALUE", "amount_money.currency")
	case r.Status != statusCompleted:
		return nil, s.refundError("REFUND_ERROR_PAYMENT_NEEDS_COMPLETION", "payment_id")
	case len(r.Refunds) >= maxRefunds, s.now().After(r.CreatedAt.AddDate(refundYears, 0, 0)):
		return nil, s.refundError("PAYMENT_NOT_REFUNDABLE", "payment_id") // the code for the limit of 20 is not documented
	case c.AmountMoney.Amount > r.Amount-r.refunded():
		return nil, s.refundError("REFUND_AMOUNT_INVALID", "amount_money")
	}
	for _, earlier := range r.Refunds {
		if earlier.Status == statusFailed {
			// "Future refunds to this payment are not allowed": the Refunds API, in the specification.
			return nil, s.refundError("PAYMENT_NOT_REFUNDABLE", "payment_id")
		}
	}
	if r.Source == SourceByAmount && c.AmountMoney.Amount == declinedAmount {
		return nil, s.refundError("REFUND_DECLINED", "")
	}
	return r, reply{}
}

// makeRefund makes a refund.
func (s *Server) makeRefund(r *record, c refundRequest, body string) reply {
	now := s.now()
	refund := &refundRecord{
		ID: fmt.Sprintf("%s_R%d", r.ID, len(r.Refunds)+1), Key: c.IdempotencyKey, Request: body,
		Amount: c.AmountMoney.Amount, Reason: c.Reason, Status: statusCompleted, CreatedAt: now, UpdatedAt: now,
	}
	switch {
	case s.o.PendingRefunds, r.Source == SourceByAmount && refund.Amount == pendingAmount:
		refund.Status = statusPending
	case s.o.FailedRefunds:
		refund.Status, refund.Errors = statusFailed, []Error{{"REFUND_ERROR", "REFUND_DECLINED", "The refund was declined.", ""}}
	}
	refund.History = []state{{refund.Status, now}}
	r.Refunds = append(r.Refunds, refund)
	s.rememberRefunds(r)
	if err := s.change(r, r.Status); err != nil {
		return broken(err)
	}
	return s.refundAnswer(refund, refund.Status)
}

func (s *Server) rememberRefunds(r *record) {
	for _, refund := range r.Refunds {
		refund.payment = r
		s.refundByID[refund.ID], s.refundByKey[refund.Key] = refund, refund
	}
}

// getRefund is GetPaymentRefund.
func (s *Server) getRefund(id string) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.refundByID[id]
	if r == nil {
		return failure(http.StatusNotFound, invalidRequest, "NOT_FOUND", "Could not find refund with id: "+id, "")
	}
	return ok(answerBody{Refund: s.refundBody(r, r.Status)})
}

// DecideRefund sets the state of the latest refund with the key: of one that is PENDING, and of one that is COMPLETED
// and fails later.
func (s *Server) DecideRefund(key, status string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.refundByKey[key]
	if r == nil || !r.moves() {
		return errors.New("squarefake: there is no refund that is PENDING or COMPLETED with the key " + key)
	}
	now := s.now()
	r.Status, r.UpdatedAt, r.History = status, now, append(r.History, state{status, now})
	return s.change(r.payment, r.payment.Status)
}

// Refunded returns how much of a payment was given back or may still be, in the currency's smallest unit.
func (s *Server) Refunded(id string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.byID[id]; r != nil {
		return r.refunded()
	}
	return 0
}

// Refunds returns how many refunds with the key have given money back, also if it came back later.
func (s *Server) Refunds(key string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.payments {
		for _, refund := range r.Refunds {
			completed := slices.ContainsFunc(refund.History, func(was state) bool { return was.Status == statusCompleted })
			if refund.Key == key && completed {
				n++
			}
		}
	}
	return n
}

// RefundIDs returns the ids of the refunds with the key, oldest first.
func (s *Server) RefundIDs(key string) (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.payments {
		for _, refund := range r.Refunds {
			if refund.Key == key {
				ids = append(ids, refund.ID)
			}
		}
	}
	return ids
}
