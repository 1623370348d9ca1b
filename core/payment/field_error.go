package payment

// FieldError says which input of a payment the domain refuses, and what to change. It is for the caller
// that sent the input. Its message never contains the input, so it is short and safe to show and to
// log.
type FieldError struct {
	// Field is the input's name as the API spells it: "order_id", "amount" or "currency".
	Field string
	// Message is a sentence that says what to change, without a capital or a full
	// stop: "amount must be above zero".
	Message string
}

// Error returns the message, which names the field.
func (e *FieldError) Error() string { return e.Message }
