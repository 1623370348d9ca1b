package httpgateway

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"paymentd/core/payment"
)

// The states of a charge or another operation in the protocol.
const (
	statusSucceeded  = "succeeded"
	statusAuthorized = "authorized"
	statusPending    = "pending"
	statusDeclined   = "declined"
	statusProcessing = "processing"
	statusVoided     = "voided"
	statusCancelled  = "cancelled"
	statusReturned   = "returned" // of a refund only
)

// The codes of the protocol that the service interprets.
const (
	codeNotFound  = "not_found"
	codeKeyReused = "idempotency_key_reused"
)

// markHeader is the response header that marks an answer as the gateway's own.
const markHeader = "Idempotency-Key"

// answer is a complete HTTP response. It is the gateway's own only if it is marked.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	tooLong bool // the body exceeds its limit, and is truncated
}

// marked reports whether the gateway itself wrote the answer: its Idempotency-Key header is the key
// of the operation. The name of a header is case-insensitive, and spaces around a value are not part
// of it (RFC 9110, sections 5.1 and 5.5). If the header is repeated, each value must be the key,
// because otherwise an intermediary has added one. A list in one value is not the key. Interim
// responses (1xx) and trailers are ignored.
func (a answer) marked(key payment.GatewayKey) bool {
	values := a.header[markHeader]
	for _, value := range values {
		if textproto.TrimString(value) != string(key) {
			return false
		}
	}
	return len(values) > 0 && key != "" && a.status/100 != 1
}

// unmarked returns a message that the answer is not the gateway's own, and why.
func (a answer) unmarked() string {
	why := "it has no header " + markHeader
	if len(a.header[markHeader]) > 0 {
		why = "its header " + markHeader + " is not the key of the request"
	}
	return clip("the answer " + a.describe() + " was not written by the gateway itself: " + why)
}

// object parses the body as a JSON object.
func (a answer) object() (object, error) {
	if a.tooLong {
		return object{}, errTooLong
	}
	return readObject(a.body, chargeMembers)
}

// describe returns the status and the body's message for people.
func (a answer) describe() string {
	text := strconv.Itoa(a.status)
	if name := http.StatusText(a.status); name != "" {
		text += " " + name
	}
	said, _ := a.object()
	if words := said.humanText(""); words != "" {
		text += ": " + words
	}
	return text
}

// message returns a message for operators with the gateway's answer.
func (a answer) message() string { return clip("the gateway answered " + a.describe()) }

// unreadable returns a message for operators that says why the answer proves nothing.
func (a answer) unreadable(err error) string {
	return clip("the gateway answered " + a.describe() + ", which cannot be read: " + err.Error())
}

// quote quotes a value from the gateway, truncated if it is long.
func quote(value string) string {
	const maxBytes = 40
	if len(value) > maxBytes {
		value = value[:maxBytes] + "…"
	}
	return strconv.Quote(value)
}

// clip truncates a message without splitting a character.
func clip(message string) string {
	if len(message) <= payment.MaxMessageBytes {
		return message
	}
	return strings.ToValidUTF8(message[:payment.MaxMessageBytes], "")
}
