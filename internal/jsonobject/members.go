// Package jsonobject reads the members of a JSON object in the order in which they were written, with
// repeated names and names in any case. encoding/json's Decoder does so with several allocations for
// each token. Here [json.Valid] checks the syntax, so that only the ends of names and values have to be
// found.
package jsonobject

import (
	"bytes"
	"encoding/json"
)

// Members reads the members of an object one after the other:
//
//	for m := jsonobject.New(text); m.Next(); {
//		… m.Name, m.Value …
//	}
type Members struct {
	rest []byte // after the last member that was read

	Name  []byte // without quotes and escapes
	Value []byte // as it was written
}

// IsObject reports whether the text is exactly one JSON object, with white space around it. As with
// [json.Valid], its strings may contain bytes that are not UTF-8.
func IsObject(text []byte) bool {
	text = bytes.TrimLeft(text, space)
	return len(text) > 0 && text[0] == '{' && json.Valid(text)
}

// New returns the members of a text that [IsObject] accepts. It must not be used with any other text.
func New(text []byte) Members {
	return Members{rest: bytes.TrimLeft(text, space)[1:]}
}

// space is the white space of JSON (RFC 8259, section 2).
const space = " \t\r\n"

// Next reads the next member, and reports false if there is none.
func (m *Members) Next() bool {
	rest := bytes.TrimLeft(m.rest, space+",")
	if rest[0] == '}' {
		m.rest = rest
		return false
	}
	end := lengthOf(rest)
	m.Name, rest = contentOf(rest[:end]), bytes.TrimLeft(rest[end:], space+":")
	end = lengthOf(rest)
	m.Value, m.rest = rest[:end], rest[end:]
	return true
}

// Text returns the content of a JSON string, and false for any other value. An unpaired surrogate
// becomes U+FFFD, as in encoding/json.
func Text(value []byte) (text string, ok bool) {
	if value[0] != '"' {
		return "", false
	}
	return string(contentOf(value)), true
}

// contentOf returns the content of a JSON string, which is a part of it unless it has escapes.
func contentOf(value []byte) []byte {
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1]
	}
	var text string
	_ = json.Unmarshal(value, &text) // the syntax was checked
	return []byte(text)
}

// lengthOf returns the length of the value at the start of the text.
func lengthOf(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += stringLength(text[i:]) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default:
			if depth > 0 {
				continue
			}
			// A number, true, false or null.
			if end := bytes.IndexAny(text[i:], space+",]}"); end >= 0 {
				return i + end
			}
			return len(text)
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(text)
}

// stringLength returns the length of the string at the start of the text, with its quotes.
func stringLength(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
