package payment

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds on what a gateway reports. A message or a code is made to fit. An approval whose transaction
// id does not fit, or is not printable ASCII, is unreadable.
const (
	MaxMessageBytes       = 500
	MaxTransactionIDBytes = 255
	MaxCodeBytes          = 64
	MaxReferenceBytes     = 255
)

// Sanitized returns the result as it can be stored. An approval or an authorization without a valid transaction id
// is unreadable, so its class becomes [ClassUnknownAnswered].
func (r Result) Sanitized() Result {
	if (r.Class == ClassApproved || r.Class == ClassAuthorized) && !validTransactionID(r.TransactionID) {
		return Result{
			Class:   ClassUnknownAnswered,
			Message: "the gateway approved without a usable transaction id",
		}
	}
	if r.Class != ClassPending || CheckRedirectURL(r.RedirectURL) != nil {
		r.RedirectURL = ""
	}
	if r.Class != ClassAuthorized || !validTime(r.HoldExpires) {
		r.HoldExpires = time.Time{}
	}
	return r
}

// Sanitized returns the lookup as it can be stored. A charge without a valid transaction id is
// unreadable, so its result becomes [FoundNoAnswer].
func (l Lookup) Sanitized() Lookup {
	if (l.Result == FoundApproved || l.Result == FoundAuthorized) && !validTransactionID(l.TransactionID) {
		return Lookup{
			Result:  FoundNoAnswer,
			Message: "a charge was found without a usable transaction id",
		}
	}
	if l.Result != FoundPending || CheckRedirectURL(l.RedirectURL) != nil {
		l.RedirectURL = ""
	}
	if l.Result != FoundAuthorized || !validTime(l.HoldExpires) {
		l.HoldExpires = time.Time{}
	}
	return l
}

func validReference(s string) bool {
	return s != "" && len(s) <= MaxReferenceBytes && printableASCII(s)
}

// printableASCII reports whether s has printable ASCII characters only, and no spaces.
func printableASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// CheckTransactionID refuses a transaction id that no payment has. The error is a *[FieldError].
func CheckTransactionID(id string) error {
	if !validTransactionID(id) {
		return &FieldError{Field: "transaction_id", Message: "must have 1 to 255 printable ASCII characters, without spaces around them"}
	}
	return nil
}

func validTransactionID(id string) bool {
	if id == "" || len(id) > MaxTransactionIDBytes {
		return false
	}
	for i := range len(id) {
		if id[i] < ' ' || id[i] > '~' {
			return false
		}
	}
	return strings.TrimSpace(id) == id
}

// sanitizeMessage makes a message fit to be stored and shown: valid UTF-8, with a space in place of
// each white space character and U+FFFD in place of other control characters, which databases refuse
// and terminals interpret; at most [MaxMessageBytes], cut between two characters.
func sanitizeMessage(s string) string {
	s = strings.Map(printable, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= MaxMessageBytes {
		return s
	}
	end := MaxMessageBytes
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

func printable(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsControl(r):
		return utf8.RuneError
	}
	return r
}

// sanitizeCode makes a code fit to be stored: printable ASCII without spaces, at most [MaxCodeBytes].
func sanitizeCode(s string) string {
	code := []byte(s[:min(len(s), MaxCodeBytes)])
	for i, b := range code {
		if b <= ' ' || b > '~' {
			code[i] = '_'
		}
	}
	return string(code)
}
