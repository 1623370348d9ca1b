package httpgateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"paymentd/core/payment"
	"paymentd/internal/redirect"
)

var (
	errEmpty    = errors.New("it is empty")
	errHTML     = errors.New("it is a web page")
	errTooLong  = fmt.Errorf("it is longer than %d bytes", maxBodyBytes)
	errNotUTF8  = errors.New("it is not UTF-8")
	errNotJSON  = errors.New("it is not one JSON object")
	errTwice    = errors.New("it has a repeated member")
	errCase     = errors.New("it has a member of the protocol in another case")
	errNoStatus = errors.New("it has no status that is a string")
	errStatus   = errors.New("its status is none of the gateway protocol")
	errBoth     = errors.New("it contradicts itself about whether the charge succeeded")
	errNotFound = errors.New("it does not say " + codeNotFound)
	errCached   = errors.New("it comes from a cache (Age)")
	errID       = fmt.Errorf("its transaction_id is not 1 to %d printable ASCII characters without spaces around them",
		payment.MaxTransactionIDBytes)
)

// object is the JSON object of an answer, with the members of the protocol. A value is a string, a
// json.Number, a bool, nil for null, or a json.Delim for an object or an array.
type object struct {
	members map[string]any
}

// known are the members that the service interprets. Others are ignored.
var known = map[string]bool{
	"transaction_id": true, "status": true, "code": true, "message": true,
	"error": true, "success": true, "charged": true, "redirect_url": true,
}

// readObject parses a body that must be exactly one JSON object in valid UTF-8. Names are
// case-sensitive, and none may be repeated in one object, at any depth, because parsers differ in
// which value they take. encoding/json alone would take the last one, in any case. A member whose
// name differs from a known one only in case makes the object unreadable as well, because it may
// be meant.
func readObject(body []byte, known map[string]bool) (object, error) {
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0:
		return object{}, errEmpty
	case trimmed[0] == '<':
		return object{}, errHTML
	case !utf8.Valid(body):
		// encoding/json would replace the bytes, which would change a transaction id.
		return object{}, errNotUTF8
	case trimmed[0] != '{' || !json.Valid(body): // also bounds the depth
		return object{}, errNotJSON
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	o := object{members: make(map[string]any, len(known))}
	if _, err := d.Token(); err != nil { // the opening brace
		return object{}, errNotJSON
	}
	otherCase := false
	err := readMembers(d, func(name string, value any) {
		switch {
		case known[name]:
			o.members[name] = value
		case known[strings.ToLower(name)]:
			otherCase = true
		}
	})
	switch {
	case err != nil:
		return object{}, err
	case otherCase:
		return object{}, errCase
	}
	return o, nil
}

// readMembers reads an object after its opening brace, and calls keep for each member.
func readMembers(d *json.Decoder, keep func(name string, value any)) error {
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return errNotJSON
		}
		name, _ := token.(string) // a name is always a string
		if seen[name] {
			return errTwice
		}
		seen[name] = true
		value, err := readValue(d)
		if err != nil {
			return err
		}
		keep(name, value)
	}
	return readEnd(d)
}

// readValue decodes one value of any type.
func readValue(d *json.Decoder) (any, error) {
	value, err := d.Token()
	if err != nil {
		return nil, errNotJSON
	}
	switch value {
	case json.Delim('{'):
		return value, readMembers(d, func(string, any) {})
	case json.Delim('['):
		for d.More() {
			if _, err := readValue(d); err != nil {
				return nil, err
			}
		}
		return value, readEnd(d)
	}
	return value, nil
}

// closed reads the end of an object or an array.
func readEnd(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return errNotJSON
	}
	return nil
}

// text returns a member that is a string, and otherwise an empty string.
func (o object) text(name string) string {
	text, _ := o.members[name].(string)
	return text
}

func (o object) status() string { return o.text("status") }

// charged returns the member "charged", and whether the object has it.
func (o object) charged() (value, said bool) {
	value, said = o.members["charged"].(bool)
	return value, said
}

// exists reports whether the object says that the charge exists or may exist, which contradicts an
// error or a 404.
func (o object) exists() bool {
	switch o.status() {
	case statusSucceeded, statusAuthorized, statusPending, statusProcessing:
		return true
	}
	charged, _ := o.charged()
	return charged
}

// denies reports whether the object says that the charge did not succeed, under any status: an
// error that is not null, a success that is neither true nor null, or "charged": false.
func (o object) denies() bool {
	if o.members["error"] != nil {
		return true
	}
	if success := o.members["success"]; success != nil && success != true {
		return true
	}
	charged, said := o.charged()
	return said && !charged
}

// approval returns the transaction id of a charge that succeeded.
func (o object) approval() (transactionID string, err error) {
	id := o.text("transaction_id")
	switch {
	case o.denies():
		return "", errBoth
	case !usableID(id):
		return "", errID
	}
	return id, nil
}

// usableID checks the domain's rule for a transaction id, because it is stored and shown unchanged.
func usableID(id string) bool {
	if id == "" || len(id) > payment.MaxTransactionIDBytes || id[0] == ' ' || id[len(id)-1] == ' ' {
		return false
	}
	return printable(id, ' ')
}

// printable reports whether s consists of ASCII characters from the lowest to "~".
func printable(s string, lowest byte) bool {
	for i := range len(s) {
		if s[i] < lowest || s[i] > '~' {
			return false
		}
	}
	return true
}

// reference returns the transaction id of a charge that is not approved yet, if it is usable.
func (o object) reference() string {
	if id := o.text("transaction_id"); usableID(id) {
		return id
	}
	return ""
}

// redirectURL returns where the customer must act. A URL that cannot be given to a customer is dropped;
// the second result says so, to be added to a message.
func (o object) redirectURL() (redirectURL, dropped string) {
	value := o.members["redirect_url"]
	if value == nil {
		return "", ""
	}
	text, _ := value.(string)
	if err := redirect.Check(text); err != nil {
		return "", "; its redirect_url was dropped: " + err.Error()
	}
	return text, ""
}

// code returns the reason of a decline.
func (o object) code() string {
	code := o.text("code")
	if code == "" {
		return defaultCode
	}
	return code[:min(len(code), payment.MaxCodeBytes)]
}

// humanText returns the message for people, or the fallback. Many gateways put it into "error".
func (o object) humanText(fallback string) string {
	if words := o.text("message"); words != "" {
		return words
	}
	if words := o.text("error"); words != "" {
		return words
	}
	return fallback
}
