package httpgateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"paymentd/core/payment"
)

// The words of the protocol for what became of a charge.
const (
	statusSucceeded  = "succeeded"
	statusDeclined   = "declined"
	statusProcessing = "processing"
)

var (
	errHTML    = errors.New("it is a web page")
	errTooLong = fmt.Errorf("it is longer than %d bytes", maxBodyBytes)
	errNotUTF8 = errors.New("it is not UTF-8")
	errNotJSON = errors.New("it is not a JSON object of the gateway protocol")
	errStatus  = errors.New("its status is none of the gateway protocol")
	errNoID    = errors.New("it has no transaction id")
	errLongID  = fmt.Errorf("its transaction id is longer than %d bytes", payment.MaxTransactionIDBytes)
)

// chargeAnswer is the JSON object of every answer.
type chargeAnswer struct {
	TransactionID string `json:"transaction_id"`
	Status        string `json:"status"`
	Code          remark `json:"code"`
	Message       remark `json:"message"`
	// Error is where many gateways put what the protocol calls message.
	Error remark `json:"error"`
}

// remark is a member on which the outcome does not hang. One that is not a string is
// left out, rather than making the whole answer unreadable: the money is taken even if
// the gateway puts a number beside its transaction id.
type remark string

// UnmarshalJSON never fails.
func (r *remark) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*r = remark(text)
	}
	return nil
}

// charge reads the JSON object of an answer.
func (a answer) charge() (chargeAnswer, error) {
	switch {
	case a.html():
		return chargeAnswer{}, errHTML
	case a.tooLong:
		return chargeAnswer{}, errTooLong
	case !utf8.Valid(a.body):
		// encoding/json would replace the bytes, and a transaction id be another.
		return chargeAnswer{}, errNotUTF8
	}
	var said *chargeAnswer
	if err := json.Unmarshal(a.body, &said); err != nil || said == nil {
		return chargeAnswer{}, errNotJSON
	}
	return *said, nil
}

// html reports whether the body is a web page, by its type or by its first character.
func (a answer) html() bool {
	mediaType, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	return mediaType == "text/html" || bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<"))
}

// describe tells an operator what came.
func (a answer) describe() string {
	text := "the gateway answered " + strconv.Itoa(a.status)
	if name := http.StatusText(a.status); name != "" {
		text += " " + name
	}
	said, _ := a.charge()
	if words := said.words(""); words != "" {
		text += ": " + words
	}
	return clip(text)
}

func (c chargeAnswer) checkTransactionID() error {
	switch {
	case c.TransactionID == "":
		return errNoID
	case len(c.TransactionID) > payment.MaxTransactionIDBytes:
		return errLongID
	}
	return nil
}

func (c chargeAnswer) code() string {
	if c.Code == "" {
		return defaultCode
	}
	return string(c.Code[:min(len(c.Code), payment.MaxCodeBytes)])
}

// words returns what the gateway says to people, or the fallback.
func (c chargeAnswer) words(fallback string) string {
	switch {
	case c.Message != "":
		return string(c.Message)
	case c.Error != "":
		return string(c.Error)
	}
	return fallback
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
