package apikey

import (
	"errors"
	"strings"
)

// maxNameBytes is the longest name of a key, in bytes.
const maxNameBytes = 64

const nameCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._"

// Name is the name of a key: its owner or its purpose. No two active keys have the same name; names are
// case-sensitive.
type Name string

// ParseName checks the name of a new key. The error is a sentence that says what to change.
func ParseName(text string) (Name, error) {
	switch {
	case text == "":
		return "", errors.New("must not be empty: name the client that gets the key, such as shop-backend")
	case len(text) > maxNameBytes, strings.Trim(text, nameCharacters) != "":
		return "", errors.New("must consist of at most 64 letters, digits, hyphens, dots and underscores")
	case isID(text):
		return "", errors.New("must not look like the id of a key: use more, fewer or other characters than 12 hexadecimal digits")
	}
	return Name(text), nil
}
