package httpgateway

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"paymentd/core/payment"
)

// The words of the protocol for what became of a charge.
const (
	statusSucceeded  = "succeeded"
	statusAuthorized = "authorized"
	statusPending    = "pending"
	statusDeclined   = "declined"
	statusProcessing = "processing"
	statusVoided     = "voided"
	statusCancelled  = "cancelled"
)

// The codes of the protocol that mean something to the service.
const (
	codeNotFound  = "not_found"
	codeKeyReused = "idempotency_key_reused"
)

// markHeader is the response header that marks an answer as the gateway's own.
const markHeader = "Idempotency-Key"

// answer is an HTTP answer that arrived whole. It is the gateway's own only if it is marked.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	tooLong bool // the body has more than maxBodyBytes, and is cut
}

// marked reports whether the gateway itself wrote the answer: its header Idempotency-Key is the
// key of the charge. The name of a header has no case, and spaces around a value are no part of
// it (RFC 9110, sections 5.1 and 5.5). If the header comes more than once, each value must be
// the key, because otherwise something in between has added one. A list in one value is not the
// key. Interim answers (1xx) and trailers are not looked at.
func (a answer) marked(key payment.GatewayKey) bool {
	values := a.header[markHeader]
	for _, value := range values {
		if textproto.TrimString(value) != string(key) {
			return false
		}
	}
	return len(values) > 0 && key != "" && a.status/100 != 1
}

// unmarked says that the answer is not the gateway's own, and what it is.
func (a answer) unmarked() string {
	why := "it has no header " + markHeader
	if len(a.header[markHeader]) > 0 {
		why = "its header " + markHeader + " is not the key of the charge"
	}
	return clip("the answer " + a.describe() + " was not written by the gateway itself: " + why)
}

// object reads the JSON object of the body.
func (a answer) object() (object, error) {
	if a.tooLong {
		return object{}, errTooLong
	}
	return readObject(a.body)
}

// describe names the status, with the words of the body for people.
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

// message tells an operator what the gateway answered.
func (a answer) message() string { return clip("the gateway answered " + a.describe()) }

// unreadable tells an operator why nothing follows from an answer.
func (a answer) unreadable(err error) string {
	return clip("the gateway answered " + a.describe() + ", which cannot be read: " + err.Error())
}

// quote quotes a word of the gateway, and only the beginning of a long one.
func quote(word string) string {
	const enough = 40
	if len(word) > enough {
		word = word[:enough] + "…"
	}
	return strconv.Quote(word)
}

// clip bounds a message, and cuts no character in two.
func clip(message string) string {
	if len(message) <= payment.MaxMessageBytes {
		return message
	}
	return strings.ToValidUTF8(message[:payment.MaxMessageBytes], "")
}
