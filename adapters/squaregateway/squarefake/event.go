package squarefake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
)

// Event returns a notification about a payment or a refund, such as payment.updated, as Square would post it: with a
// new event id, and signed with the key for the notification URL.
func (s *Server) Event(kind, id, signatureKey, notificationURL string) (http.Header, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var (
		about  string
		object any
		r      = s.byID[id]
		refund = s.refundByID[id]
	)
	switch {
	case refund != nil:
		about, object = "refund", s.refundBody(refund, refund.Status)
	case r != nil:
		s.expire(r)
		about, object = "payment", s.payment(r, r.Status)
	default:
		return nil, nil, fmt.Errorf("squarefake: there is no payment and no refund %s", id)
	}
	s.events++
	body, err := json.Marshal(map[string]any{
		"merchant_id": merchantID, "type": kind, "event_id": fmt.Sprintf("event-%d", s.events), "created_at": stamp(s.now()),
		"data": map[string]any{
			"type": about, "id": id, "object": map[string]any{about: object},
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("squarefake: encode event: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(signatureKey))
	mac.Write([]byte(notificationURL + string(body)))
	header := http.Header{"Content-Type": {"application/json"}, "Square-Environment": {"Sandbox"}}
	header.Set("x-square-hmacsha256-signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return header, body, nil
}
