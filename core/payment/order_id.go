package payment

// MaxOrderIDBytes is the longest order id that is accepted, in bytes.
const MaxOrderIDBytes = 128

// OrderID is the caller's identifier of an order: 1 to 128 printable ASCII characters
// without spaces, compared byte by byte. "Order-1" and "order-1" are two orders.
type OrderID string

// ParseOrderID checks s against the rules of [OrderID]. The error is a *[FieldError].
func ParseOrderID(s string) (OrderID, error) {
	if s == "" {
		return "", &FieldError{Field: "order_id", Message: "order_id must not be empty"}
	}
	if len(s) > MaxOrderIDBytes {
		return "", &FieldError{Field: "order_id", Message: "order_id must have at most 128 characters"}
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return "", &FieldError{
				Field:   "order_id",
				Message: "order_id must consist of printable ASCII characters without spaces",
			}
		}
	}
	return OrderID(s), nil
}

func (id OrderID) String() string { return string(id) }
