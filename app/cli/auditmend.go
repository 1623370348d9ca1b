package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"paymentd/core"
	"paymentd/core/audit"
	"paymentd/core/payment"
)

// foundText describes a kind of difference in the report, from the side of the gateway (there) and of the
// table (here).
var foundText = map[audit.Kind]string{
	audit.KindUnknown:            "charged there, unknown here",
	audit.KindNotCharged:         "succeeded or authorized here, not there",
	audit.KindAmount:             "other amount",
	audit.KindCurrency:           "other currency",
	audit.KindTransaction:        "other transaction",
	audit.KindTwice:              "charged twice",
	audit.KindShared:             "one transaction for several orders",
	audit.KindOtherOrder:         "charged for another order",
	audit.KindNotSucceeded:       "charged there, not succeeded here",
	audit.KindLeftKey:            "charged with a key that the order has left",
	audit.KindUnresolvedCharged:  "charged there, unresolved here",
	audit.KindUnresolvedDeclined: "declined there, unresolved here",
	audit.KindPending:            "not decided there",
	audit.KindHeld:               "held there, not here",
	audit.KindVoided:             "voided there, succeeded here",
	audit.KindCaptured:           "other amount captured",
	audit.KindRefundedThere:      "refunded there, not here",
	audit.KindRefundedHere:       "refunded here, not there",
	audit.KindUnreadable:         "cannot be read here",
}

// adviceText is what to do about kinds of differences that have no command, and whose advice is always the same.
var adviceText = map[audit.Kind]string{
	audit.KindHeld:        releaseThere,
	audit.KindTransaction: "ask the gateway which of the two transactions took the money, and refund one if both did",
	audit.KindShared:      whichOrder,
	audit.KindOtherOrder:  whichOrder,
	audit.KindNotCharged:  "ask the gateway whether it has the charge; if not, the order was not paid and needs a payment with a new order id",
	audit.KindVoided:      "ask the gateway who voided the charge; unless the order was cancelled, it needs a payment with a new order id",
	audit.KindPending:     "cancel the charge at the gateway, or wait until it has decided; then audit again",
}

// whichOrder is the advice about a charge of which another order is known.
const whichOrder = "ask the gateway which order it charged; the other order was not paid and needs a payment with a new order id"

// mend returns what to do about a difference, and the command for it if there is one.
func mend(d audit.Difference) (advice, command string) {
	resolve := "paymentd resolve " + quote(d.OrderID.String())
	switch d.Kind {
	case audit.KindUnknown:
		return mendUnknown(d)
	case audit.KindNotSucceeded:
		return mendNotSucceeded(d)
	case audit.KindLeftKey:
		return "record it, or refund it at the gateway if import refuses it", importLine(d)
	case audit.KindUnresolvedCharged:
		return "settle it", resolve + " --succeeded " + quote(d.Charge.TransactionID)
	case audit.KindUnresolvedDeclined:
		return "settle it", resolve + " --failed --reason 'the gateway declined it'"
	case audit.KindTwice:
		return mendTwice(d)
	case audit.KindAmount, audit.KindCurrency:
		return fmt.Sprintf("refund or charge the difference at the gateway: the order is for %s", d.Payment.Money), ""
	case audit.KindCaptured, audit.KindRefundedThere, audit.KindRefundedHere:
		return mendSum(d), ""
	case audit.KindUnreadable:
		return "repair the row, and audit again: " + d.Problem, ""
	default:
		return adviceText[d.Kind], ""
	}
}

// mendTwice is for a second charge of an order.
func mendTwice(d audit.Difference) (advice, command string) {
	second := core.SecondCharge{
		ChargeID: payment.ChargeID{Key: d.Charge.Key, TransactionID: d.Charge.TransactionID}, ChargedAt: d.Charge.Created,
	}
	switch {
	case d.Charge.State == payment.FoundAuthorized:
		return releaseThere, ""
	case d.Payment.OrderID == "":
		return "add the other charge of the order to the table, and audit again: this one can be refunded then", ""
	case second.Key == "" || second.Key == d.Payment.GatewayKey || d.Payment.State != payment.StateSucceeded:
		return "refund transaction " + second.TransactionID + " in the console of the gateway: the service cannot distinguish it " +
			"from the charge of the payment", ""
	}
	return "refund the second charge, which leaves the payment as it is", core.RefundSecondCharge(d.OrderID, second)
}

// mendSum is for a charge of which the gateway took or gave back another amount.
func mendSum(d audit.Difference) string {
	captured, show := d.Payment.Captured(), "paymentd show "+quote(d.OrderID.String())
	switch {
	case d.Kind == audit.KindRefundedThere:
		return "find the refund in the console of the gateway, and refund no more than the rest here: " + show + " has the refunds that " +
			"the service knows"
	case d.Kind == audit.KindRefundedHere:
		return "ask the gateway for the refunds whose gateway keys " + show + " has; what it did not give back, refund in its console"
	case d.Charge.Captured.Minor > captured.Minor():
		return fmt.Sprintf("refund the difference in the console of the gateway: %s were to be captured", captured)
	}
	return fmt.Sprintf("ask the gateway why it captured less than %s, and refund no more than it captured", captured)
}

// mendUnknown is for a charge of an order that the table lacks.
func mendUnknown(d audit.Difference) (advice, command string) {
	switch d.Charge.State {
	case payment.FoundApproved:
		return "add it to the table", importLine(d)
	case payment.FoundAuthorized:
		return releaseThere, ""
	default:
		return "wait until the gateway has decided the charge, or cancel it there; then audit again", ""
	}
}

// mendNotSucceeded is for a charge of a payment that is recorded as not charged.
func mendNotSucceeded(d audit.Difference) (advice, command string) {
	if d.Payment.State == payment.StateVoided {
		return "refund it in the console of the gateway: the order was voided", ""
	}
	return "record it", importLine(d)
}

// releaseThere is the advice about a hold that no payment knows.
const releaseThere = "release the hold in the console of the gateway: no payment of the service captures or voids it"

// importLine returns the command that adds the charge to the table.
func importLine(d audit.Difference) string {
	line, _ := json.Marshal(struct { //nolint:errchkjson // strings always encode
		Key           string `json:"key"`
		OrderID       string `json:"order_id"`
		Amount        string `json:"amount"`
		Currency      string `json:"currency"`
		Status        string `json:"status"`
		TransactionID string `json:"transaction_id"`
	}{
		string(d.Charge.Key), d.OrderID.String(), d.Charge.Money.Decimal(), d.Charge.Money.Currency().Code(),
		"succeeded", d.Charge.TransactionID,
	})
	return "printf '%s' " + quote(string(line)) + " | paymentd import -"
}

// quote returns the text as one word of a POSIX shell (POSIX.1-2017, 2.2.2 Single-Quotes).
func quote(s string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+="
	if s != "" && s[0] != '-' && strings.Trim(s, safe) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
