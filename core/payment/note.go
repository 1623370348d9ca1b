package payment

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ParseRefundReason checks a client's reason for a refund, which is stored as the operation's note and sent to
// gateways that take one: 1 to [MaxMessageBytes] bytes of text in one line. A text with a card number is refused,
// because the reason is stored and logged. The error is a *[FieldError], and never contains the text.
func ParseRefundReason(s string) (string, error) {
	wrong := func(format string, args ...any) (string, error) {
		return "", &FieldError{Field: "reason", Message: "reason must " + fmt.Sprintf(format, args...)}
	}
	switch {
	case strings.TrimSpace(s) == "":
		return wrong("not be empty; leave it out if there is none")
	case len(s) > MaxMessageBytes:
		return wrong("have at most %d bytes", MaxMessageBytes)
	case !utf8.ValidString(s) || sanitizeMessage(s) != s:
		return wrong("be text in one line, without control characters")
	case containsCardNumber(s):
		return wrong("not contain a card number")
	}
	return s, nil
}

// containsCardNumber reports whether a text contains a number that looks like that of a payment card: 13 to 19
// digits in any groups, next to other groups or not, that no letter touches, that pass the Luhn check and begin as
// such numbers do. Between two groups are at most three of the characters that people write there.
func containsCardNumber(s string) bool {
	for start := 0; start < len(s); start++ {
		if !isDigit(s[start]) {
			continue
		}
		end, groups := digitGroups(s, start)
		touched := start > 0 && isWordByte(s[start-1]) || end < len(s) && isWordByte(s[end])
		if !touched && anyCardNumber(groups) {
			return true
		}
		start = end
	}
	return false
}

// digitGroups returns the groups of digits from start on, and where they end.
func digitGroups(s string, start int) (end int, groups [][]byte) {
	const maxBetween = 3
	for end = start; ; {
		var group []byte
		for ; end < len(s) && isDigit(s[end]); end++ {
			group = append(group, s[end]-'0')
		}
		groups = append(groups, group)
		next := end
		for next < len(s) && next-end <= maxBetween && strings.IndexByte(" -.,/_", s[next]) >= 0 {
			next++
		}
		if next == end || next-end > maxBetween || next == len(s) || !isDigit(s[next]) {
			return end, groups
		}
		end = next
	}
}

// anyCardNumber reports whether some groups that follow each other are the number of a card.
func anyCardNumber(groups [][]byte) bool {
	const longest = 19
	for first := range groups {
		var digits []byte
		for _, group := range groups[first:] {
			if digits = append(digits, group...); len(digits) > longest {
				break
			}
			if isCardNumber(digits) && startsAsCard(digits) {
				return true
			}
		}
	}
	return false
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// isWordByte reports whether b belongs to a word: an ASCII letter, an underscore, or a part of another character.
func isWordByte(b byte) bool {
	return 'a' <= b|0x20 && b|0x20 <= 'z' || b == '_' || b >= utf8.RuneSelf
}

// startsAsCard reports whether digits begin as the number of a payment card: with 3 to 6 (travel, banking, and
// merchandising in ISO/IEC 7812-1), or from 2221 to 2720 (Mastercard). Times in milliseconds and dates do not.
func startsAsCard(digits []byte) bool {
	first := 0
	for _, d := range digits[:4] {
		first = first*10 + int(d)
	}
	return first/1000 >= 3 && first/1000 <= 6 || first >= 2221 && first <= 2720
}
