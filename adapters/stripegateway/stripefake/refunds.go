package stripefake

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strconv"
)

// refundParameters are those of POST /v1/refunds that the fake knows. Others are errors, as at Stripe.
var refundParameters = regexp.MustCompile(`^(payment_intent|amount|reason|metadata\[[^\[\]]{1,40}\])$`)

// refund answers POST /v1/refunds (docs.stripe.com/api/refunds/create).
func (f *Fake) refund(c *call) reply {
	for name := range c.form {
		if !refundParameters.MatchString(name) {
			return invalid(name, "parameter_unknown", "Received unknown parameter: "+name)
		}
	}
	i := f.copyOf(c.form["payment_intent"])
	switch {
	case i == nil:
		return missing("payment_intent", c.form["payment_intent"])
	case i.Status != statusSucceeded:
		return invalid("payment_intent", codeState, "This PaymentIntent does not have a successful charge to refund.")
	case methods[i.Method].disputed:
		return invalid("", "charge_disputed", "Charge "+i.ChargeID+" has been charged back; cannot issue a refund.")
	}
	left := i.Received - i.Refunded
	amount := left
	if text, given := c.form["amount"]; given {
		var err error
		if amount, err = strconv.ParseInt(text, 10, 64); err != nil || amount < 1 || amount%stepOf(i.Currency) != 0 {
			return invalid("amount", "parameter_invalid_integer", "Invalid integer: "+text)
		}
	}
	switch {
	case left == 0:
		return invalid("", "charge_already_refunded", "Charge "+i.ChargeID+" has already been refunded.")
	case amount > left:
		return invalid("amount", "", "Refund amount is greater than unrefunded amount on charge.")
	}
	i.Refunded += amount
	r := &refundRecord{
		ID: "re_" + token(24), Intent: i.ID, Charge: i.ChargeID, Amount: amount, Currency: i.Currency,
		Metadata: metadataOf(c.form), Status: statusSucceeded, Created: f.options.Clock(),
	}
	b := methods[i.Method]
	if b.bank {
		r.ID = "pyr_" + token(24) // a refund of a payment without a card
	}
	if b.bank || b.pendingRefund {
		r.Status = statusPending
	}
	return reply{status: http.StatusOK, body: r.render(), changed: []*intentRecord{i}, refunded: r}
}

func (f *Fake) retrieveRefund(c *call) reply {
	r := f.state.Refunds[c.id]
	if r == nil {
		return missing("refund", c.id)
	}
	return reply{status: http.StatusOK, body: r.render()}
}

// listRefunds answers GET /v1/refunds, newest first (docs.stripe.com/api/refunds/list).
func (f *Fake) listRefunds(c *call) reply {
	limit, ok := limitOf(c)
	if !ok {
		return invalid("limit", "parameter_invalid_integer", "Limit must be 1 to 100.")
	}
	after, skipping := c.form["starting_after"]
	if skipping && f.state.Refunds[after] == nil {
		return missing("refund", after)
	}
	intent := c.form["payment_intent"]
	data, more := []map[string]any{}, false
	for _, id := range slices.Backward(f.state.RefundOrder) {
		r := f.state.Refunds[id]
		switch {
		case skipping:
			skipping = id != after
			continue
		case intent != "" && r.Intent != intent, f.options.Clock().Sub(r.Created) < f.options.ListLag, !within(r.Created.Unix(), c.form):
			continue
		case len(data) == limit:
			more = true
		}
		if more {
			break
		}
		data = append(data, r.render())
	}
	return reply{status: http.StatusOK, body: map[string]any{
		"object": "list", "url": "/v1/refunds", "has_more": more, "data": data,
	}}
}

// SetRefund sets the status of a refund, as a bank, the customer or a person at the dashboard does. A refund that
// fails or is cancelled gives its amount back to the charge. It reports whether there is such a refund that has not
// failed yet.
func (f *Fake) SetRefund(id, status string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.state.Refunds[id]
	if before == nil || before.failed() {
		return false
	}
	r := *before
	r.Status = status
	change := reply{refunded: &r}
	if r.failed() {
		i := f.copyOf(r.Intent)
		i.Refunded -= r.Amount
		r.Failure, r.Reversal = cmp.Or(methods[i.Method].refundFailure, "unknown"), "txn_"+token(24)
		if status == statusCanceled {
			r.Failure = "merchant_request"
		}
		change.changed = []*intentRecord{i}
	}
	f.persist(change, saved{})
	return true
}

// Refunds returns the ids of the refunds with a gateway key in the metadata "paymentd_key", oldest first.
func (f *Fake) Refunds(key string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for _, id := range f.state.RefundOrder {
		if f.state.Refunds[id].Metadata["paymentd_key"] == key {
			ids = append(ids, id)
		}
	}
	return ids
}

// RefundStatus returns the status of a refund; empty if there is none.
func (f *Fake) RefundStatus(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.state.Refunds[id]; r != nil {
		return r.Status
	}
	return ""
}

// Refunded returns how much of a PaymentIntent is refunded or being refunded, in Stripe's unit of the currency.
func (f *Fake) Refunded(intent string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.state.Intents[intent]; i != nil {
		return i.Refunded
	}
	return 0
}

func (r *refundRecord) failed() bool { return r.Status == statusFailed || r.Status == statusCanceled }

// render returns the Refund as Stripe's API does (docs.stripe.com/api/refunds/object).
func (r *refundRecord) render() map[string]any {
	body := map[string]any{
		"id": r.ID, "object": "refund", "amount": r.Amount, "balance_transaction": nil, "charge": r.Charge,
		"created": r.Created.Unix(), "currency": r.Currency, "metadata": r.Metadata, "payment_intent": r.Intent,
		"reason": nil, "receipt_number": nil, "source_transfer_reversal": nil, "status": r.Status, "transfer_reversal": nil,
	}
	switch {
	case r.Status == statusPending:
		body["pending_reason"] = "processing"
	case r.Status == statusNeedsAction:
		body["next_action"] = map[string]any{"type": "display_details", "display_details": map[string]any{
			"email_sent": map[string]any{"email_sent_at": r.Created.Unix(), "email_sent_to": "customer@example.com"},
			"expires_at": r.Created.AddDate(0, 0, 45).Unix(),
		}}
	case r.failed():
		body["failure_reason"], body["failure_balance_transaction"] = r.Failure, r.Reversal
	}
	return body
}
