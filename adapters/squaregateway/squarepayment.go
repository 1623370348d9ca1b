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

const (
	// maxIDBytes is the longest id of a payment (Payment.id).
	maxIDBytes = 192
	// maxVersionBytes bounds Payment.version_token, whose length Square does not document.
	maxVersionBytes = 1 << 10
)

// squarePayment is what the adapter reads of a Payment object.
type squarePayment struct {
	id        string
	reference string // reference_id: the gateway key
	note      string // the order id
	status    string
	location  string
	money     money    // amount_money, which has no tip
	total     money    // total_money, which is the same with a tip
	refunded  money    // refunded_money; zero if there is none
	refunds   []string // the ids of its refunds
	created   time.Time
	expires   time.Time  // delayed_until: when a hold is cancelled; zero if the answer does not say it
	version   string     // version_token; empty if there is none
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
	p.money, p.total = readMoney(o.object("amount_money")), readMoney(o.object("total_money"))
	p.refunded = readMoney(o.object("refunded_money"))
	for _, value := range o.list("refund_ids") {
		id, _ := value.(string)
		p.refunds = append(p.refunds, id)
	}
	p.created, _ = time.Parse(time.RFC3339, o.text("created_at"))
	p.expires, _ = time.Parse(time.RFC3339, o.text("delayed_until"))
	if version := o.text("version_token"); printable(version) && len(version) <= maxVersionBytes {
		p.version = version
	}
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

// charged returns the amount that was charged. One sentence of the guide "Refund Payments" says that a refund reduces
// amount_money, and the recorded answers of the sandbox leave total_money as it was. The service takes no tips.
func (p *squarePayment) charged() money {
	if p.refunded.Amount != 0 && p.total.Amount != 0 {
		return p.total
	}
	return p.money
}

// is reports whether the payment is of this amount. A zero amount is any.
func (p *squarePayment) is(m payment.Money) bool {
	want, err := moneyOf(m)
	return m.IsZero() || err == nil && p.charged() == want
}

// holds reports whether the payment is of a manual charge: its money is held until a capture or a void. A charge that is
// not manual has a hold of [HoldFor], which its own attempts complete. The mode is not known of a payment in a list.
func (p *squarePayment) holds(mode payment.CaptureMode) bool {
	return mode == payment.CaptureManual || !p.created.IsZero() && p.expires.Sub(p.created) > HoldFor
}

// isAutomatic reports whether the payment is known to be of a charge that is not manual.
func (p *squarePayment) isAutomatic() bool {
	return !p.expires.IsZero() && !p.created.IsZero() && p.expires.Sub(p.created) <= HoldFor
}

// isOf reports whether the payment is of a charge of this amount. A capture of a part reduces the amount of a payment
// whose money is held.
func (p *squarePayment) isOf(m payment.Money, mode payment.CaptureMode) bool {
	want, err := moneyOf(m)
	part := err == nil && p.charged().Currency == want.Currency && 0 < p.charged().Amount && p.charged().Amount <= want.Amount
	return p.is(m) || p.holds(mode) && part
}

// captured returns how much was taken of a payment whose money was held; zero for all.
func (p *squarePayment) captured(m payment.Money) payment.Money {
	if p.is(m) {
		return payment.Money{}
	}
	part, err := payment.MoneyFromMinor(p.charged().Amount, m.Currency())
	if err != nil {
		return payment.Money{}
	}
	return part
}
