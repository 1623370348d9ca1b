package client_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"paymentd/client"
	"paymentd/core/endpoint"
	"paymentd/internal/standardwebhooks"
)

// receiver receives the events of a webhook endpoint. A real one stores the ids in its database, in the transaction
// that makes use of the event.
type receiver struct {
	secrets []string // one, or two while a rotation overlaps

	mu   sync.Mutex
	seen map[string]bool  // ids of events
	last map[string]int64 // sequence numbers by order
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, client.MaxEventBytes))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	event, err := client.VerifyWebhook(req.Header, body, time.Now(), r.secrets...)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[event.ID] {
		return // a duplicate is accepted as well: 200
	}
	r.seen[event.ID] = true
	if event.Sequence < r.last[event.Data.OrderID] {
		return // older than what is known of the order
	}
	r.last[event.Data.OrderID] = event.Sequence
	fmt.Println(event.Type, event.Data.OrderID, event.Data.Amount, event.Data.Currency)
}

// A receiver of webhooks verifies each event, and uses it once.
func ExampleVerifyWebhook() {
	secret := endpoint.NewSecret().Reveal() // `paymentd endpoints create` prints it
	shop := httptest.NewServer(&receiver{secrets: []string{secret}, seen: make(map[string]bool), last: make(map[string]int64)})
	defer shop.Close()

	// What the service posts.
	body := `{"type":"payment.succeeded","version":1,"id":"evt_1","sequence":1,"timestamp":"2026-01-31T16:00:00Z",` +
		`"data":{"object":"payment","order_id":"order-123","state":"succeeded","amount":"100.00","currency":"USD","created_at":"2026-01-31T16:00:00Z"}}`
	for range 2 {
		deliver(shop.URL, secret, body)
	}
	deliver(shop.URL, endpoint.NewSecret().Reveal(), body)
	// Output:
	// payment.succeeded order-123 100.00 USD
	// answer: 200
	// answer: 200
	// answer: 400
}

func deliver(url, secret, body string) {
	parsed, err := standardwebhooks.ParseSecret(secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	parsed.Sign(request.Header, "evt_1", time.Now(), []byte(body))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = response.Body.Close()
	fmt.Println("answer:", response.StatusCode)
}
