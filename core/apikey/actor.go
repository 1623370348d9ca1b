package apikey

import (
	"strings"
	"unicode"
)

// maxActorRunes is the longest name of a person, in characters; each has at most 4 bytes.
const maxActorRunes = 60

// Actor returns the name of the person who changes a key as it is stored: without characters that a terminal would
// interpret, and not longer than its column.
func Actor(name string) string {
	name = strings.ToValidUTF8(name, "")
	name = strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return -1
	}, name)
	if runes := []rune(name); len(runes) > maxActorRunes {
		name = string(runes[:maxActorRunes])
	}
	return strings.TrimSpace(name)
}
