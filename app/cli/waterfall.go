package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// The characters of the waterfall.
const (
	drawnCall  = '=' // an attempt: a call to the gateway
	drawnOpen  = '>' // an attempt without a result
	drawnWait  = '.' // a pause before an attempt or before what is due next
	drawnEvent = '^'
	drawnCut   = '~' // a pause that the axis shortens
)

// maxBars bounds the rows of the waterfall.
const maxBars = 200

// bar is a row of the waterfall.
type bar struct {
	label string
	spans []drawnSpan
	note  string // such as the class of an attempt
}

// drawnSpan is a part of a row. from is not after to.
type drawnSpan struct {
	from, to time.Time
	draw     rune
}

// begin returns when the row begins.
func (b bar) begin() time.Time { return b.spans[0].from }

// barsOf returns the rows of a payment and its operations, in the order in which they begin.
func barsOf(h ports.History) []bar {
	bars := barsOfOne(h, h.Payment.SeenAt)
	for _, o := range h.Operations {
		bars = append(bars, barsOfOne(o, h.Payment.SeenAt)...)
	}
	slices.SortStableFunc(bars, func(a, b bar) int { return a.begin().Compare(b.begin()) })
	return bars
}

// barsOfOne returns the rows of one operation at now.
func barsOfOne(h ports.History, now time.Time) (bars []bar) {
	name := h.Payment.Operation.String()
	ended := time.Time{} // of the attempt before
	for _, a := range h.Attempts {
		if !a.Begun(now) {
			continue
		}
		b := bar{label: fmt.Sprintf("%s, attempt %d", name, a.Number), note: string(a.Class)}
		if !ended.IsZero() && ended.Before(a.StartedAt) {
			b.spans = append(b.spans, drawnSpan{ended, a.StartedAt, drawnWait})
		}
		call := drawnSpan{a.StartedAt, a.EndedAt, drawnCall}
		switch {
		case a.EndedAt.IsZero() && a.Class == "":
			call.to, call.draw, b.note = latest(now, a.StartedAt), drawnOpen, "running"
		case a.EndedAt.IsZero(): // its worker did not report a result
			call.to, call.draw = a.StartedAt, drawnOpen
		}
		b.spans = append(b.spans, call)
		bars, ended = append(bars, b), call.to
	}
	for _, e := range h.Events {
		label := string(e.Kind)
		if !h.Payment.Operation.IsCharge() {
			label = name + ", " + label
		}
		bars = append(bars, bar{label: label, spans: []drawnSpan{{e.At, e.At, drawnEvent}}})
	}
	if p := h.Payment; !p.State.Final() && !p.DueAt.IsZero() && p.DueAt.After(now) {
		bars = append(bars, bar{label: name + ", next", spans: []drawnSpan{{now, p.DueAt, drawnWait}}, note: string(p.State)})
	}
	return bars
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// axis maps times to columns. Calls are to scale; a pause in which no call runs is shortened if it is longer than all
// calls together and ten seconds.
type axis struct {
	times   []time.Time // in order, each once
	columns []int       // of the times
	cuts    []int       // columns in the middle of shortened pauses
}

// newAxis returns the axis of the rows over width columns, from a time on.
func newAxis(from time.Time, bars []bar, width int) axis {
	x := axis{times: []time.Time{from}}
	var calls []drawnSpan
	for _, b := range bars {
		for _, s := range b.spans {
			x.times = append(x.times, s.from, s.to)
			if s.draw == drawnCall || s.draw == drawnOpen {
				calls = append(calls, s)
			}
		}
	}
	slices.SortFunc(x.times, time.Time.Compare)
	x.times = slices.CompactFunc(x.times, time.Time.Equal)
	weights, whole := weigh(x.times, calls)
	column := func(weight time.Duration) int {
		return int(float64(width-1) * float64(weight) / float64(max(1, whole)))
	}
	sum := time.Duration(0)
	for i, w := range weights {
		x.columns = append(x.columns, column(sum))
		if i+1 < len(x.times) && w < x.times[i+1].Sub(x.times[i]) {
			x.cuts = append(x.cuts, column(sum+w/2))
		}
		sum += w
	}
	return x
}

// weigh returns the length of the axis from each time to the next, and the whole length.
func weigh(times []time.Time, calls []drawnSpan) (weights []time.Duration, whole time.Duration) {
	covered := make([]bool, len(times))
	longest := 10 * time.Second
	for i := range len(times) - 1 {
		covered[i] = slices.ContainsFunc(calls, func(s drawnSpan) bool { return !s.from.After(times[i]) && !s.to.Before(times[i+1]) })
		if covered[i] {
			longest += times[i+1].Sub(times[i])
		}
	}
	weights = make([]time.Duration, len(times))
	for i := range len(times) - 1 {
		weights[i] = times[i+1].Sub(times[i])
		if !covered[i] {
			weights[i] = min(weights[i], longest)
		}
		whole += weights[i]
	}
	return weights, whole
}

// at returns the column of a time that the axis has.
func (x axis) at(t time.Time) int {
	i, _ := slices.BinarySearchFunc(x.times, t, time.Time.Compare)
	return x.columns[min(i, len(x.columns)-1)]
}

// draw returns the row in width columns.
func (x axis) draw(b bar, width int) string {
	line := []rune(strings.Repeat(" ", width))
	for _, s := range b.spans {
		first, last := x.at(s.from), x.at(s.to)
		for i := first; i <= last; i++ {
			line[i] = s.draw
		}
	}
	return string(line)
}

// ruler returns the first row: the width of the axis, and where it shortens a pause.
func (x axis) ruler(width int) string {
	line := []rune("|" + strings.Repeat("-", width-2) + "|")
	for _, i := range x.cuts {
		line[i] = drawnCut
	}
	return string(line)
}

const (
	maxLabel  = 28 // in characters
	noteWidth = 24
	minAxis   = 20
)

// writeWaterfall prints the rows on one axis, in width characters if that is enough for the labels.
func writeWaterfall(w io.Writer, h ports.History, width int) error {
	bars := barsOf(h)
	if len(bars) == 0 {
		return nil
	}
	hidden := max(0, len(bars)-maxBars)
	bars = bars[:len(bars)-hidden]
	label := 0
	for _, b := range bars {
		label = max(label, min(maxLabel, len([]rune(b.label))))
	}
	from := h.Payment.CreatedAt
	if first := bars[0].begin(); first.Before(from) {
		from = first
	}
	drawn := max(minAxis, width-label-2-noteWidth)
	x := newAxis(from, bars, drawn)
	end := x.times[len(x.times)-1]
	_, err := fmt.Fprintf(w, "%*s %s 0s to %s\n", label, "", x.ruler(drawn), offset(end.Sub(from)))
	for _, b := range bars {
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-*s %s %s %s", label, shorten(b.label, maxLabel), x.draw(b, drawn),
			offset(b.spans[len(b.spans)-1].from.Sub(from)), b.note), " "))
	}
	if hidden > 0 && err == nil {
		_, err = fmt.Fprintf(w, "and %s more\n", thousands(hidden))
	}
	if err == nil && len(x.cuts) > 0 {
		_, err = fmt.Fprintf(w, "%c: a pause that is longer than drawn\n", drawnCut)
	}
	return err
}

// shorten cuts a text to at most n characters.
func shorten(text string, n int) string {
	if runes := []rune(text); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return text
}

// offset formats the time since the beginning of the axis.
func offset(d time.Duration) string {
	precision := time.Second
	switch {
	case d < time.Second:
		precision = time.Millisecond
	case d < time.Minute:
		precision = 100 * time.Millisecond
	case d >= 48*time.Hour:
		return fmt.Sprintf("+%dd", d/(24*time.Hour))
	}
	return "+" + d.Round(precision).String()
}

// topicTitles are the headings of an explanation.
var topicTitles = map[payment.Topic]string{
	payment.TopicWhy: "why", payment.TopicKey: "key", payment.TopicProven: "proven", payment.TopicDoubt: "in doubt", payment.TopicNext: "next",
}

// writeExplanation prints the reasons, wrapped to width characters.
func writeExplanation(w io.Writer, x payment.Explanation, width int) error {
	titles := 0
	for _, title := range topicTitles {
		titles = max(titles, len(title))
	}
	last := ""
	for _, r := range x.Reasons {
		title := cmp.Or(topicTitles[r.Topic], string(r.Topic))
		if title == last {
			title = ""
		} else {
			last = title
		}
		text := r.Text
		if !r.At.IsZero() {
			text += " (" + stamp(r.At) + ")"
		}
		for _, line := range wrap(text, width-titles-2) {
			if _, err := fmt.Fprintf(w, "%-*s  %s\n", titles, title, line); err != nil {
				return err
			}
			title = ""
		}
	}
	return nil
}
