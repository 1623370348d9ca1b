package httpapi

import (
	"mime"
	"strconv"
	"strings"
	"time"
)

// maxWait bounds what a client may ask for with "Prefer: wait".
const maxWait = 60 * time.Second

// preferences are those of RFC 7240 that are honoured here.
type preferences struct {
	wait  *time.Duration // nil when not asked for
	async bool
}

// parsePrefer reads the values of the Prefer header. What is malformed or not known is
// passed over, and of a preference that is given twice the first counts (section 2).
func parsePrefer(values []string) preferences {
	var p preferences
	if len(values) == 0 {
		return p
	}
	seen := make(map[string]bool)
	for _, element := range splitList(strings.Join(values, ","), ',') {
		name, value, ok := parsePreference(element)
		if !ok || seen[name] {
			continue
		}
		seen[name] = true
		switch name {
		case "respond-async":
			p.async = value == ""
		case "wait":
			p.wait = parseWait(value)
		}
	}
	return p
}

// parsePreference returns a preference's name, in lower case, and its value without
// quotes. Its parameters, behind a semicolon, are not for us.
func parsePreference(element string) (name, value string, ok bool) {
	name, value, _ = strings.Cut(splitList(element, ';')[0], "=")
	name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
	if inner, isQuoted := strings.CutPrefix(value, `"`); isQuoted {
		value, ok = strings.CutSuffix(inner, `"`)
		return name, value, ok
	}
	return name, value, true
}

// parseWait reads delta-seconds (RFC 9110 section 10.2.3), and returns nil for anything else.
func parseWait(text string) *time.Duration {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return nil
	}
	wait := maxWait
	if seconds, err := strconv.Atoi(text); err == nil && seconds < int(maxWait/time.Second) {
		wait = time.Duration(seconds) * time.Second
	}
	return &wait
}

// applied returns the value of Preference-Applied: what was honoured, if anything. A
// request that was accepted for later waited for nothing.
func (p preferences) applied(async bool) string {
	switch {
	case async:
		return "respond-async"
	case p.wait != nil && !p.async:
		return "wait=" + strconv.Itoa(int(*p.wait/time.Second))
	}
	return ""
}

// wantsProblem reports whether the values of the Accept header ask for errors as RFC 9457
// problem details: by name, for a client that takes anything does not know them, and no
// less than for plain JSON.
func wantsProblem(values []string) bool {
	problem, plain, specificity := 0, 0, 0
	for _, element := range splitList(strings.Join(values, ","), ',') {
		mediaRange, parameters, err := mime.ParseMediaType(element)
		if err != nil {
			continue
		}
		quality, ok := parseQuality(parameters["q"])
		if !ok {
			continue
		}
		if mediaRange == mediaTypeProblem {
			problem = max(problem, quality)
		}
		if s := jsonSpecificity(mediaRange); s > specificity {
			plain, specificity = quality, s
		}
	}
	return problem > 0 && problem >= plain
}

// jsonSpecificity orders the media ranges that application/json is in: the narrowest
// counts (RFC 9110 section 12.5.1). Zero when it is not in the range.
func jsonSpecificity(mediaRange string) int {
	switch mediaRange {
	case mediaTypeJSON:
		return 3
	case "application/*":
		return 2
	case "*/*":
		return 1
	}
	return 0
}

// parseQuality returns a qvalue (RFC 9110 section 12.4.2) in thousandths.
func parseQuality(text string) (thousandths int, ok bool) {
	if text == "" {
		return 1000, true
	}
	whole, fraction, _ := strings.Cut(text, ".")
	if len(whole) != 1 || len(fraction) > 3 || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, false
	}
	thousandths, err := strconv.Atoi(whole + fraction + "000"[len(fraction):])
	return thousandths, err == nil && thousandths <= 1000
}

// splitList cuts a header's value at a separator, but not inside of quotes (RFC 9110
// sections 5.6.1 and 5.6.4). It returns at least one part.
func splitList(value string, separator byte) []string {
	var parts []string
	start, inQuotes := 0, false
	for i := 0; i < len(value); i++ {
		switch {
		case inQuotes && value[i] == '\\':
			i++ // the next one is quoted by itself
		case value[i] == '"':
			inQuotes = !inQuotes
		case value[i] == separator && !inQuotes:
			parts = append(parts, value[start:i])
			start = i + 1
		}
	}
	return append(parts, value[start:])
}
