package vendors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway"
	"paymentd/adapters/sandbox"
	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/adapters/stripegateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/core/payment"
	"paymentd/ports"
)

const (
	gatewayTimeout = 2 * time.Second
	// lag is how long a charge is missing from the lists of Stripe and Square, which declare declaredLag. It is longer
	// than a round, so that the first lookup may come too early.
	lag, declaredLag = 10 * time.Second, 12 * time.Second
	// decides is how long a gateway takes to decide a pending charge.
	decides = 5 * time.Second
)

// kind is a kind of gateway.
type kind string

const (
	kindHTTP   kind = "http"
	kindStripe kind = "stripe"
	kindSquare kind = "square"
)

var kinds = []kind{kindHTTP, kindStripe, kindSquare}

// ledger is what the ledger of a gateway has of one charge.
type ledger struct {
	transaction     string
	taken, refunded int64 // in minor units
	held            bool  // the money is held, neither taken nor released
}

// vendor is the fake of a gateway, which outlives the replicas.
type vendor interface {
	http.Handler

	// open returns an adapter of a replica. name distinguishes two gateways of one kind.
	open(name string, dial dialer) (ports.Gateway, error)
	// charges returns the charges with a gateway key, declined ones excluded.
	charges(key payment.GatewayKey) []ledger
	// refunds counts the refunds with a gateway key that have moved money.
	refunds(key payment.GatewayKey) int
	// decide decides the charges with the key that are pending, if the fake does not do so itself.
	decide(key payment.GatewayKey, approve bool)
	// giveBack completes the refunds with the key that are pending.
	giveBack(key payment.GatewayKey)
	// fail writes the gateway's own answer 500; the request is executed before or not. A repeat may get the same.
	fail(w http.ResponseWriter, r *http.Request, executed bool)
	// limit writes the gateway's own answer 429 to a request that is not executed.
	limit(w http.ResponseWriter, r *http.Request)
	close() error
}

func newVendor(t *testing.T, k kind, ledger string) vendor {
	t.Helper()
	switch k {
	case kindStripe:
		f, err := stripefake.Open("", stripefake.Options{SearchLag: lag, ListLag: lag, ProcessingFor: decides})
		require.NoError(t, err)
		return &stripeVendor{f, f.Handler()}
	case kindSquare:
		s, err := squarefake.Open(squarefake.Options{Lag: lag})
		require.NoError(t, err)
		return squareVendor{s}
	default:
		g, err := sandbox.Open(ledger, sandbox.WithLog(slog.New(slog.DiscardHandler)))
		require.NoError(t, err)
		return &sandboxVendor{g, sandbox.Handler(g)}
	}
}

// behaviour is what a gateway does with the charge of an order. Every kind does the same, so that an order may fail
// over: the sandbox decides by the amount, Stripe and Square by the payment method.
type behaviour struct {
	name           string
	amount         string
	stripe, square payment.PaymentMethod
	approve        bool // of what is pending
}

var (
	approves = behaviour{"approves", "100.00", "pm_card_visa", "cnon:card-nonce-ok", true}
	declines = behaviour{"declines", "9402.00", "pm_card_visa_chargeDeclined", "cnon:card-nonce-declined", false}
	// The bank decides later.
	approvesLater = behaviour{"approves later", "9202.00", "pm_usBankAccount", "bnon:bank-nonce-ok", true}
	declinesLater = behaviour{"declines later", "9203.00", "pm_usBankAccount_insufficientFunds", "bnon:bank-nonce-ok", false}

	behaviours = []behaviour{approves, declines, approvesLater, declinesLater}
)

// token is the payment method that a client sends. Each adapter gets the vendor's own in its place, as from a vault.
func (b behaviour) token() payment.PaymentMethod { return payment.PaymentMethod("tok_" + b.amount) }

func behaviourOf(token payment.PaymentMethod) behaviour {
	return behaviours[slices.IndexFunc(behaviours, func(b behaviour) bool { return b.token() == token })]
}

// stripeVendor is the fake of Stripe.
type stripeVendor struct {
	*stripefake.Fake
	handler http.Handler
}

func (v *stripeVendor) ServeHTTP(w http.ResponseWriter, r *http.Request) { v.handler.ServeHTTP(w, r) }

func (v *stripeVendor) open(name string, dial dialer) (ports.Gateway, error) {
	return stripegateway.New(stripegateway.Options{
		SecretKey: func() string { return "sk_test_simulation" }, BaseURL: "http://localhost", ID: payment.GatewayID(name),
		Timeout: gatewayTimeout, LookupLag: declaredLag, ReturnURL: "https://shop.example/back", Dial: dial,
	})
}

func (v *stripeVendor) charges(key payment.GatewayKey) (all []ledger) {
	for _, id := range v.Intents(string(key)) {
		l := ledger{transaction: id, taken: v.Received(id), refunded: v.Refunded(id), held: v.Status(id) == "requires_capture"}
		if l.taken > 0 || l.held {
			all = append(all, l)
		}
	}
	return all
}

func (v *stripeVendor) refunds(key payment.GatewayKey) (n int) {
	for _, id := range v.Refunds(string(key)) {
		if v.RefundStatus(id) == "succeeded" {
			n++
		}
	}
	return n
}

func (v *stripeVendor) giveBack(key payment.GatewayKey) {
	for _, id := range v.Refunds(string(key)) {
		if v.RefundStatus(id) == "pending" {
			v.SetRefund(id, "succeeded")
		}
	}
}

func (v *stripeVendor) decide(key payment.GatewayKey, _ bool) {
	for _, id := range v.Intents(string(key)) {
		v.Status(id) // the fake decides by its clock, when it is asked
	}
}

// fail saves the error, which every repeat of a POST gets (docs.stripe.com/api/idempotent_requests).
func (v *stripeVendor) fail(w http.ResponseWriter, r *http.Request, executed bool) {
	fault := stripefake.SavedErrorNoCharge
	if executed {
		fault = stripefake.SavedError
	}
	fault.Method = r.Method
	v.Inject(fault)
	v.ServeHTTP(w, r)
}

func (v *stripeVendor) limit(w http.ResponseWriter, r *http.Request) {
	v.Inject(stripefake.RateLimit)
	v.ServeHTTP(w, r)
}

func (v *stripeVendor) close() error { return v.Close() }

// squareVendor is the fake of Square.
type squareVendor struct{ *squarefake.Server }

// open gives each gateway the same location, so that two gateways of this kind would have one identity.
func (v squareVendor) open(_ string, dial dialer) (ports.Gateway, error) {
	return squaregateway.New(squaregateway.Options{
		Environment: squaregateway.Sandbox, LocationID: squarefake.DefaultLocation, BaseURL: "http://localhost",
		Token: func() string { return squarefake.DefaultToken }, Timeout: gatewayTimeout, LookupLag: declaredLag, Dial: dial,
	})
}

func (v squareVendor) charges(key payment.GatewayKey) (all []ledger) {
	for _, id := range v.IDs(string(key)) {
		l := ledger{transaction: id, taken: v.Taken(id), refunded: v.Refunded(id), held: v.Status(id) == "APPROVED"}
		if l.taken > 0 || l.held {
			all = append(all, l)
		}
	}
	return all
}

func (v squareVendor) refunds(key payment.GatewayKey) int { return v.Refunds(string(key)) }

func (v squareVendor) giveBack(payment.GatewayKey) {} // none is pending

func (v squareVendor) decide(key payment.GatewayKey, approve bool) {
	for _, id := range v.IDs(string(key)) {
		if v.Status(id) == "PENDING" {
			_ = v.Decide(id, map[bool]string{true: "COMPLETED", false: "FAILED"}[approve])
		}
	}
}

const squareErrors = `{"errors":[{"category":"%s","code":"%s"}]}`

func (v squareVendor) fail(w http.ResponseWriter, r *http.Request, executed bool) {
	if executed {
		v.ServeHTTP(httptest.NewRecorder(), r)
	}
	writeJSON(w, http.StatusInternalServerError, fmt.Sprintf(squareErrors, "API_ERROR", "INTERNAL_SERVER_ERROR"))
}

func (v squareVendor) limit(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusTooManyRequests, fmt.Sprintf(squareErrors, "RATE_LIMIT_ERROR", "RATE_LIMITED"))
}

func (v squareVendor) close() error { return v.Close() }

// sandboxVendor is the sandbox behind the gateway protocol.
type sandboxVendor struct {
	*sandbox.Gateway
	handler http.Handler
}

func (v *sandboxVendor) ServeHTTP(w http.ResponseWriter, r *http.Request) { v.handler.ServeHTTP(w, r) }

func (v *sandboxVendor) open(name string, dial dialer) (ports.Gateway, error) {
	return httpgateway.New("http://localhost", gatewayTimeout, httpgateway.WithID(payment.GatewayID(name)), httpgateway.WithDial(dial))
}

// line is a line of the sandbox's ledger. The last line of a charge counts, and a capture decides its charge.
type line struct {
	Key           string `json:"key"`
	ChargeKey     string `json:"charge_key"`
	Operation     string `json:"operation"`
	Amount        string `json:"amount"`
	Status        string `json:"status"`
	TransactionID string `json:"transaction_id"`
}

func (v *sandboxVendor) lines() (all []line) {
	w := httptest.NewRecorder()
	v.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/ledger", http.NoBody))
	for text := range bytes.Lines(w.Body.Bytes()) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			panic(err)
		}
		all = append(all, l)
	}
	return all
}

func (v *sandboxVendor) charges(key payment.GatewayKey) (all []ledger) {
	for _, l := range v.lines() {
		switch {
		case l.Key == string(key) && l.ChargeKey == "":
			all = l.decide(all)
		case l.ChargeKey == string(key) && l.Status == "succeeded" && len(all) > 0:
			l.operate(&all[len(all)-1])
		}
	}
	return all
}

// decide returns the charges of a key after a line about the charge.
func (l line) decide(all []ledger) []ledger {
	switch l.Status {
	case "succeeded":
		return append(all, ledger{transaction: l.TransactionID, taken: usd(l.Amount).Minor()})
	case "authorized":
		return append(all, ledger{transaction: l.TransactionID, held: true})
	case "voided":
		return slices.DeleteFunc(all, func(was ledger) bool { return was.held })
	}
	return all
}

// operate does what a capture or a refund did to its charge.
func (l line) operate(charge *ledger) {
	switch l.Operation {
	case "capture":
		charge.taken, charge.held = charge.taken+usd(l.Amount).Minor(), false
	case "": // a refund
		charge.refunded += usd(l.Amount).Minor()
	}
}

func (v *sandboxVendor) refunds(key payment.GatewayKey) (n int) {
	for _, l := range v.lines() {
		if l.Key == string(key) && l.ChargeKey != "" && l.Operation == "" && l.Status == "succeeded" {
			n++
		}
	}
	return n
}

func (v *sandboxVendor) decide(payment.GatewayKey, bool) {} // it decides by its clock

func (v *sandboxVendor) giveBack(payment.GatewayKey) {} // none is pending

// mark is the key that the answer to a request must have.
func mark(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		key = filepath.Base(r.URL.Path)
	}
	w.Header().Set("Idempotency-Key", key)
}

func (v *sandboxVendor) fail(w http.ResponseWriter, r *http.Request, executed bool) {
	if executed {
		v.ServeHTTP(httptest.NewRecorder(), r)
	}
	mark(w, r)
	writeJSON(w, http.StatusInternalServerError, `{"code":"internal","message":"simulated"}`)
}

func (v *sandboxVendor) limit(w http.ResponseWriter, r *http.Request) {
	mark(w, r)
	writeJSON(w, http.StatusTooManyRequests, `{"code":"too_many_requests","charged":false}`)
}

func (v *sandboxVendor) close() error { return v.Close() }

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// ledgerFolder returns a new folder in memory, if the system has one: the sandbox syncs each line.
func ledgerFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "vendors-*") //nolint:usetesting // t.TempDir is on the disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

func makeFolder(path string) error { return os.Mkdir(path, 0o700) }

func removeFolder(path string) { _ = os.RemoveAll(path) }

func usd(amount string) payment.Money {
	c, err := payment.ParseCurrency("USD")
	if err != nil {
		panic(err)
	}
	m, err := payment.ParseMoney(amount, c)
	if err != nil {
		panic(err)
	}
	return m
}
