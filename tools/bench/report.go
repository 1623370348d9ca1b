package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// report has all that was measured.
type report struct {
	Processors int     `json:"processors"`
	Go         string  `json:"go"`
	Flushes    float64 `json:"flushes_per_second"` // of 4 KiB, by one thread
	// Server has the version of the database server, and what decides how durable and fast it is.
	Server   string    `json:"server"`
	Paymentd string    `json:"paymentd"` // its settings
	Orders   string    `json:"orders"`
	Rounds   string    `json:"rounds"`
	Sections []section `json:"sections"`
	Audits   []audit   `json:"audits"`
	Took     float64   `json:"took_seconds"`
}

// section is one topic: rows, figures, or both.
type section struct {
	Title   string   `json:"title"`
	Rows    []row    `json:"rows,omitempty"`
	Figures []figure `json:"figures,omitempty"`
}

// figure is one measured value.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// row has contenders that were measured against each other.
type row struct {
	Clients int       `json:"clients"`
	Gateway string    `json:"gateway"` // protocol and latency
	Results []*result `json:"results"`
}

// result is what one contender did in all rounds of a row.
type result struct {
	Contender string `json:"contender"`
	PerSecond spread `json:"payments_per_second"`
	// Ratio is the payments per second of the first contender of the row to those of this one, round
	// by round.
	Ratio      spread `json:"ratio"`
	Payments   int    `json:"payments"` // in the measured time
	Errors     int    `json:"errors"`
	FirstError string `json:"first_error,omitempty"`
	latencies
	Usage     map[string]float64 `json:"usage"`      // see usage
	PeakBytes float64            `json:"peak_bytes"` // resident memory of the service

	perSecond []float64 // of each round
}

func newResult(c *contender, slices []slice) *result {
	r := &result{Contender: c.name}
	var took []time.Duration
	for _, s := range slices {
		r.perSecond = append(r.perSecond, s.perSecond())
		r.Payments += len(s.took)
		r.Errors += s.errors
		if s.err != nil && r.FirstError == "" {
			r.FirstError = s.err.Error()
		}
		r.PeakBytes = max(r.PeakBytes, s.peak)
		took = append(took, s.took...)
	}
	r.PerSecond, r.latencies, r.Usage = spreadOf(r.perSecond), latenciesOf(took), usage(slices)
	if !c.isService { // the service was idle
		r.PeakBytes, r.Usage[allocated], r.Usage[allocations] = 0, 0, 0
	}
	return r
}

// measure measures what the options ask for.
func measure(ctx context.Context, o options, progress io.Writer) (found *report, err error) {
	began := time.Now()
	h, err := newHarness(ctx, o, progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	found = &report{
		Processors: runtime.NumCPU(), Go: runtime.Version(),
		Paymentd: map[bool]string{true: "API keys, limits, metrics scraped every second, traces of 10 %", false: "its defaults"}[o.Full] +
			strings.Join(append([]string{""}, o.Set...), " "),
		Orders: fmt.Sprintf("%s, seed %016x", o.IDs, h.orders.seed), Rounds: fmt.Sprintf("%d of %v", o.Rounds, o.For),
	}
	if found.Server, err = h.describeServer(ctx); err != nil {
		return nil, err
	}
	if found.Flushes, err = flushesPerSecond(h.folder); err != nil {
		return nil, err
	}
	if o.Table {
		err = h.table(ctx, found)
	}
	if err == nil {
		err = h.specials(ctx, found)
	}
	found.Took = time.Since(began).Seconds()
	return found, err
}

func (h *harness) describeServer(ctx context.Context) (string, error) {
	names := []string{
		"innodb_flush_log_at_trx_commit", "innodb_doublewrite", "innodb_flush_method", "innodb_buffer_pool_size", "log_bin", "sync_binlog",
	}
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = "' " + name + "=', @@" + name
	}
	var server string
	if err := h.db.QueryRowContext(ctx, "SELECT CONCAT(VERSION(), ':', "+strings.Join(parts, ", ")+")").Scan(&server); err != nil {
		return "", fmt.Errorf("read the settings of the server: %w", err)
	}
	return server, nil
}

// table measures the contenders with each protocol and latency of the gateway.
func (h *harness) table(ctx context.Context, found *report) error {
	for _, protocol := range h.options.Gateway {
		s := section{Title: "Gateway over " + protocolNames[protocol]}
		for _, latency := range h.options.Latency {
			if err := h.rowsOf(ctx, protocol, latency, &s, found); err != nil {
				return err
			}
		}
		found.Sections = append(found.Sections, s)
	}
	return nil
}

func (h *harness) rowsOf(ctx context.Context, protocol string, latency time.Duration, into *section, found *report) error {
	suffix := protocol + "_" + strings.ReplaceAll(latency.String(), ".", "_")
	database, err := h.server.CreateDatabase(ctx, "others_"+suffix)
	if err != nil {
		return err
	}
	c := setup{name: "paymentd_" + suffix, latency: latency, protocol: protocol, full: h.options.Full}
	return h.with(ctx, c, func(s *system) error {
		var contenders []*contender
		for _, name := range h.options.contenders(protocol) {
			if name == paymentd {
				contenders = append(contenders, s.service(name))
				continue
			}
			if err := execute(ctx, database, fmt.Sprintf(paymentsTable, name)); err != nil {
				return fmt.Errorf("create a table: %w", err)
			}
			contenders = append(contenders, s.baseline(name, database))
		}
		for _, clients := range h.options.Clients {
			r, err := h.rounds(ctx, clients, s, contenders...)
			if err != nil {
				return err
			}
			into.Rows = append(into.Rows, r)
		}
		return found.audit(ctx, contenders...)
	})
}

// flushesPerSecond appends pages to a file in the folder and flushes each to the disk.
func flushesPerSecond(folder string) (perSecond float64, err error) {
	const during, page = 300 * time.Millisecond, 4096
	path := filepath.Join(folder, "flushes")
	file, err := os.Create(path) //nolint:gosec // in a folder of this process
	if err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(path)) }()
	began := time.Now()
	for n := 1; ; n++ {
		_, err := file.Write(make([]byte, page))
		if err := errors.Join(err, file.Sync()); err != nil {
			return 0, fmt.Errorf("measure the disk: %w", err)
		}
		if took := time.Since(began); took >= during {
			return float64(n) / took.Seconds(), nil
		}
	}
}

// write prints the report.
func (f *report) write(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(f)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight) // Flush returns the error of each write
	_, _ = fmt.Fprintf(t, "%d processors, %s, %.0f flushes of 4 KiB a second on the disk\nserver %s\npaymentd with %s\n"+
		"%s rounds, order ids %s; %.0f s in all\nratio: payments/s of the first contender to those of this one, "+
		"median (least-most) of the rounds; -: not measured, or too few values\n",
		f.Processors, f.Go, f.Flushes, f.Server, f.Paymentd, f.Rounds, f.Orders, f.Took)
	for _, s := range f.Sections {
		s.write(t)
	}
	_, _ = fmt.Fprintln(t)
	for _, a := range f.Audits {
		verdict := "consistent"
		if err := a.check(); err != nil {
			verdict = "WRONG: " + err.Error()
		}
		_, _ = fmt.Fprintf(t, "%s, gateway %s: %d paid, %d errors; %d succeeded in the table; %d charges of %d orders in the ledger: %s\n",
			a.Contender, a.Gateway, a.Paid, a.Errors, a.Succeeded, a.Charges, a.Charged, verdict)
	}
	return t.Flush()
}

// usageColumns are the columns of what a payment takes.
var usageColumns = []struct {
	title, key string
	scale      float64
	decimals   int
}{
	{"commits", commits, 1, 2},
	{"statements", statements, 1, 2},
	{"flushes", flushes, 1, 2},
	{"log B", logBytes, 1, 0},
	{"allocated B", allocated, 1, 0},
	{"allocations", allocations, 1, 0},
	{"service µs", cpuService, 1e6, 0},
	{"database µs", cpuDatabase, 1e6, 0},
	{"gateway µs", cpuGateway, 1e6, 0},
	{"clients µs", cpuClients, 1e6, 0},
	{"all µs", cpuAll, 1e6, 0},
	{"busy", "busy", 1, 1},
	{"elsewhere", "elsewhere", 1, 1},
}

func (s section) write(w io.Writer) {
	_, _ = fmt.Fprintf(w, "\n%s\n\n", s.Title)
	var speed, usage, errs strings.Builder
	for _, r := range s.Rows {
		for _, x := range r.Results {
			head := fmt.Sprintf("%d\t%s\t%s\t", r.Clients, r.Gateway, x.Contender)
			fmt.Fprintf(&speed, "%s%.0f\t%.2f (%.2f-%.2f)\t%s\t%s\t%s\t%s\t%d\t\n", head, x.PerSecond.Median,
				x.Ratio.Median, x.Ratio.Min, x.Ratio.Max, number(x.P50, 1), number(x.P99, 1), number(x.P999, 1), number(x.PeakBytes/1e6, 0), x.Errors)
			usage.WriteString(head)
			for _, c := range usageColumns {
				usage.WriteString(number(x.Usage[c.key]*c.scale, c.decimals) + "\t")
			}
			usage.WriteString("\n")
			if x.FirstError != "" {
				fmt.Fprintf(&errs, "%d clients, %s: the first error: %s\n", r.Clients, x.Contender, x.FirstError)
			}
		}
	}
	if len(s.Rows) > 0 {
		var titles strings.Builder
		for _, c := range usageColumns {
			titles.WriteString(c.title + "\t")
		}
		_, _ = fmt.Fprintf(w, "clients\tgateway\tcontender\tpayments/s\tratio\tp50 ms\tp99 ms\tp99.9 ms\tpeak MB\terrors\t\n%s\n"+
			"Per payment, with the processor time of each process; and the processors that all of these, and all other processes, keep busy\n\n"+
			"clients\tgateway\tcontender\t%s\n%s%s", speed.String(), titles.String(), usage.String(), errs.String())
	}
	for _, f := range s.Figures {
		_, _ = fmt.Fprintf(w, "%s: %.1f %s\n", f.Name, f.Value, f.Unit)
	}
}

// number prints zero, which stands for "not measured", as a dash.
func number(n float64, decimals int) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatFloat(n, 'f', decimals, 64)
}
