package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/internal/gatewaycheck"
)

// checkReport is the report of gateway-check; docs/gateway-check.schema.json describes it.
type checkReport struct {
	Gateway  string                 `json:"gateway"`
	Keeps    bool                   `json:"keeps_the_promise"`
	Broken   []gatewaycheck.Promise `json:"broken"`
	Passed   int                    `json:"passed"`
	Failed   int                    `json:"failed"`
	Skipped  int                    `json:"skipped"`
	Seconds  float64                `json:"seconds"`
	Charges  []checkSum             `json:"charges"`
	Findings []gatewaycheck.Finding `json:"findings"`
}

// checkSum is what the checks charge in one currency, in units.
type checkSum struct {
	Currency string `json:"currency"`
	Expected string `json:"expected"` // if the gateway honours keys
	Worst    string `json:"worst"`    // if it charges at every attempt
}

func newCheckReport(name string, sums []gatewaycheck.Sum, findings []gatewaycheck.Finding, took time.Duration) checkReport {
	r := checkReport{Gateway: name, Broken: gatewaycheck.Broken(findings), Findings: findings, Seconds: took.Round(time.Millisecond).Seconds()}
	if r.Keeps = len(r.Broken) == 0; r.Keeps {
		r.Broken = []gatewaycheck.Promise{}
	}
	for _, s := range sums {
		r.Charges = append(r.Charges, checkSum{s.Worst.Currency().Code(), units(s.Expected), units(s.Worst)})
	}
	for _, f := range findings {
		switch f.Result {
		case gatewaycheck.Pass:
			r.Passed++
		case gatewaycheck.Fail:
			r.Failed++
		case gatewaycheck.Skip:
			r.Skipped++
		}
	}
	return r
}

func units(m payment.Money) string {
	if m.IsZero() {
		return "0"
	}
	return m.Decimal()
}

// verdict returns an error if the gateway cannot keep the promise.
func (r checkReport) verdict() error {
	if r.Keeps {
		return nil
	}
	var broken, failed []string
	for _, p := range r.Broken {
		broken = append(broken, `"`+string(p)+`"`)
	}
	for _, f := range r.Findings {
		if f.Result == gatewaycheck.Fail {
			failed = append(failed, f.Check)
		}
	}
	return errors.New("with this gateway, the service cannot promise " + strings.Join(broken, ", ") + ": failed: " + strings.Join(failed, "; "))
}

func (r checkReport) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// end prints the last line of the text.
func (r checkReport) end(w io.Writer) error {
	skipped := ""
	if r.Skipped > 0 {
		skipped = " What was skipped is unproven."
	}
	_, err := fmt.Fprintf(w, "%d passed, %d failed, %d skipped in %.1f s.%s\n", r.Passed, r.Failed, r.Skipped, r.Seconds, skipped)
	return err
}

// reportWidth is the longest line of the text, in characters.
const reportWidth = 118

// checkText prints findings as they come, in aligned columns.
type checkText struct {
	w    io.Writer
	name int // width of the column of names
}

func newCheckText(w io.Writer, names []string) checkText {
	width := 0
	for _, name := range names {
		width = max(width, len(name))
	}
	return checkText{w: w, name: width}
}

// begin prints what will be charged.
func (t checkText) begin(name string, sums []gatewaycheck.Sum) error {
	text := "gateway-check charges " + gatewaycheck.Describe(sums) + ", at " + name + "."
	_, err := fmt.Fprintf(t.w, "%s\n\n", strings.Join(wrap(text, reportWidth), "\n"))
	return err
}

// finding prints one finding: what was found, what it proves or leaves unproven, and what to do.
func (t checkText) finding(f gatewaycheck.Finding) {
	lead := map[gatewaycheck.Result]string{
		gatewaycheck.Pass: "proves: ", gatewaycheck.Fail: "not so: ", gatewaycheck.Skip: "unproven: ",
	}[f.Result]
	t.row(strings.ToUpper(string(f.Result)), f.Check, f.Found)
	t.row("", string(f.Promise), lead+f.Proves)
	if f.Advice != "" {
		t.row("", "", "→ "+f.Advice)
	}
	_, _ = fmt.Fprintln(t.w)
}

// row prints one row, whose last column may have several lines. A failed write shows at the end of the
// report, which is written to the same place.
func (t checkText) row(result, name, text string) {
	const gaps = 4 + 2 + 2
	for _, line := range wrap(text, reportWidth-gaps-t.name) {
		_, _ = fmt.Fprintf(t.w, "%-4s  %-*s  %s\n", result, t.name, name, line)
		result, name = "", ""
	}
}

// wrap breaks a text at spaces into lines of at most width bytes, unless a word is longer.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
