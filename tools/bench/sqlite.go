package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	_ "modernc.org/sqlite" // to count what is in the file
)

const sqliteClients = 64

// sqlite is the service on a file.
type sqlite struct {
	Clients   int    `json:"clients"`
	PerSecond spread `json:"payments_per_second"`
	answerTimes
	// Flushes a second that one thread gets to the same disk, measured in turns. A payment that
	// shares no flush needs two.
	Flushes spread  `json:"flushes_per_second"`
	CPU     float64 `json:"service_cpu_us"`
}

func (r *rig) sqlite(ctx context.Context, found *report) (err error) {
	file := filepath.Join(r.folder, "payments.db")
	s, err := r.newSystemOn(ctx, "sqlite:"+file, 0)
	if err != nil {
		return err
	}
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, s.stop())
		}
	}()
	q := &sqlite{Clients: sqliteClients}
	answers, errs, err := r.sqliteRounds(ctx, s, q)
	if err != nil {
		return err
	}
	a := audit{What: "SQLite", Answers: answers, Errors: errs}
	if a.Charges, a.Charged, err = countCharges(ctx, s.gateway); err != nil {
		return err
	}
	stopped = true
	if err := s.stop(); err != nil {
		return err
	}
	if a.Succeeded, err = countInFile(ctx, file); err != nil {
		return err
	}
	found.Audits = append(found.Audits, a)
	found.Special.SQLite = q
	return nil
}

// sqliteRounds takes turns with the flushes, and returns what the clients were told.
func (r *rig) sqliteRounds(ctx context.Context, s *system, q *sqlite) (answers, errs int, err error) {
	var perSecond, flushes []float64
	var all outcome
	var used usage
	for range r.options.Rounds {
		f, err := flushesPerSecond(filepath.Join(r.folder, "flushes"))
		if err != nil {
			return 0, 0, err
		}
		flushes = append(flushes, f)
		t, err := r.serviceTurn(ctx, s, sqliteClients)
		if err != nil {
			return 0, 0, err
		}
		perSecond = append(perSecond, t.perSecond())
		used.add(t.from, t.to, len(t.took))
		all = gather([]outcome{all, t.outcome}, 0)
	}
	q.PerSecond, q.Flushes = spreadOf(perSecond), spreadOf(flushes)
	q.answerTimes = answerTimesOf(all.took)
	q.CPU = used.each().CPU[service]
	return all.answered, all.errors, nil
}

func countInFile(ctx context.Context, file string) (n int, err error) {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return 0, fmt.Errorf("open the file: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM payments WHERE state = 'succeeded'").Scan(&n); err != nil {
		return 0, fmt.Errorf("count the payments: %w", err)
	}
	return n, nil
}

func (q *sqlite) text(p *page) {
	p.line("\nSQLite, %d clients, gateway 0 ms: %.0f payments/s (%.0f-%.0f), p50 %s ms, p99 %s ms, %.0f µs of a processor each",
		q.Clients, q.PerSecond.Median, q.PerSecond.Min, q.PerSecond.Max, millis(q.P50), millis(q.P99), q.CPU)
	p.line("  one thread flushes %.0f (%.0f-%.0f) pages a second to that disk: %.0f payments/s if each had its two commits to itself",
		q.Flushes.Median, q.Flushes.Min, q.Flushes.Max, q.Flushes.Median/2)
}
