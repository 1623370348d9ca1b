// Package doctor has the findings of `paymentd doctor`, and of the same checks at the service's start,
// as plain values.
package doctor

// Level says whether a finding permits to go live.
type Level string

const (
	// OK: nothing to do.
	OK Level = "ok"
	// Warn: the guarantees hold, and something else may suffer.
	Warn Level = "warn"
	// Fail: a guarantee depends on it, or nothing works without it. Do not go live.
	Fail Level = "fail"
)

// Finding is the result of one check.
type Finding struct {
	// Check is its name: the name of the setting, if it is about one.
	Check string `json:"check"`
	Level Level  `json:"level"`
	// Found is the state that the check found.
	Found string `json:"found"`
	// Advice is what to change and why, in a sentence or two. Empty if the level is OK.
	Advice string `json:"advice,omitempty"`
}

// Good returns a finding of level OK.
func Good(check, found string) Finding { return Finding{Check: check, Level: OK, Found: found} }

// Of returns a finding of the level, with advice, or of level OK if right is true.
func Of(check, found string, right bool, level Level, advice string) Finding {
	if right {
		return Good(check, found)
	}
	return Finding{Check: check, Level: level, Found: found, Advice: advice}
}

// Count returns how many of the findings are of the level.
func Count(findings []Finding, level Level) (n int) {
	for _, f := range findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

// Write returns the finding of a write that was tried and rolled back. advice says what to change if
// the database answers but refuses writes.
func Write(err error, advice string) Finding {
	if err == nil {
		return Good("write", "tried, and rolled back")
	}
	return Of("write", err.Error(), false, Fail, advice)
}
