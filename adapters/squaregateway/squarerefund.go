package squaregateway

import (
	"net/url"
	"strings"

	"paymentd/core/payment"
)

// statusRejected is the state of a refund that a payment does not have. The others of PaymentRefund.status are
// PENDING ("awaiting approval"), COMPLETED ("successfully completed") and FAILED ("an error occurred"); REJECTED is
// "the refund was rejected".
const statusRejected = "REJECTED"

const (
	// maxReasonBytes is the longest reason of a refund (RefundPaymentRequest.reason).
	maxReasonBytes = 192
	// maxRefundIDBytes is the longest id of a refund (PaymentRefund.id).
	maxRefundIDBytes = 255
	// reasonPrefix begins the reason of our refunds. One that a person made in Square's dashboard has none, so that
	// its words are not taken for a key and an order.
	reasonPrefix = "paymentd "
)

// squareRefund is what the adapter reads of a PaymentRefund object.
type squareRefund struct {
	id       string
	reason   string
	key      payment.GatewayKey // from the reason, as the order; both are empty if the refund is not ours
	order    string
	payment  string // payment_id
	status   string
	location string
	money    money
}

// reasonOf returns the reason of a refund: the gateway key and the order, because a PaymentRefund names neither its
// idempotency key nor anything else of the request.
func reasonOf(key payment.GatewayKey, order payment.OrderID) string {
	return reasonPrefix + string(key) + " " + string(order)
}

// readRefund reads a PaymentRefund object. It returns nil if there is none, or if it has no usable id. The
// specification requires the id and the amount only; a refund without a status is one of a status that is not known.
func readRefund(o object) *squareRefund {
	r := &squareRefund{
		id: o.text("id"), reason: o.text("reason"), payment: o.text("payment_id"), status: o.text("status"), location: o.text("location_id"),
	}
	if !usableRefundID(r.id) {
		return nil
	}
	r.money = readMoney(o.object("amount_money"))
	if words, ours := strings.CutPrefix(r.reason, reasonPrefix); ours {
		key, order, _ := strings.Cut(words, " ")
		if printable(key) {
			r.key, r.order = payment.GatewayKey(key), order
		}
	}
	return r
}

// usableRefundID reports whether the id can be a part of a path. An empty one would turn the call that reads a
// refund into the one that lists them.
func usableRefundID(id string) bool {
	return printable(id) && len(id) <= maxRefundIDBytes && id != "." && id != ".."
}

// refundPath is the path of a refund with a usable id.
func refundPath(id string) []string { return []string{"v2/refunds", url.PathEscape(id)} }

// refunds reports whether the refund has given money back, or may still.
func (r *squareRefund) refunds() bool { return r.status != statusRejected && r.status != statusFailed }

// is reports whether the refund is of this amount and of this charge. A zero amount and an empty id are any.
func (r *squareRefund) is(m payment.Money, of payment.ChargeID) bool {
	want, err := moneyOf(m)
	return (m.IsZero() || err == nil && r.money == want) && (of.TransactionID == "" || r.payment == of.TransactionID)
}
