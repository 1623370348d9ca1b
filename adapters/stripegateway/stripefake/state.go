package stripefake

import (
	"crypto/rand"
	"encoding/json"
	"time"
)

// The statuses of a PaymentIntent (docs.stripe.com/payments/paymentintents/lifecycle).
const (
	statusNeedsMethod  = "requires_payment_method"
	statusNeedsConfirm = "requires_confirmation"
	statusNeedsAction  = "requires_action"
	statusProcessing   = "processing"
	statusHeld         = "requires_capture"
	statusCanceled     = "canceled"
	statusSucceeded    = "succeeded"
	statusPending      = "pending"
	statusFailed       = "failed"
)

// state is everything that the ledger holds.
type state struct {
	Intents map[string]*intentRecord
	Order   []string // of creation
	Refunds map[string]*refundRecord
	// RefundOrder are the ids of the refunds in the order of creation.
	RefundOrder []string
	Keys        map[string]saved
}

func newState() state {
	return state{Intents: map[string]*intentRecord{}, Refunds: map[string]*refundRecord{}, Keys: map[string]saved{}}
}

// intentRecord is a PaymentIntent with its latest charge.
type intentRecord struct {
	ID           string            `json:"id"`
	Status       string            `json:"status"`
	Amount       int64             `json:"amount"`
	Received     int64             `json:"received,omitempty"`
	Refunded     int64             `json:"refunded,omitempty"`
	Currency     string            `json:"currency"`
	Metadata     map[string]string `json:"metadata"`
	Created      time.Time         `json:"created"`
	Method       string            `json:"method,omitempty"`
	Manual       bool              `json:"manual,omitempty"`
	Automatic    bool              `json:"automatic,omitempty"`
	ReturnURL    string            `json:"return_url,omitempty"`
	ActionURL    string            `json:"action_url,omitempty"`
	Secret       string            `json:"secret"`
	LastError    *errorBody        `json:"last_error,omitempty"`
	ChargeID     string            `json:"charge_id,omitempty"`
	ChargeError  *errorBody        `json:"charge_error,omitempty"`
	Canceled     time.Time         `json:"canceled"`
	CancelReason string            `json:"cancel_reason,omitempty"`
	SettleAt     time.Time         `json:"settle_at"`
	// HeldUntil is when a hold expires, which HidesExpiry keeps out of the answers.
	HeldUntil   time.Time `json:"held_until"`
	HidesExpiry bool      `json:"hides_expiry,omitempty"`
}

// refundRecord is a Refund.
type refundRecord struct {
	ID       string            `json:"id"`
	Intent   string            `json:"intent"`
	Charge   string            `json:"charge"`
	Amount   int64             `json:"amount"`
	Currency string            `json:"currency"`
	Metadata map[string]string `json:"metadata"`
	Status   string            `json:"status"`
	Created  time.Time         `json:"created"`
	// Failure is why the refund failed, and Reversal the balance transaction that brought the money back. Both are empty
	// unless it failed or was cancelled.
	Failure  string `json:"failure,omitempty"`
	Reversal string `json:"reversal,omitempty"`
}

// saved is the answer to a key.
type saved struct {
	Key      string          `json:"key,omitempty"`
	Endpoint string          `json:"endpoint,omitempty"`
	Form     string          `json:"form,omitempty"`
	Request  string          `json:"request,omitempty"`
	Status   int             `json:"status,omitempty"`
	Body     json.RawMessage `json:"body,omitempty"`
	At       time.Time       `json:"at"`
}

// token returns n random letters and digits.
func token(n int) string { return rand.Text()[:min(n, 26)] }

func encode(body any) []byte {
	data, err := json.Marshal(body)
	if err != nil {
		panic("stripefake: an answer cannot be encoded: " + err.Error())
	}
	return data
}
