package httpapi

import (
	"mime"
	"strconv"
	"strings"
	"time"
)

// maxWait is the maximum of "Prefer: wait".
const maxWait = 60 * time.Second

// preferences are the supported ones of RFC 7240.
type preferences struct {
	wait  *time.Duration // nil if there is none
	async bool
}

// parsePrefer parses the values of the Prefer header. What is malformed or unknown is ignored, and
// the first of repeated preferences counts (section 2).
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

// parsePreference returns the name of a preference in lower case, and its value without quotes. Its
// parameters, after a semicolon, are ignored.
func parsePreference(element string) (name, value string, ok bool) {
	name, value, _ = strings.Cut(splitList(element, ';')[0], "=")
	name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
	if inner, isQuoted := strings.CutPrefix(value, `"`); isQuoted {
		value, ok = strings.CutSuffix(inner, `"`)
		return name, value, ok
	}
	return name, value, true
}

// parseWait parses delta-seconds (RFC 9110, section 10.2.3), and returns nil for anything else.
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

// applied returns the value of Preference-Applied, which is empty if none was applied. An
// asynchronous request did not wait.
func (p preferences) applied(async bool) string {
	switch {
	case async:
		return "respond-async"
	case p.wait != nil && !p.async:
		return "wait=" + strconv.Itoa(int(*p.wait/time.Second))
	}
	return ""
}

// wantsProblem reports whether the values of the Accept header ask for RFC 9457 problem details: by
// name, because a client that accepts anything does not know them, and with no lower quality than
// plain JSON.
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

// jsonSpecificity orders the media ranges that include application/json: the narrowest counts (RFC
// 9110, section 12.5.1). Zero if a range does not include it.
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

// splitList splits the value of a header at a separator outside of quotes (RFC 9110, sections 5.6.1
// and 5.6.4). It returns at least one part.
func splitList(value string, separator byte) []string {
	var parts []string
	start, inQuotes := 0, false
	for i := 0; i < len(value); i++ {
		switch {
		case inQuotes && value[i] == '\\':
			i++ // skip the escaped character
		case value[i] == '"':
			inQuotes = !inQuotes
		case value[i] == separator && !inQuotes:
			parts = append(parts, value[start:i])
			start = i + 1
		}
	}
	return append(parts, value[start:])
}
