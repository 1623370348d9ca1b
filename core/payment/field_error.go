package payment

// FieldError says which input of a payment the domain refuses, and what to change.
// It is for whoever sent the input: its message never holds what was sent, so it
// is safe to show, to log and to bound, whatever the input was.
type FieldError struct {
	// Field is the input's name as the API spells it: "order_id", "amount" or "currency".
	Field string
	// Message is a sentence that says what to change, without a capital or a full
	// stop: "amount must be above zero".
	Message string
}

// Error returns the message alone: it names the field already.
func (e *FieldError) Error() string { return e.Message }
