package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// stand is where the ways take turns: a gateway that takes so long for a charge, a replica, and
// fresh databases.
type stand struct {
	*rig
	*system
	latency  time.Duration
	others   string // URL of the database of the other ways
	answered map[string]int
	errors   map[string]int
}

func (r *rig) newStand(ctx context.Context, latency time.Duration) (s *stand, err error) {
	s = &stand{rig: r, latency: latency, answered: make(map[string]int), errors: make(map[string]int)}
	suffix := strings.ReplaceAll(latency.String(), ".", "_")
	if s.others, err = r.server.CreateDatabase(ctx, "others_"+suffix); err != nil {
		return nil, err
	}
	if err := s.createTables(ctx); err != nil {
		return nil, err
	}
	s.system, err = r.newSystem(ctx, "ours_"+suffix, latency)
	return s, err
}

func (s *stand) createTables(ctx context.Context) (err error) {
	db, err := openDatabase(s.others)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, way := range []string{bare, batched, textbook} {
		if _, err := db.ExecContext(ctx, fmt.Sprintf(paymentsTable, way)); err != nil {
			return fmt.Errorf("create a table: %w", err)
		}
	}
	return nil
}

// payer returns what the clients of a way pay through.
func (s *stand) payer(ctx context.Context, way string, clients int) (payer, error) {
	if way == ours {
		return newHTTPPayer(s.replica.url, clients), nil
	}
	tuned := way != textbook || s.options.TunedTextbook
	db, err := openTuned(s.others, tuned)
	if err != nil {
		return nil, err
	}
	kept := clients
	if !tuned {
		kept = http.DefaultMaxIdleConnsPerHost
	}
	calls := newGatewayClient(s.gateway.url, kept)
	switch way {
	case textbook:
		keep(db, textbookConnections)
		return newTextbookPayer(ctx, db, calls, clients)
	case batched:
		keep(db, 2*s.options.Flushers)
		return newBatchedPayer(db, calls, s.options.Flushers), nil
	default:
		keep(db, min(clients, s.options.BareConns))
		return &barePayer{db: db, gateway: calls}, nil
	}
}

// keep sets how many connections there are, at most and idle.
func keep(db *sql.DB, connections int) {
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
}

// turn is what one way did in one round.
type turn struct {
	outcome
	from, to reading
	peak     float64 // bytes of memory of the service
}

// turnOf lets clients pay for a while, and reads the meters of the system before and after.
func (r *rig) turnOf(ctx context.Context, s *system, p payer, way string, clients int) (t turn, err error) {
	m := r.meters(s)
	l := load{
		clients: clients, warmUp: r.options.warmUp(clients), length: r.options.For,
		order:       func() string { return r.orders.next(way) },
		measureFrom: func() (err error) { t.from, err = m.read(ctx); return err },
		measureTo:   func() (err error) { t.to, err = m.read(ctx); return err },
	}
	t.outcome, err = l.run(ctx, p)
	return t, err
}

// turn lets a way have its turn.
func (s *stand) turn(ctx context.Context, way string, clients int) (t turn, err error) {
	p, err := s.payer(ctx, way, clients)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	forgetPeak(s.replica.pid())
	if t, err = s.turnOf(ctx, s.system, p, way, clients); err != nil {
		return t, err
	}
	t.peak = peakMemory(s.replica.pid())
	s.answered[way] += t.answered
	s.errors[way] += t.errors
	return t, nil
}

// row lets the ways take turns, round after round.
func (s *stand) row(ctx context.Context, clients int) (row, error) {
	taken := make(map[string][]turn)
	for round := range s.options.Rounds {
		s.say("%d clients, gateway %v: round %d of %d", clients, s.latency, round+1, s.options.Rounds)
		for _, way := range s.options.turns() {
			t, err := s.turn(ctx, way, clients)
			if err != nil {
				return row{}, fmt.Errorf("%s with %d clients: %w", way, clients, err)
			}
			taken[way] = append(taken[way], t)
		}
	}
	return newRow(clients, s.latency, taken), nil
}
