package squaregateway

import (
	"net/url"
	"time"

	"paymentd/core/payment"
)

// The states of a payment (Payment.status). COMPLETED, CANCELED and FAILED are final ("Take Payments").
const (
	statusApproved  = "APPROVED"
	statusPending   = "PENDING"
	statusCompleted = "COMPLETED"
	statusCanceled  = "CANCELED"
	statusFailed    = "FAILED"
)

// maxIDBytes is the longest id of a payment (Payment.id).
const maxIDBytes = 192

// squarePayment is what the adapter reads of a Payment object.
type squarePayment struct {
	id        string
	reference string // reference_id: the gateway key
	note      string // the order id
	status    string
	location  string
	money     money // amount_money, which has no tip
	created   time.Time
	errors    []apiError // of its card
}

// readPayment reads a Payment object. It returns nil if there is none, or if it has no usable id or no
// status.
func readPayment(o object) *squarePayment {
	p := &squarePayment{
		id: o.text("id"), reference: o.text("reference_id"), note: o.text("note"), status: o.text("status"),
		location: o.text("location_id"),
	}
	if !usableID(p.id) || p.status == "" {
		return nil
	}
	amount := o.object("amount_money")
	p.money.Currency = amount.text("currency")
	if n, whole := amount.integer("amount"); whole {
		p.money.Amount = n
	}
	p.created, _ = time.Parse(time.RFC3339, o.text("created_at"))
	p.errors = readErrors(o.object("card_details"))
	return p
}

// usableID reports whether the id can be a part of a path. An empty one would turn the call to cancel a
// payment into the call that cancels by key (square-dotnet-sdk#13).
func usableID(id string) bool {
	return printable(id) && len(id) <= maxIDBytes && id != "." && id != ".."
}

// paymentPath is the path of a payment with a usable id, or of a call on it.
func paymentPath(id string, call ...string) []string {
	return append([]string{"v2/payments", url.PathEscape(id)}, call...)
}

// charges reports whether the payment may take money, or has.
func (p *squarePayment) charges() bool {
	return p.status != statusCanceled && p.status != statusFailed
}

// is reports whether the payment is of this amount. A zero amount is any.
func (p *squarePayment) is(m payment.Money) bool {
	want, err := moneyOf(m)
	return m.IsZero() || err == nil && p.money == want
}
