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
	// prefix lets people and secret scanners recognize a key.
	prefix = "paymentd_"
	// secretBytes is the number of random bytes.
	secretBytes = 32
	// secretDigits is the length of those bytes in base 62, and checksumDigits that of a CRC-32 of
	// everything before it. A key consists of letters, digits and an underscore only, so that a double
	// click selects a whole key, and all of them are allowed in a bearer token (RFC 6750, section 2.1).
	secretDigits   = 43
	checksumDigits = 6
	base           = 62
)

// Secret is a whole key, to be shown to its owner once. It does not print itself.
type Secret struct{ text string }

// Reveal returns the key.
func (s Secret) Reveal() string { return s.text }

// String returns no part of the secret.
func (s Secret) String() string { return prefix + "…" }

// newSecret draws a key: paymentd_, 256 random bits, and a checksum. By the checksum, a secret scanner
// can recognize a key without a query (as with GitHub's tokens: "Behind GitHub's new authentication token
// formats", 2021), and a key that was cut off gets an error of its own.
func newSecret() Secret {
	var bits [secretBytes]byte
	_, _ = rand.Read(bits[:]) // never fails, see crypto/rand
	text := prefix + digits(new(big.Int).SetBytes(bits[:]), secretDigits)
	return Secret{text + checksum(text)}
}

// digits formats n in base 62, with leading zeros.
func digits(n *big.Int, width int) string { return fmt.Sprintf("%0*s", width, n.Text(base)) }

func checksum(text string) string {
	return digits(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(text)))), checksumDigits)
}

// The reasons to refuse a caller.
var (
	// ErrMissing: a key is needed, and the caller presents none.
	ErrMissing = errors.New("no API key is shown")
	// ErrUnknown: the key was never created, or is revoked.
	ErrUnknown = errors.New("no such API key")
	// ErrExpired: the key has expired.
	ErrExpired = errors.New("the API key has expired")
	// ErrMistyped: the text has the prefix of a key, and cannot be one.
	ErrMistyped = errors.New("the API key was cut off or mistyped")
)

// Check returns nil if the text has the form of a key, and otherwise ErrUnknown or ErrMistyped. The form
// is no secret.
func Check(text string) error {
	rest, found := strings.CutPrefix(text, prefix)
	if !found {
		return ErrUnknown
	}
	if len(rest) != secretDigits+checksumDigits || checksum(text[:len(text)-checksumDigits]) != rest[secretDigits:] {
		return ErrMistyped
	}
	return nil
}
