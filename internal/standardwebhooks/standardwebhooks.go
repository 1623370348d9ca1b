// Package standardwebhooks signs and verifies webhooks as Standard Webhooks describes
// (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md), with symmetric signatures.
package standardwebhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Tolerance is how far the time of a webhook may be from now, in both directions. The specification leaves
// the value open; its reference libraries use five minutes.
const Tolerance = 5 * time.Minute

const (
	// SecretPrefix begins a secret as text ("Signature scheme" in the specification).
	SecretPrefix = "whsec_"

	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"

	version = "v1," // HMAC-SHA256

	minSecretBytes, maxSecretBytes = 24, 64
	maxIDBytes                     = 255
	maxSignatures                  = 16
)

// The errors of [Verify].
var (
	ErrUnsigned = errors.New("the event is not signed with a secret of this endpoint")
	ErrTime     = errors.New("the signature of the event is not of the last 5 minutes: check both clocks")
)

// Secret is a secret that sender and receiver share.
type Secret []byte

// ParseSecret parses a secret: whsec_ and the base64 of 24 to 64 bytes. The error does not contain the secret.
func ParseSecret(text string) (Secret, error) {
	encoded, found := strings.CutPrefix(text, SecretPrefix)
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if !found || err != nil || len(secret) < minSecretBytes || len(secret) > maxSecretBytes {
		return nil, fmt.Errorf("a secret must be %s and the base64 of %d to %d bytes", SecretPrefix, minSecretBytes, maxSecretBytes)
	}
	return secret, nil
}

// Sign sets the headers of a webhook. The id is the same for each delivery, and at is the time of this one.
func (s Secret) Sign(h http.Header, id string, at time.Time, body []byte) {
	Sign([]Secret{s}, h, id, at, body)
}

// Sign is [Secret.Sign] with several secrets, while one replaces another: a receiver accepts any of the signatures.
func Sign(secrets []Secret, h http.Header, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signatures := make([]string, len(secrets))
	for i, s := range secrets {
		signatures[i] = version + base64.StdEncoding.EncodeToString(s.mac(id, timestamp, body))
	}
	h.Set(headerID, id)
	h.Set(headerTimestamp, timestamp)
	h.Set(headerSignature, strings.Join(signatures, " "))
}

func (s Secret) mac(id, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, s)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// Verify returns the id of a webhook that is signed with one of the secrets, over its raw body, and whose time
// is within [Tolerance] of now. Signatures are compared in constant time. The error is [ErrUnsigned] or
// [ErrTime].
func Verify(secrets []Secret, h http.Header, body []byte, now time.Time) (id string, err error) {
	id, timestamp := single(h, headerID), single(h, headerTimestamp)
	signatures := strings.Fields(single(h, headerSignature))
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || !usableID(id) || len(signatures) > maxSignatures || !signed(secrets, signatures, id, timestamp, body) {
		return "", ErrUnsigned
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Tolerance {
		return "", ErrTime
	}
	return id, nil
}

func signed(secrets []Secret, signatures []string, id, timestamp string, body []byte) bool {
	valid := false
	for _, secret := range secrets {
		want := secret.mac(id, timestamp, body)
		for _, signature := range signatures {
			encoded, known := strings.CutPrefix(signature, version)
			got, err := base64.StdEncoding.DecodeString(encoded)
			if known && err == nil && hmac.Equal(got, want) {
				valid = true
			}
		}
	}
	return valid
}

// single returns a header that must come once only; empty otherwise.
func single(h http.Header, name string) string {
	if values := h[name]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// usableID reports whether the id can be logged.
func usableID(id string) bool {
	if id == "" || len(id) > maxIDBytes {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}
