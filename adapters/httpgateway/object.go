package httpgateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"paymentd/core/payment"
)

var (
	errEmpty    = errors.New("it is empty")
	errHTML     = errors.New("it is a web page")
	errTooLong  = fmt.Errorf("it is longer than %d bytes", maxBodyBytes)
	errNotUTF8  = errors.New("it is not UTF-8")
	errNotJSON  = errors.New("it is not one JSON object")
	errTwice    = errors.New("it has a member twice")
	errCase     = errors.New("it has a member of the protocol in another case")
	errNoStatus = errors.New("it has no status that is a string")
	errStatus   = errors.New("its status is none of the gateway protocol")
	errBoth     = errors.New("it says that the charge succeeded, and that it did not")
	errNotFound = errors.New("it does not say " + codeNotFound)
	errCached   = errors.New("it comes from a cache (Age)")
	errID       = fmt.Errorf("its transaction_id is not 1 to %d printable ASCII characters without spaces around them",
		payment.MaxTransactionIDBytes)
)

// object is the JSON object of an answer: the members that the protocol has. A value is a string,
// a json.Number, a bool, nil for null, or a json.Delim for an object or an array.
type object struct {
	members map[string]any
}

// known are the members that mean something to the service. Others are accepted and passed over.
var known = map[string]bool{
	"transaction_id": true, "status": true, "code": true, "message": true,
	"error": true, "success": true, "charged": true,
}

// readObject reads a body that is one JSON object in valid UTF-8, with nothing behind it. Names
// are case-sensitive, and none may come twice in one object, at any depth: readers differ in
// which of two values they take. encoding/json alone would take the last, and any case. So a member
// whose name is the protocol's in another case makes the object unreadable as well: it may be meant.
func readObject(body []byte) (object, error) {
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0:
		return object{}, errEmpty
	case trimmed[0] == '<':
		return object{}, errHTML
	case !utf8.Valid(body):
		// encoding/json would replace the bytes, and a transaction id be another.
		return object{}, errNotUTF8
	case trimmed[0] != '{' || !json.Valid(body): // which also bounds the depth
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

// readMembers reads an object behind its opening brace, and hands its members to keep.
func readMembers(d *json.Decoder, keep func(name string, value any)) error {
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return errNotJSON
		}
		name, _ := token.(string) // nothing else can be in its place
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

// readValue decodes one value, whatever its type.
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

// text returns a member that is a string, and otherwise nothing.
func (o object) text(name string) string {
	text, _ := o.members[name].(string)
	return text
}

func (o object) status() string { return o.text("status") }

// charged reports whether the object says "charged", and what.
func (o object) charged() (value, said bool) {
	value, said = o.members["charged"].(bool)
	return value, said
}

// exists reports whether the object says that the charge exists or may: beside an error, or
// "nothing found", it contradicts that.
func (o object) exists() bool {
	switch o.status() {
	case statusSucceeded, statusAuthorized, statusPending, statusProcessing:
		return true
	}
	charged, _ := o.charged()
	return charged
}

// denies reports whether the object says that the charge did not succeed, whatever its status:
// an error that is not null, a success that is neither true nor null, or "charged": false.
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

// usableID is the domain's rule for a transaction id, which is to be kept and shown as it is.
func usableID(id string) bool {
	if id == "" || len(id) > payment.MaxTransactionIDBytes || id[0] == ' ' || id[len(id)-1] == ' ' {
		return false
	}
	for i := range len(id) {
		if id[i] < ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// code returns the reason of a decline.
func (o object) code() string {
	code := o.text("code")
	if code == "" {
		return defaultCode
	}
	return code[:min(len(code), payment.MaxCodeBytes)]
}

// words returns what the gateway says to people, or the fallback. Many gateways put it into
// "error".
func (o object) humanText(fallback string) string {
	if words := o.text("message"); words != "" {
		return words
	}
	if words := o.text("error"); words != "" {
		return words
	}
	return fallback
}
