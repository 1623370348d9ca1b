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
	"time"
)

// report is all that was measured.
type report struct {
	Machine machine  `json:"machine"`
	Server  server   `json:"server"`
	Set     []string `json:"set,omitempty"` // what the service runs with besides its defaults
	Seed    string   `json:"seed"`
	IDs     string   `json:"ids"`
	Rounds  int      `json:"rounds"`
	For     string   `json:"for"`
	WarmUp  string   `json:"warm_up"`
	Rows    []row    `json:"rows"`
	Audits  []audit  `json:"audits"`
	Special special  `json:"special,omitzero"`
	Took    float64  `json:"took_seconds"`
}

// machine is what it was measured on.
type machine struct {
	Processors int    `json:"processors"`
	Go         string `json:"go"`
	// Flushes is how many writes of 4 KiB one thread gets to the disk in a second.
	Flushes float64 `json:"flushes_per_second"`
}

// server is the database server with what decides how durable and how fast it is.
type server struct {
	Version  string            `json:"version"`
	Settings map[string]string `json:"settings"`
}

var serverSettings = []string{
	"innodb_flush_log_at_trx_commit", "innodb_doublewrite", "innodb_flush_method",
	"innodb_buffer_pool_size", "log_bin", "sync_binlog",
}

// measure measures what the options ask for.
func measure(ctx context.Context, o options, progress io.Writer) (found *report, err error) {
	began := time.Now()
	r, err := newRig(ctx, o, progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if found, err = r.describe(ctx); err != nil {
		return nil, err
	}
	if o.Table {
		if err := r.table(ctx, found); err != nil {
			return nil, err
		}
	}
	if err := r.specials(ctx, found); err != nil {
		return nil, err
	}
	found.Took = time.Since(began).Seconds()
	return found, nil
}

// table measures every row, and audits after each latency.
func (r *rig) table(ctx context.Context, found *report) error {
	for _, latency := range r.options.Latency {
		if err := r.tableOf(ctx, latency, found); err != nil {
			return err
		}
	}
	return nil
}

func (r *rig) tableOf(ctx context.Context, latency time.Duration, found *report) (err error) {
	s, err := r.newStand(ctx, latency)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for _, clients := range r.options.Clients {
		row, err := s.row(ctx, clients)
		if err != nil {
			return err
		}
		found.Rows = append(found.Rows, row)
	}
	a, err := s.audit(ctx)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	found.Audits = append(found.Audits, a)
	return nil
}

// describe says what is measured, and on what.
func (r *rig) describe(ctx context.Context) (*report, error) {
	found := &report{
		Machine: machine{Processors: runtime.NumCPU(), Go: runtime.Version()},
		Server:  server{Settings: make(map[string]string)},
		Set:     r.options.Set,
		Seed:    fmt.Sprintf("%016x", r.orders.seed), IDs: r.options.IDs,
		Rounds: r.options.Rounds, For: r.options.For.String(), WarmUp: r.options.WarmUp.String(),
	}
	if err := r.db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&found.Server.Version); err != nil {
		return nil, fmt.Errorf("ask the server for its version: %w", err)
	}
	for _, name := range serverSettings {
		var value string
		if err := r.db.QueryRowContext(ctx, "SELECT @@"+name).Scan(&value); err != nil {
			return nil, fmt.Errorf("ask the server for its setting %s: %w", name, err)
		}
		found.Server.Settings[name] = value
	}
	var err error
	found.Machine.Flushes, err = flushesPerSecond(filepath.Join(r.folder, "flushes"))
	return found, err
}

// flushesPerSecond appends to a file and has each page on the disk before the next.
func flushesPerSecond(path string) (perSecond float64, err error) {
	const during, page = 300 * time.Millisecond, 4096
	file, err := os.Create(path) //nolint:gosec // in a folder of ours
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

// wrong says what the audits found, or nothing.
func (f *report) wrong() string {
	for _, a := range f.Audits {
		if wrong := a.wrong(); wrong != "" {
			return wrong
		}
	}
	return ""
}

// write prints the report.
func (f *report) write(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(f)
	}
	return f.text(w)
}
