package cli

import (
	"encoding/json"
	"io"
	"time"
)

// jsonFlag is the flag of a command with a report. docs/commands.schema.json describes the documents of all.
type jsonFlag struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

// writeJSON prints one document.
func writeJSON(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(document)
}

// writeJSONLine prints a document as one line.
func writeJSONLine(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(document)
}

// stamp formats a time as the API does, and zero as an empty string.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
}

// unreadableJSON are the rows that a report omits.
func unreadableJSON[E error](unreadable []E) []string {
	problems := []string{} // [] in JSON, not null
	for _, why := range unreadable {
		problems = append(problems, why.Error())
	}
	return problems
}
