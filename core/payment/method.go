package payment

// PaymentMethod is the gateway's opaque token of what to charge, such as "pm_1N3T": 1 to
// [MaxPaymentMethodBytes] printable ASCII characters, and never a card number. Empty if there is none.
type PaymentMethod string //nolint:revive // Method alone is that of HTTP or of an interface

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

// looksLikeCardNumber reports whether s has no letters, and 13 to 19 digits that pass the Luhn check of ISO/IEC
// 7812-1 annex B: all of them, in any groups, or a run of them, which an expiration date may follow.
func looksLikeCardNumber(s string) bool {
	var all, run []byte // all digits, and those since the latest other character
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			all, run = append(all, c-'0'), append(run, c-'0')
			continue
		case 'a' <= c|0x20 && c|0x20 <= 'z':
			return false
		}
		if isCardNumber(run) {
			return true
		}
		run = nil
	}
	return isCardNumber(run) || isCardNumber(all)
}

// isCardNumber reports whether these are 13 to 19 digits that pass the Luhn check.
func isCardNumber(digits []byte) bool {
	const shortest, longest = 13, 19
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
