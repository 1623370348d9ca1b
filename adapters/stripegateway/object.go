package stripegateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

var (
	errNotUTF8 = errors.New("it is not UTF-8")
	errNotJSON = errors.New("it is not one JSON object")
	errTwice   = errors.New("it has a repeated member")
	errTooLong = errors.New("it is too long")
)

// object is a JSON object. Names are case-sensitive, which encoding/json's structs are not.
type object map[string]json.RawMessage

// parseObject parses a body that must be exactly one JSON object in valid UTF-8. No name may be repeated in
// one object, at any depth, because parsers differ in which value they take.
func parseObject(body []byte) (object, error) {
	switch {
	case !utf8.Valid(body):
		return nil, errNotUTF8
	case !json.Valid(body): // also bounds the depth
		return nil, errNotJSON
	}
	if err := checkNames(body); err != nil {
		return nil, err
	}
	var o object
	if err := json.Unmarshal(body, &o); err != nil || o == nil {
		return nil, errNotJSON
	}
	return o, nil
}

// checkNames returns errTwice if an object of valid JSON repeats a name.
func checkNames(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var open []map[string]bool // names seen in each open object; nil for an array
	isName := false            // the next string is a name
	for {
		token, err := d.Token()
		if err != nil {
			return nil //nolint:nilerr // the end of valid JSON
		}
		switch token := token.(type) {
		case json.Delim:
			switch token {
			case '{':
				open = append(open, map[string]bool{})
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
			isName = len(open) > 0 && open[len(open)-1] != nil
			continue
		case string:
			if isName {
				names := open[len(open)-1]
				if names[token] {
					return errTwice
				}
				names[token], isName = true, false
				continue
			}
		}
		isName = len(open) > 0 && open[len(open)-1] != nil
	}
}

// text returns a member that is a string, and otherwise an empty string.
func (o object) text(name string) string {
	var s string
	_ = json.Unmarshal(o[name], &s) // s stays empty
	return s
}

// integer returns a member that is a whole number, and otherwise zero.
func (o object) integer(name string) int64 {
	var n int64
	_ = json.Unmarshal(o[name], &n) // n stays zero
	return n
}

// boolean returns a member that is a boolean.
func (o object) boolean(name string) (value, found bool) {
	if err := json.Unmarshal(o[name], &value); err != nil || string(o[name]) == "null" {
		return false, false
	}
	return value, true
}

// object returns a member that is an object, and otherwise nil.
func (o object) object(name string) object {
	var inner object
	_ = json.Unmarshal(o[name], &inner) // inner stays nil
	return inner
}

// objects returns a member that is an array of objects.
func (o object) objects(name string) ([]object, bool) {
	var all []object
	if err := json.Unmarshal(o[name], &all); err != nil || all == nil {
		return nil, false
	}
	return all, true
}
