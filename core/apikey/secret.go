package apikey

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"
)

const (
	// prefix tells people, and programs that look for secrets in the wrong places, what this is.
	prefix = "paymentd_"
	// secretBytes are drawn at random.
	secretBytes = 32
	// secretDigits hold those bytes in base 62, and checksumDigits a CRC-32 of what comes before
	// them. Digits and letters alone: a double click selects a whole key, and each is a character
	// of a bearer token (RFC 6750, section 2.1).
	secretDigits   = 43
	checksumDigits = 6
	base           = 62
)

// Secret is a whole key, for the moment at which its owner gets it. It does not print itself.
type Secret struct{ text string }

// Reveal returns the key.
func (s Secret) Reveal() string { return s.text }

// String returns none of it.
func (s Secret) String() string { return prefix + "…" }

// mint draws a key: paymentd_, 256 random bits, and a checksum. With the checksum, whoever finds such
// a string can tell a key from what merely looks like one, without asking anybody (as with GitHub's
// tokens: "Behind GitHub's new authentication token formats", 2021); and one that was cut off is
// refused with words that say so.
func mint() Secret {
	var bits [secretBytes]byte
	_, _ = rand.Read(bits[:]) // which never fails: crypto/rand
	text := prefix + digits(new(big.Int).SetBytes(bits[:]), secretDigits)
	return Secret{text + checksum(text)}
}

// digits writes n in base 62, with zeros before it.
func digits(n *big.Int, width int) string { return fmt.Sprintf("%0*s", width, n.Text(base)) }

func checksum(text string) string {
	return digits(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(text)))), checksumDigits)
}

// Why a caller is refused.
var (
	// ErrMissing: no key is shown, and one is needed.
	ErrMissing = errors.New("no API key is shown")
	// ErrUnknown: the key was never made, or is revoked.
	ErrUnknown = errors.New("no such API key")
	// ErrMistyped: the text begins like a key that was made here, and cannot be one.
	ErrMistyped = errors.New("the API key was cut off or mistyped")
)

// Check returns nil where the text may be a key that was made here, and otherwise ErrUnknown, or
// ErrMistyped. It looks at the form alone, which is no secret.
func Check(text string) error {
	rest, ours := strings.CutPrefix(text, prefix)
	if !ours {
		return ErrUnknown
	}
	if len(rest) != secretDigits+checksumDigits || checksum(text[:len(text)-checksumDigits]) != rest[secretDigits:] {
		return ErrMistyped
	}
	return nil
}
