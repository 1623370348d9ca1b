package squarefake

import (
	"fmt"
	"net/http"
)

// update is a change of a payment, by its idempotency key.
type update struct {
	Key     string `json:"idempotency_key"`
	Request string `json:"request"` // the body that made it
}

// version is the version_token of a payment.
func (r *record) version() string { return fmt.Sprintf("v%d", r.Version) }

// mismatch returns the error of a call for a version that the payment does not have. Empty is any version.
func (r *record) mismatch(version string) (wrong reply, refused bool) {
	if version == "" || version == r.version() {
		return reply{}, false
	}
	return failure(http.StatusBadRequest, invalidRequest, "VERSION_MISMATCH", "The payment has the version "+r.version(), ""), true
}

// complete is CompletePayment.
func (s *Server) complete(id string, body []byte) reply {
	var c struct {
		VersionToken string `json:"version_token"`
	}
	if len(body) > 0 && !decode(body, &c) {
		return invalid("UNKNOWN_BODY_PARAMETER", "")
	}
	return s.move(id, statusCompleted, c.VersionToken)
}

// cancel is CancelPayment.
func (s *Server) cancel(id string) reply { return s.move(id, statusCanceled, "") }

// move completes or cancels a payment that is held.
func (s *Server) move(id, status, version string) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, missing := s.find(id)
	if r == nil {
		return missing
	}
	if r.Status == statusPending && status == statusCanceled {
		return s.moved(r, status)
	}
	code := map[string]string{
		statusCompleted: "DELAYED_TRANSACTION_CAPTURED", statusCanceled: "DELAYED_TRANSACTION_CANCELED",
		statusFailed: "DELAYED_TRANSACTION_FAILED", statusPending: "BAD_REQUEST",
	}[r.Status]
	if code != "" {
		return failure(http.StatusBadRequest, invalidRequest, code, "The payment is "+r.Status, "")
	}
	if wrong, refused := r.mismatch(version); refused {
		return wrong
	}
	return s.moved(r, status)
}

// updateRequest is what the fake reads of UpdatePaymentRequest.
type updateRequest struct {
	IdempotencyKey string `json:"idempotency_key"`
	Payment        struct {
		AmountMoney  *Money `json:"amount_money"`
		VersionToken string `json:"version_token"`
	} `json:"payment"`
}

// update is UpdatePayment, for the amount of a payment that is held. It is never more than what was approved.
func (s *Server) update(id string, body []byte) reply {
	var c updateRequest
	switch {
	case !decode(body, &c):
		return invalid("UNKNOWN_BODY_PARAMETER", "")
	case c.IdempotencyKey == "" || len(c.IdempotencyKey) > maxKey:
		return invalid("MISSING_REQUIRED_PARAMETER", "idempotency_key")
	case c.Payment.AmountMoney == nil || c.Payment.AmountMoney.Amount <= 0:
		return invalid("MISSING_REQUIRED_PARAMETER", "payment.amount_money")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, missing := s.find(id)
	if r == nil {
		return missing
	}
	for _, u := range r.Updates {
		if u.Key != c.IdempotencyKey {
			continue
		}
		if u.Request != string(body) {
			return failure(http.StatusBadRequest, invalidRequest, "IDEMPOTENCY_KEY_REUSED",
				"Different request parameters used for the same idempotency_key.", "")
		}
		return ok(answerBody{Payment: s.payment(r, r.Status)})
	}
	if wrong, refused := r.mismatch(c.Payment.VersionToken); refused {
		return wrong
	}
	switch amount := *c.Payment.AmountMoney; {
	case r.Status != statusApproved:
		return failure(http.StatusBadRequest, invalidRequest, "BAD_REQUEST", "The payment is "+r.Status, "")
	case s.o.NoUpdates:
		return failure(http.StatusBadRequest, invalidRequest, "BAD_REQUEST", "Payments of this seller cannot be updated.", "")
	case amount.Amount > r.Approved || amount.Currency != r.Currency:
		return failure(http.StatusBadRequest, invalidRequest, "AMOUNT_TOO_HIGH", "", "payment.amount_money")
	default:
		r.Amount = amount.Amount
	}
	r.Updates = append(r.Updates, update{c.IdempotencyKey, string(body)})
	return s.moved(r, r.Status)
}

// Update sets the amount of a payment that is held, as a person at the dashboard does.
func (s *Server) Update(id string, amount int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, _ := s.find(id)
	if r == nil || r.Status != statusApproved {
		return fmt.Errorf("squarefake: there is no payment that is held with the id %s", id)
	}
	r.Amount = amount
	return s.change(r, r.Status)
}

// End completes or cancels a payment that is held, as a person at the dashboard does.
func (s *Server) End(id, status string) error {
	if answer := s.move(id, status, ""); answer.status != http.StatusOK {
		return fmt.Errorf("squarefake: %v", answer.body.Errors)
	}
	return nil
}

// Taken returns how much money a payment has taken.
func (s *Server) Taken(id string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, _ := s.find(id); r != nil && r.Status == statusCompleted {
		return r.Amount
	}
	return 0
}

// Status returns the state of a payment; empty if there is none.
func (s *Server) Status(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, _ := s.find(id); r != nil {
		return r.Status
	}
	return ""
}
