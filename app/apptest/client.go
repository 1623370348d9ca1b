package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"paymentd/app/apptest/process"
)

const (
	pollEvery   = 20 * time.Millisecond
	statusLimit = 5 * time.Second
)

// CloseIdle closes the idle connections of the client, which leaktest would report.
func CloseIdle() { process.Client().CloseIdleConnections() }

// Answer is a response of the service.
type Answer struct {
	Err    error // there was no response, and the other fields are zero
	Code   int   // of HTTP
	Header http.Header
	Raw    string // the body
	Body   struct {
		Status        string `json:"status"`
		TransactionID string `json:"transaction_id"`
		OrderID       string `json:"order_id"`
		Error         string `json:"error"`
		Code          string `json:"code"`
	}
	Took time.Duration
}

// String returns the response in the form that test messages have.
func (a Answer) String() string {
	if a.Err != nil {
		return a.Err.Error()
	}
	return fmt.Sprintf("%d %s", a.Code, a.Raw)
}

// Pay asks the service at base to charge the order. Headers are pairs of name and value.
func Pay(ctx context.Context, base, order, amount string, headers ...string) Answer {
	body := fmt.Sprintf(`{"order_id":%q,"amount":%s}`, order, amount)
	return ask(ctx, http.MethodPost, base+"/payments/process", body, headers)
}

// Post sends the body to the path that charges. Headers are pairs of name and value.
func Post(ctx context.Context, base, body string, headers ...string) Answer {
	return ask(ctx, http.MethodPost, base+"/payments/process", body, headers)
}

// Get sends a GET for a path of the service at base. Headers are pairs of name and value.
func Get(ctx context.Context, base, path string, headers ...string) Answer {
	return ask(ctx, http.MethodGet, base+path, "", headers)
}

// Ask sends a request with a body, or none if it is empty, to an address. Headers are pairs of name and value.
func Ask(ctx context.Context, method, address, body string, headers ...string) Answer {
	return ask(ctx, method, address, body, headers)
}

func ask(ctx context.Context, method, address, body string, headers []string) (a Answer) {
	began := time.Now()
	defer func() { a.Took = time.Since(began) }()
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewBufferString(body))
	if err != nil {
		return Answer{Err: err}
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := process.Client().Do(request)
	if err != nil {
		return Answer{Err: err}
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{Err: err}
	}
	a = Answer{Code: response.StatusCode, Header: response.Header, Raw: string(raw)}
	_ = json.Unmarshal(raw, &a.Body) // not every body has these
	return a
}

// Status returns the status code of a GET, or 0 if there was no response.
func Status(ctx context.Context, address string) int {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	return ask(ctx, http.MethodGet, address, "", nil).Code
}

// Payment is a payment in the form of GET /payments/{order_id}.
type Payment struct {
	OrderID       string `json:"order_id"`
	State         string `json:"state"`
	Amount        string `json:"amount"`
	Code          string `json:"code"`
	Gateway       string `json:"gateway"`
	TransactionID string `json:"transaction_id"`
	Attempts      []struct {
		Number  int    `json:"number"`
		Class   string `json:"class"`
		Message string `json:"message"`
	} `json:"attempts"`
	Raw string `json:"-"`
}

// Find returns the payment of an order. Its state is empty if there is no payment.
func Find(ctx context.Context, base, order string) (Payment, error) {
	a := Get(ctx, base, "/payments/"+url.PathEscape(order))
	switch {
	case a.Err != nil:
		return Payment{}, a.Err
	case a.Code == http.StatusNotFound:
		return Payment{}, nil
	case a.Code != http.StatusOK:
		return Payment{}, fmt.Errorf("find order %s: %s", order, a)
	}
	p := Payment{Raw: a.Raw}
	err := json.Unmarshal([]byte(a.Raw), &p)
	return p, err
}

// WaitState waits until the order's payment is in the state, and returns it.
func WaitState(t testing.TB, limit time.Duration, base, order, state string) (p Payment) {
	t.Helper()
	Eventually(t, limit, func() (err error) {
		if p, err = Find(t.Context(), base, order); err == nil && p.State != state {
			err = fmt.Errorf("order %s is %q, not %q: %s", order, p.State, state, p.Raw)
		}
		return err
	})
	return p
}

// Eventually calls done until it returns nil. When the limit has passed, the last error fails the test.
func Eventually(t testing.TB, limit time.Duration, done func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := done()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("apptest: not within %v: %v", limit, err)
		}
		time.Sleep(pollEvery)
	}
}
