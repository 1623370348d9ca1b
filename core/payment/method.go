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
	if looksLikeCardNumber(s) {
		return "", &FieldError{
			Field:   "payment_method",
			Message: "payment_method must be a token of the gateway, not a card number",
		}
	}
	if m := PaymentMethod(s); m.valid() {
		return m, nil
	}
	return "", &FieldError{
		Field:   "payment_method",
		Message: "payment_method must be 1 to 255 printable ASCII characters without spaces",
	}
}

func (m PaymentMethod) valid() bool {
	return len(m) <= MaxPaymentMethodBytes && printableASCII(string(m))
}

// looksLikeCardNumber reports whether s is 13 to 19 digits, which any other characters than letters may
// group, that pass the Luhn check of ISO/IEC 7812-1 annex B.
func looksLikeCardNumber(s string) bool {
	const shortest, longest = 13, 19
	var digits []byte
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits = append(digits, c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'z':
			return false
		}
	}
	return len(digits) >= shortest && len(digits) <= longest && luhn(digits)
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
