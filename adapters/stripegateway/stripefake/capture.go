package stripefake

import (
	"maps"
	"net/http"
	"regexp"
	"strconv"
)

// captureParameters are those of POST …/capture that the fake knows. Others are errors, as at Stripe.
var captureParameters = regexp.MustCompile(`^(amount_to_capture|expand\[\]|metadata\[[^\[\]]{1,40}\])$`)

// capture answers POST …/capture (docs.stripe.com/api/payment_intents/capture). What is not captured is released.
func (f *Fake) capture(c *call) reply {
	for name := range c.form {
		if !captureParameters.MatchString(name) {
			return invalid(name, "parameter_unknown", "Received unknown parameter: "+name)
		}
	}
	i := f.copyOf(c.id)
	switch {
	case i == nil:
		return missing("payment_intent", c.id)
	case i.Status != statusHeld:
		return unexpected(i, "capture")
	}
	amount := i.Amount
	if text, given := c.form["amount_to_capture"]; given {
		var err error
		switch amount, err = strconv.ParseInt(text, 10, 64); {
		case err != nil || amount < 1 || amount%stepOf(i.Currency) != 0:
			return invalid("amount_to_capture", "parameter_invalid_integer", "Invalid integer: "+text)
		case amount > i.Amount:
			return invalid("amount_to_capture", "amount_too_large", "The amount to capture is greater than the amount of the PaymentIntent.")
		}
	}
	if methods[i.Method].captureFails { // the authorization remains
		return reply{status: http.StatusPaymentRequired, body: errorEnvelope{errorBody{
			Type: typeCard, Code: "card_declined", DeclineCode: "generic_decline", Message: "Your card was declined.",
			Charge: i.ChargeID, PaymentIntent: i.render(false),
		}}}
	}
	i.Status, i.Received = statusSucceeded, amount
	i.Metadata = maps.Clone(i.Metadata)
	maps.Copy(i.Metadata, metadataOf(c.form))
	return reply{status: http.StatusOK, body: i.render(c.expands()), changed: []*intentRecord{i}}
}
