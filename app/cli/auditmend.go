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
	audit.KindUnreadable:         "cannot be read here",
}

// mend returns what to do about a difference, and the command for it if there is one.
func mend(d audit.Difference) (advice, command string) {
	resolve := "paymentd resolve " + quote(d.OrderID.String())
	switch d.Kind {
	case audit.KindUnknown:
		return mendUnknown(d)
	case audit.KindNotSucceeded:
		return mendNotSucceeded(d)
	case audit.KindHeld:
		return releaseThere, ""
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
	case audit.KindTransaction:
		return "ask the gateway which of the two transactions took the money, and refund one if both did", ""
	case audit.KindShared, audit.KindOtherOrder:
		return "ask the gateway which order it charged; the other order was not paid and needs a payment with a new order id", ""
	case audit.KindNotCharged:
		return "ask the gateway whether it has the charge; if not, the order was not paid and needs a payment with a new order id", ""
	case audit.KindVoided:
		return "ask the gateway who voided the charge; unless the order was cancelled, it needs a payment with a new order id", ""
	case audit.KindPending:
		return "cancel the charge at the gateway, or wait until it has decided; then audit again", ""
	case audit.KindUnreadable:
		return "repair the row, and audit again: " + d.Problem, ""
	}
	return "", ""
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
