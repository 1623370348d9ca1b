package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const (
	memoryClients = 1000
	memoryLatency = time.Second
	memoryBursts  = 3
	fewConns      = 2 // to the database: with so few, no payment can hold one for a second
)

// memory is a thousand payments at once at a gateway that takes a second.
type memory struct {
	Payments  int     `json:"payments_at_once"`
	PeakBytes float64 `json:"peak_bytes"`
	IdleBytes float64 `json:"idle_bytes"` // the peak of the start, before there were any
	// Open are connections to the database while all of the payments are at the gateway, Busy
	// those with a statement or a transaction.
	Open int `json:"connections"`
	Busy int `json:"busy_connections"`
	// Seen is how often all of the payments were at the gateway when it was looked.
	Seen int `json:"looks"`
	// Seconds is how long a burst took, and FewSeconds with fewConns connections.
	Seconds    float64 `json:"burst_seconds"`
	FewSeconds float64 `json:"burst_seconds_with_two_connections"`
}

func (r *rig) memory(ctx context.Context, found *report) error {
	m := &memory{Payments: memoryClients}
	if err := r.memoryOf(ctx, found, m); err != nil {
		return err
	}
	found.Special.Memory = m
	return r.fewConnections(ctx, found, m)
}

func (r *rig) memoryOf(ctx context.Context, found *report, m *memory) (err error) {
	s, err := r.newSystem(ctx, "memory", memoryLatency)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	m.IdleBytes = peakMemory(s.replica.pid())
	p := newHTTPPayer(s.replica.url, memoryClients)
	var took []float64
	answers, errs := 0, 0
	for range memoryBursts {
		looking, stop := context.WithCancel(ctx)
		looked := make(chan error, 1)
		go func() { looked <- m.look(looking, r.db, "memory") }()
		got := burst(ctx, p, memoryClients, func() string { return r.orders.next(ours) })
		stop()
		if err := <-looked; err != nil {
			return err
		}
		took = append(took, got.seconds)
		answers, errs = answers+got.answered, errs+got.errors
	}
	m.Seconds = median(took)
	m.PeakBytes = peakMemory(s.replica.pid())
	a, err := auditOf(ctx, "a thousand payments at once", s, answers, errs)
	if err != nil {
		return err
	}
	found.Audits = append(found.Audits, a)
	return p.close()
}

// look counts connections, until ctx ends, whenever all of the payments are at the gateway.
func (m *memory) look(ctx context.Context, db *sql.DB, name string) error {
	const every = 20 * time.Millisecond
	for sleep(ctx, every) == nil {
		var charging, open, busy int
		err := db.QueryRowContext(context.WithoutCancel(ctx), "SELECT (SELECT COUNT(*) FROM `"+name+"`.payments WHERE state = 'processing'), "+
			"COUNT(*), COUNT(CASE WHEN p.COMMAND <> 'Sleep' OR t.trx_id IS NOT NULL THEN 1 END) "+
			"FROM information_schema.PROCESSLIST p "+
			"LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID WHERE p.DB = ?", name).
			Scan(&charging, &open, &busy)
		if err != nil {
			return fmt.Errorf("count the connections: %w", err)
		}
		if charging == memoryClients {
			m.Seen++
			m.Open, m.Busy = max(m.Open, open), max(m.Busy, busy)
		}
	}
	return nil
}

// fewConnections shows that no payment holds a connection while it is at the gateway: with
// two, the payments would take minutes.
func (r *rig) fewConnections(ctx context.Context, found *report, m *memory) (err error) {
	s, err := r.newSystem(ctx, "few", memoryLatency, fmt.Sprintf("PAYMENTD_DATABASE_CONNECTIONS=%d", fewConns))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	p := newHTTPPayer(s.replica.url, memoryClients)
	got := burst(ctx, p, memoryClients, func() string { return r.orders.next(ours) })
	m.FewSeconds = got.seconds
	a, err := auditOf(ctx, "a thousand payments at once, two connections", s, got.answered, got.errors)
	if err != nil {
		return err
	}
	found.Audits = append(found.Audits, a)
	return p.close()
}

func (m *memory) text(p *page) {
	p.line("\n%d payments at once at a gateway that takes %v: at most %.0f MB of memory (%.0f MB before), done in %.1f s",
		m.Payments, memoryLatency, m.PeakBytes/1e6, m.IdleBytes/1e6, m.Seconds)
	p.line("  while all are at the gateway (seen %d times): at most %d connections to the database are open, and %d of them have anything to do",
		m.Seen, m.Open, m.Busy)
	p.line("  with %d connections to the database, done in %.1f s", fewConns, m.FewSeconds)
}
