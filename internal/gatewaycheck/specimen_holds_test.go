package gatewaycheck_test

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// manual reports whether the charge is to be captured later.
func (c *specimenCharge) manual() bool { return c.Capture == "manual" }

// minor returns an amount with two decimals in minor units.
func minor(amount string) (n int) {
	var units, cents int
	_, _ = fmt.Sscanf(amount, "%d.%d", &units, &cents)
	return 100*units + cents
}

// capture takes money that a charge holds.
func (s *specimen) capture(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var body struct{ Amount string }
	_ = json.NewDecoder(r.Body).Decode(&body) // without an amount, it captures nothing
	key := r.Header.Get("Idempotency-Key")
	c := s.charges[r.PathValue("key")]
	id, used := s.ends[key]
	switch {
	case c == nil:
		s.answer(w, key, http.StatusNotFound, object{"code": "not_found"})
		return
	case used && !s.capturesTwice:
		s.answer(w, key, http.StatusOK, object{"status": "succeeded", "transaction_id": id})
		return
	case used:
	case c.Status == "authorized" && (minor(body.Amount) <= minor(c.Amount) || s.overCaptures):
	case c.Status == "voided" && s.capturesVoided, c.Status == "succeeded" && s.recaptures:
	default:
		s.answer(w, key, http.StatusPaymentRequired, object{"status": "declined", "code": "already_" + c.Status})
		return
	}
	s.count++
	s.ends[key] = fmt.Sprintf("cap-%d", s.count)
	c.Status = "succeeded"
	if minor(body.Amount) < minor(c.Amount) {
		c.Captured = body.Amount
	}
	s.answer(w, key, http.StatusOK, object{"status": "succeeded", "transaction_id": s.ends[key]})
}

// voidHold releases the money of a charge that is to be captured later. The caller holds s.mu.
func (s *specimen) voidHold(w http.ResponseWriter, key string, c *specimenCharge) {
	_, used := s.ends[key]
	switch {
	case used && !s.revoids:
	case c.Status == "authorized", c.Status == "succeeded" && s.voidsCaptured:
		s.ends[key] = ""
		if !s.keepsVoided {
			c.Status = "voided"
		}
	default:
		s.answer(w, key, http.StatusPaymentRequired, object{"status": "declined", "code": "already_" + c.Status})
		return
	}
	s.answer(w, key, http.StatusOK, object{"status": "voided"})
}

// lookUpEnd looks up a capture or a void.
func (s *specimen) lookUpEnd(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.PathValue("operation")
	switch id, used := s.ends[key]; {
	case !used || s.losesCaptures:
		s.answer(w, key, http.StatusNotFound, object{"code": "not_found"})
	case id == "":
		s.answer(w, key, http.StatusOK, object{"status": "voided"})
	default:
		s.answer(w, key, http.StatusOK, object{"status": "succeeded", "transaction_id": id})
	}
}
