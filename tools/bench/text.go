package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// none stands for what was not measured, or cannot be told from so few payments.
const none = "-"

// page prints lines and tables, and keeps the first error.
type page struct {
	w   io.Writer
	err error
}

func (p *page) line(format string, values ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", values...)
	}
}

// table prints rows with their cells in columns, to the right.
func (p *page) table(rows [][]string) {
	if p.err != nil {
		return
	}
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, cells := range rows {
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t")+"\t") // told by Flush
	}
	p.err = t.Flush()
}

func (f *report) text(w io.Writer) error {
	p := &page{w: w}
	f.head(p)
	if len(f.Rows) > 0 {
		f.speed(p)
		f.costs(p)
		f.others(p)
	}
	f.Special.text(p)
	f.audited(p)
	return p.err
}

func (f *report) head(p *page) {
	p.line("%d processors, %s, %.0f flushes of 4 KiB a second on its disk",
		f.Machine.Processors, f.Machine.Go, f.Machine.Flushes)
	var settings []string
	for _, name := range serverSettings {
		settings = append(settings, name+"="+f.Server.Settings[name])
	}
	p.line("server %s: %s", f.Server.Version, strings.Join(settings, " "))
	if len(f.Set) > 0 {
		p.line("service with %s", strings.Join(f.Set, " "))
	}
	p.line("%d rounds of %s after %s of warm-up and 0.5 ms a client; %s order ids, seed %s; %.0f s in all",
		f.Rounds, f.For, f.WarmUp, f.IDs, f.Seed, f.Took)
}

func (f *report) speed(p *page) {
	p.line("\nThe whole service over HTTP; times in ms; its payments/s over those of each other way, as the median (least-most) of the rounds; - where too few to tell\n")
	rows := [][]string{{"clients", "gateway", "payments/s", "p50", "p99", "p99.9", "errors", "x bare", "x batched", "x textbook"}}
	for _, r := range f.Rows {
		mine := r.Ways[ours]
		if mine == nil {
			continue
		}
		rows = append(rows, append(append(r.head(), mine.speed()...),
			r.ratio(bare), r.ratio(batched), r.ratio(textbook)))
	}
	p.table(rows)
}

func (f *report) costs(p *page) {
	p.line("\nWhat a payment takes: of the database, and of the service; CPU in µs of each process; and how many processors were busy with it, and with anything else\n")
	rows := [][]string{{
		"clients", "gateway", "way", "commits", "statements", "flushes", "log B", "received B", "sent B",
		"allocated B", "allocations", "peak MB", "CPU service", "database", "gateway", "bench", "all", "busy", "elsewhere",
	}}
	for _, r := range f.Rows {
		for _, way := range ways {
			if result := r.Ways[way]; result != nil {
				rows = append(rows, append(append(r.head(), way), result.costs()...))
			}
		}
	}
	p.table(rows)
}

func (f *report) others(p *page) {
	p.line("\nThe other ways\n")
	rows := [][]string{{"clients", "gateway", "way", "payments/s", "p50", "p99", "p99.9", "errors"}}
	for _, r := range f.Rows {
		for _, way := range ways[1:] {
			if result := r.Ways[way]; result != nil {
				rows = append(rows, append(append(r.head(), way), result.speed()...))
			}
		}
	}
	p.table(rows)
	for _, r := range f.Rows {
		for _, way := range ways {
			if result := r.Ways[way]; result != nil && result.FirstError != "" {
				p.line("%d clients, %s: the first error: %s", r.Clients, way, result.FirstError)
			}
		}
	}
}

func (f *report) audited(p *page) {
	p.line("")
	for _, a := range f.Audits {
		verdict := "as it must be"
		if wrong := a.wrong(); wrong != "" {
			verdict = "WRONG: " + wrong
		}
		p.line("%s: %d answers 200, %d payments succeeded, %d charges of %d orders in the ledger, %d errors: %s",
			a.What, a.Answers, a.Succeeded, a.Charges, a.Charged, a.Errors, verdict)
	}
}

func (r row) head() []string {
	return []string{strconv.Itoa(r.Clients), fmt.Sprintf("%g ms", r.GatewayMS)}
}

func (r row) ratio(way string) string {
	if _, ok := r.Ratios[way]; !ok {
		return none
	}
	return r.Ratios[way].text()
}

func (s spread) text() string { return fmt.Sprintf("%.2f (%.2f-%.2f)", s.Median, s.Min, s.Max) }

func (r *result) speed() []string {
	return []string{
		fmt.Sprintf("%.0f", r.PerSecond.Median),
		millis(r.P50), millis(r.P99), millis(r.P999), strconv.Itoa(r.Errors),
	}
}

func millis(ms float64) string {
	if ms == 0 {
		return none
	}
	return fmt.Sprintf("%.1f", ms)
}

func (r *result) costs() []string {
	c := r.Cost
	cells := []string{
		fmt.Sprintf("%.2f", c.Commits), fmt.Sprintf("%.2f", c.Statements), fmt.Sprintf("%.2f", c.Flushes),
		whole(c.LogBytes), whole(c.ReceivedBytes), whole(c.SentBytes),
		whole(c.AllocatedBytes), whole(c.Allocations), whole(r.PeakBytes / 1e6),
	}
	all := 0.0
	for _, process := range processes {
		cells = append(cells, whole(c.CPU[process]))
		all += c.CPU[process]
	}
	return append(cells, whole(all), fmt.Sprintf("%.1f", c.Busy), fmt.Sprintf("%.1f", c.Elsewhere))
}

func whole(n float64) string {
	if n == 0 {
		return none
	}
	return fmt.Sprintf("%.0f", n)
}
