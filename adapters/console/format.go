package console

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"paymentd/core/endpoint"
	"paymentd/core/payment"
)

// functions are what the templates call.
var functions = template.FuncMap{
	"moment": moment, "stamp": stamp, "ago": ago, "until": until, "brief": brief, "orderPath": orderPath, "captured": captured,
	"endpointTone": endpointTone, "answerText": answerText, "subjectPath": subjectPath, "actKind": actKind,
	"endpointState": func(s endpoint.State) string { return strings.ReplaceAll(string(s), "_", " ") },
	"since":         func(from, now time.Time) string { return brief(now.Sub(from)) },
	"stateTone":     stateTone, "dict": dict, "why": why, "promise": promiseText, "ref": func(p payment.Payment) string { return formatRef(p.Ref()) },
	"seconds": func(d time.Duration) int { return int(d.Seconds()) }, "closure": func(c payment.Closure) string { return strings.ReplaceAll(string(c), "_", " ") },
}

// moment formats a time for reading, in UTC; empty for none.
func moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02 15:04:05")
}

// stamp formats a time for programs (RFC 3339).
func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// ago formats how long before now a time was.
func ago(at, now time.Time) string {
	switch {
	case at.IsZero():
		return "never"
	case at.After(now):
		return "in " + brief(at.Sub(now))
	}
	return brief(now.Sub(at)) + " ago"
}

// until formats how long after now a time is; "now" if it is over.
func until(at, now time.Time) string {
	switch {
	case at.IsZero():
		return "never"
	case !at.After(now):
		return "now"
	}
	return "in " + brief(at.Sub(now))
}

// brief formats a duration with its two largest units, such as 3 d 4 h.
func brief(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = max(0, d); {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < day:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", d/day, int(d.Hours())%24)
}

// captured returns how much of a hold was captured; empty unless it is a part.
func captured(p payment.Payment) string {
	if taken, held := p.CapturedHold(); held && taken != p.Money {
		return taken.Decimal()
	}
	return ""
}

// orderPath returns the path of a payment's page.
func orderPath(id payment.OrderID) string { return Root + "/payments/" + url.PathEscape(string(id)) }

// stateTone returns the colour of a state: colour is used for nothing else.
func stateTone(s payment.State) string {
	switch s {
	case payment.StateSucceeded, payment.StateVoided:
		return "good"
	case payment.StateDeclined, payment.StateFailed:
		return "bad"
	case payment.StateUnresolved:
		return "doubt"
	case payment.StateProcessing, payment.StateScheduled, payment.StatePending, payment.StateAuthorized:
		return "busy"
	}
	return ""
}

// dict makes a map of names and values, for a template that is called with several.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: %d arguments are not pairs", len(pairs))
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

func itoa(n int) string { return strconv.Itoa(n) }
