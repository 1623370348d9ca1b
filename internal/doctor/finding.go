// Package doctor is what the checks of a database, of the settings and of the gateway have
// found, as plain values: the service logs them at its start, and `paymentd doctor` prints them.
package doctor

// Level says whether to go live with what was found.
type Level string

const (
	// OK: nothing to do.
	OK Level = "ok"
	// Warn: the promise holds, and something else may suffer.
	Warn Level = "warn"
	// Fail: the promise leans on this, or nothing works without it. Do not go live.
	Fail Level = "fail"
)

// Finding is the result of one check.
type Finding struct {
	// Check is its name: that of the setting, where it is about one.
	Check string `json:"check"`
	Level Level  `json:"level"`
	// Found is what is the case.
	Found string `json:"found"`
	// Advice is what to change and why, in a sentence or two. Empty where the level is OK.
	Advice string `json:"advice,omitempty"`
}

// Good is a finding that needs nothing.
func Good(check, found string) Finding { return Finding{Check: check, Level: OK, Found: found} }

// Of is a finding that says what to change: of the level, unless right is true.
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

// Write is the finding of a write that was tried and rolled back. advice says what to change when the
// database answers and takes none.
func Write(err error, advice string) Finding {
	if err == nil {
		return Good("write", "tried, and rolled back")
	}
	return Of("write", err.Error(), false, Fail, advice)
}
