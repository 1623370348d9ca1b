package stripefake

import "time"

// render returns the PaymentIntent as Stripe's API does, with its latest charge as an id or expanded.
func (i *intentRecord) render(expand bool) map[string]any {
	body := map[string]any{
		"id": i.ID, "object": "payment_intent", "amount": i.Amount, "amount_capturable": 0, "amount_received": i.Received,
		"application": nil, "application_fee_amount": nil, "automatic_payment_methods": nil,
		"canceled_at": unix(i.Canceled), "cancellation_reason": orNil(i.CancelReason),
		"capture_method": "automatic_async", "client_secret": i.Secret, "confirmation_method": "automatic",
		"created": i.Created.Unix(), "currency": i.Currency, "customer": nil, "description": nil,
		"last_payment_error": nil, "latest_charge": orNil(i.ChargeID), "livemode": false, "metadata": i.Metadata,
		"next_action": nil, "on_behalf_of": nil, "payment_method": orNil(i.Method), "payment_method_types": []string{"card"},
		"processing": nil, "receipt_email": nil, "review": nil, "setup_future_usage": nil, "shipping": nil,
		"statement_descriptor": nil, "statement_descriptor_suffix": nil, "status": i.Status,
		"transfer_data": nil, "transfer_group": nil,
	}
	if i.Automatic {
		body["automatic_payment_methods"] = map[string]any{"enabled": true, "allow_redirects": "always"}
	}
	if i.Manual {
		body["capture_method"] = "manual"
		if i.Status == statusHeld {
			body["amount_capturable"] = i.Amount
		}
	}
	if i.LastError != nil {
		body["last_payment_error"] = *i.LastError
	}
	if i.Status == statusNeedsAction {
		body["next_action"] = i.nextAction()
	}
	if expand && i.ChargeID != "" {
		body["latest_charge"] = i.renderCharge()
	}
	return body
}

// nextAction has a URL only if a return_url was given.
func (i *intentRecord) nextAction() map[string]any {
	if i.ActionURL == "" {
		return map[string]any{"type": "use_stripe_sdk", "use_stripe_sdk": map[string]any{}}
	}
	return map[string]any{
		"type":            "redirect_to_url",
		"redirect_to_url": map[string]any{"return_url": i.ReturnURL, "url": i.ActionURL},
	}
}

func (i *intentRecord) renderCharge() map[string]any {
	charge := map[string]any{
		"id": i.ChargeID, "object": "charge", "amount": i.Amount, "amount_captured": i.Received, "amount_refunded": i.Refunded,
		"captured": i.Received > 0, "created": i.Created.Unix(), "currency": i.Currency, "failure_code": nil,
		"failure_message": nil, "livemode": false, "metadata": i.Metadata, "paid": true, "payment_intent": i.ID,
		"payment_method": orNil(i.Method), "refunded": i.Refunded == i.Amount, "status": statusSucceeded,
		"outcome": map[string]any{
			"network_status": "approved_by_network", "reason": nil, "risk_level": "normal",
			"seller_message": "Payment complete.", "type": "authorized",
		},
	}
	if i.Manual && !i.HeldUntil.IsZero() {
		card := map[string]any{"brand": "visa", "last4": "4242", "amount_authorized": i.Amount}
		if !i.HidesExpiry {
			card["capture_before"] = i.HeldUntil.Unix()
		}
		charge["payment_method_details"] = map[string]any{"type": "card", "card": card}
		charge["refunded"] = i.Status == statusCanceled || i.Received > 0 && i.Refunded == i.Received
	}
	switch {
	case i.ChargeError != nil:
		charge["paid"], charge["captured"], charge["status"] = false, false, statusFailed
		charge["failure_code"], charge["failure_message"] = i.ChargeError.Code, i.ChargeError.Message
		charge["outcome"] = map[string]any{
			"network_status": "declined_by_network", "reason": orNil(i.ChargeError.DeclineCode), "risk_level": "normal",
			"seller_message": "The bank did not return any further details with this decline.", "type": "issuer_declined",
		}
	case i.Status == statusProcessing:
		charge["status"], charge["paid"] = statusPending, false
	}
	return charge
}

func unix(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Unix()
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
