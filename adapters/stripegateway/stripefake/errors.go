package stripefake

const (
	typeInvalid = "invalid_request_error"
	typeCard    = "card_error"
	typeAPI     = "api_error"

	codeKeyInUse    = "idempotency_key_in_use"
	codeRateLimit   = "rate_limit"
	codeLockTimeout = "lock_timeout"
	codeMissing     = "resource_missing"
	codeState       = "payment_intent_unexpected_state"
)

// errorBody is Stripe's error object (docs.stripe.com/api/errors).
type errorBody struct {
	Type          string         `json:"type"`
	Code          string         `json:"code,omitempty"`
	DeclineCode   string         `json:"decline_code,omitempty"`
	Message       string         `json:"message"`
	Param         string         `json:"param,omitempty"`
	Charge        string         `json:"charge,omitempty"`
	DocURL        string         `json:"doc_url,omitempty"`
	PaymentIntent map[string]any `json:"payment_intent,omitempty"`
}

type errorEnvelope struct {
	Error errorBody `json:"error"`
}

// fail returns an error that is not saved, because the execution had not begun.
func fail(status int, e errorBody) reply {
	if e.Code != "" {
		e.DocURL = "https://stripe.com/docs/error-codes/" + e.Code
	}
	return reply{status: status, body: errorEnvelope{e}, unsaved: true}
}

// invalid returns the answer to a wrong parameter.
func invalid(param, code, message string) reply {
	return fail(400, errorBody{Type: typeInvalid, Code: code, Param: param, Message: message})
}
