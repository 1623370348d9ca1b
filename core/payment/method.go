package payment

// PaymentMethod is the gateway's opaque token of what to charge, such as "pm_1N3T": 1 to
// [MaxPaymentMethodBytes] printable ASCII characters, and never a card number. Empty if there is none.
type PaymentMethod string

// MaxPaymentMethodBytes is the longest [PaymentMethod].
const MaxPaymentMethodBytes = 255

// ParsePaymentMethod checks a payment method that a client sent; empty is none. The error is a
// *[FieldError], and never contains the value.
func ParsePaymentMethod(s string) (PaymentMethod, error) {
	if s == "" {
		return "", &FieldError{Field: "payment_method", Message: "payment_method must not be empty; leave it out if there is none"}
	}
	if m := PaymentMethod(s); m.valid() {
		if LooksLikeCardNumber(s) {
			return "", &FieldError{
				Field:   "payment_method",
				Message: "payment_method must be a token of the gateway, not a card number",
			}
		}
		return m, nil
	}
	return "", &FieldError{
		Field:   "payment_method",
		Message: "payment_method must be 1 to 255 printable ASCII characters without spaces",
	}
}

func (m PaymentMethod) valid() bool {
	if len(m) > MaxPaymentMethodBytes {
		return false
	}
	for i := range len(m) {
		if m[i] <= ' ' || m[i] > '~' {
			return false
		}
	}
	return true
}

// LooksLikeCardNumber reports whether s contains a run of 13 to 19 digits, which spaces and hyphens may
// group, that passes the Luhn check of ISO/IEC 7812-1 annex B.
func LooksLikeCardNumber(s string) bool {
	const shortest, longest = 13, 19
	var digits []byte
	for i := 0; i <= len(s); i++ {
		switch {
		case i < len(s) && '0' <= s[i] && s[i] <= '9':
			digits = append(digits, s[i]-'0')
		case i < len(s) && (s[i] == ' ' || s[i] == '-'):
		default:
			if len(digits) >= shortest && len(digits) <= longest && luhn(digits) {
				return true
			}
			digits = digits[:0]
		}
	}
	return false
}

// luhn reports whether the last digit is the check digit of the others.
func luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i])
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
