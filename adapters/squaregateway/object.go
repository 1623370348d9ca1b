package squaregateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

var (
	errNotJSON = errors.New("it is not one JSON object")
	errNotUTF8 = errors.New("it is not UTF-8")
	errTwice   = errors.New("it has a repeated member")
)

// object is a JSON object. Its values are object, []any, string, json.Number, bool, and nil. Names are
// case-sensitive, unlike those of encoding/json's structs.
type object map[string]any

// readObject parses a body that must be exactly one JSON object in valid UTF-8. No name may be repeated
// in one object, at any depth, because parsers differ in which value they take.
func readObject(body []byte) (object, error) {
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0 || trimmed[0] != '{' || !json.Valid(trimmed): // also bounds the depth
		return nil, errNotJSON
	case !utf8.Valid(trimmed):
		return nil, errNotUTF8 // encoding/json would replace the bytes, which would change an id
	}
	d := json.NewDecoder(bytes.NewReader(trimmed))
	d.UseNumber()
	value, err := readValue(d)
	if err != nil {
		return nil, err
	}
	o, _ := value.(object)
	return o, nil
}

// readValue decodes one value of any type.
func readValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, errNotJSON
	}
	switch token {
	case json.Delim('{'):
		return readMembers(d)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			value, err := readValue(d)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, readEnd(d)
	}
	return token, nil
}

// readMembers reads an object after its opening brace.
func readMembers(d *json.Decoder) (any, error) {
	o := object{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, errNotJSON
		}
		name, _ := token.(string) // a name is always a string
		if _, repeated := o[name]; repeated {
			return nil, errTwice
		}
		if o[name], err = readValue(d); err != nil {
			return nil, err
		}
	}
	return o, readEnd(d)
}

// readEnd reads the end of an object or an array.
func readEnd(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return errNotJSON
	}
	return nil
}

// text returns a member that is a string, and otherwise an empty string.
func (o object) text(name string) string {
	text, _ := o[name].(string)
	return text
}

// object returns a member that is an object, and otherwise nil.
func (o object) object(name string) object {
	member, _ := o[name].(object)
	return member
}

// list returns a member that is an array, and otherwise nil.
func (o object) list(name string) []any {
	list, _ := o[name].([]any)
	return list
}

// integer returns a member that is a whole number, and whether it is.
func (o object) integer(name string) (int64, bool) {
	number, _ := o[name].(json.Number)
	value, err := number.Int64()
	return value, err == nil
}
