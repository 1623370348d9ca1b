package portstest_test

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
	"paymentd/ports"
	"paymentd/ports/portstest"
)

var _ ports.Gateway = (*exampleGateway)(nil)

// exampleVendor is the API of the vendor, as a fake that keeps its state: it honours keys, refuses one with other
// parameters, and answers "busy" while a key is in use.
type exampleVendor struct {
	takes time.Duration // of each charge

	mu       sync.Mutex
	payments map[string]examplePayment // by key; refunds by "refund " and their key
	requests map[string]exampleRequest
	charges  map[string]int
}

type exampleRequest struct {
	Key, Order, Currency string
	Payment              string // of a refund: the key of its payment
	Amount               int64
}

// exampleRefused is an amount that the vendor refuses, in minor units.
const exampleRefused = 66_00

func (v *exampleVendor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /payments", v.charge)
	mux.HandleFunc("POST /refunds", v.refund)
	mux.HandleFunc("GET /payments/{key}", func(w http.ResponseWriter, r *http.Request) { v.find(w, r, "") })
	mux.HandleFunc("GET /refunds/{key}", func(w http.ResponseWriter, r *http.Request) { v.find(w, r, exampleRefund) })
	return mux
}

const exampleRefund = "refund "

// refund refuses a refund that exceeds what is left of its payment.
func (v *exampleVendor) refund(w http.ResponseWriter, r *http.Request) {
	var request exampleRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&request); err != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	earlier, used := v.requests[exampleRefund+request.Key]
	switch {
	case used && earlier != request:
		v.write(w, http.StatusConflict, examplePayment{Key: request.Key, Error: "key_used"})
		return
	case used:
		v.write(w, http.StatusOK, v.payments[exampleRefund+request.Key])
		return
	}
	left := v.requests[request.Payment].Amount
	for key, other := range v.requests {
		if other.Payment == request.Payment && v.payments[key].State == "paid" {
			left -= other.Amount
		}
	}
	p := examplePayment{Key: request.Key, ID: exampleRefund + request.Key, State: "paid"}
	if request.Amount > left {
		p = examplePayment{Key: request.Key, State: "refused", Reason: "exceeds_payment"}
	} else {
		v.charges[exampleRefund+request.Key]++
	}
	v.requests[exampleRefund+request.Key], v.payments[exampleRefund+request.Key] = request, p
	v.write(w, http.StatusOK, p)
}

func (v *exampleVendor) charge(w http.ResponseWriter, r *http.Request) {
	var request exampleRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&request); err != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	v.mu.Lock()
	earlier, used := v.requests[request.Key]
	done := v.payments[request.Key]
	if !used {
		v.requests[request.Key] = request
	}
	v.mu.Unlock()
	switch {
	case used && earlier != request:
		v.write(w, http.StatusConflict, examplePayment{Key: request.Key, Error: "key_used"})
		return
	case used && done.State == "":
		v.write(w, http.StatusConflict, examplePayment{Key: request.Key, Error: "busy"})
		return
	case used:
		v.write(w, http.StatusOK, done)
		return
	}
	time.Sleep(v.takes)
	p := examplePayment{Key: request.Key, ID: "example-" + request.Key, State: "paid"}
	if request.Amount == exampleRefused {
		p = examplePayment{Key: request.Key, State: "refused", Reason: "no_funds"}
	}
	v.mu.Lock()
	v.payments[request.Key] = p
	if p.ID != "" {
		v.charges[request.Key]++
	}
	v.mu.Unlock()
	v.write(w, http.StatusOK, p)
}

func (v *exampleVendor) find(w http.ResponseWriter, r *http.Request, prefix string) {
	key := r.PathValue("key")
	v.mu.Lock()
	p, found := v.payments[prefix+key]
	_, used := v.requests[prefix+key]
	v.mu.Unlock()
	switch {
	case found:
		v.write(w, http.StatusOK, p)
	case used:
		v.write(w, http.StatusConflict, examplePayment{Key: key, Error: "busy"})
	default:
		v.write(w, http.StatusNotFound, examplePayment{Key: key, Error: "none"})
	}
}

func (v *exampleVendor) write(w http.ResponseWriter, status int, p examplePayment) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p) //nolint:errchkjson // only the connection can fail
}

// TestExampleGateway_Contract runs the contract of gateways against the example, over a real socket with TLS.
func TestExampleGateway_Contract(t *testing.T) {
	t.Parallel()
	portstest.Gateway(t, func(t testing.TB) portstest.GatewayUnderTest {
		t.Helper()
		vendor, gateway := startExample(t, nil)
		count := func(prefix string) func(payment.GatewayKey) int {
			return func(key payment.GatewayKey) int {
				vendor.mu.Lock()
				defer vendor.mu.Unlock()
				return vendor.charges[prefix+string(key)]
			}
		}
		return portstest.GatewayUnderTest{
			Gateway: gateway, Approved: exampleDollars(t, "10.00"), Declined: exampleDollars(t, "66.00"),
			Charges: count(""), Refunds: count(exampleRefund),
		}
	})
}

// An answer without the vendor's mark leaves the outcome unknown, and one that names no outcome as well.
func TestExampleGateway_OtherAnswers_ProveNothing(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]payment.Class{
		"": payment.ClassUnknownUnanswered, "{}": payment.ClassUnknownUnanswered, `{"key":"other","state":"paid","id":"1"}`: payment.ClassUnknownUnanswered,
		`{"key":"key-1","state":"paid"}`: payment.ClassUnknownAnswered, `{"key":"key-1","error":"surprise"}`: payment.ClassUnknownAnswered,
		`{"key":"key-1","error":"slow_down"}`: payment.ClassNotCharged, `{"key":"key-1","error":"invalid"}`: payment.ClassRejected,
		`{"key":"key-1","error":"busy"}`: payment.ClassUnknownUnanswered,
	} {
		_, gateway := startExample(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
		r := gateway.Charge(t.Context(), payment.Charge{Key: "key-1", OrderID: "order-1", Money: exampleDollars(t, "10.00")})
		require.Equal(t, want, r.Class, body)
		l := gateway.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"})
		require.NotEqual(t, payment.FoundNothing, l.Result, body)
	}
}

func startExample(t testing.TB, handler http.Handler) (*exampleVendor, *exampleGateway) {
	t.Helper()
	vendor := &exampleVendor{
		takes: 10 * time.Millisecond, payments: map[string]examplePayment{}, requests: map[string]exampleRequest{}, charges: map[string]int{},
	}
	if handler == nil {
		handler = vendor.handler()
	}
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL + "/")
	require.NoError(t, err)
	authorities := x509.NewCertPool()
	authorities.AddCert(server.Certificate())
	client := httpcall.New(httpcall.Options{Timeout: exampleTimeout, Connections: 4, RootCAs: authorities})
	t.Cleanup(client.Close)
	return vendor, &exampleGateway{base: base, client: client}
}

func exampleDollars(t testing.TB, text string) payment.Money {
	t.Helper()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	m, err := payment.ParseMoney(text, usd)
	require.NoError(t, err)
	return m
}
