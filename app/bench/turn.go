package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// stand is where the ways take turns: one gateway, one replica, and fresh databases.
type stand struct {
	*rig
	latency  time.Duration
	gateway  *child
	replica  *replica
	ours     string // URL of the service's database
	others   string // URL of the database of the other ways
	answered map[string]int
	errors   map[string]int
}

// newStand starts the processes, for a gateway that takes so long for a charge.
func (r *rig) newStand(ctx context.Context, latency time.Duration) (s *stand, err error) {
	s = &stand{rig: r, latency: latency, answered: make(map[string]int), errors: make(map[string]int)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	suffix := strings.ReplaceAll(latency.String(), ".", "_")
	if s.ours, err = r.server.CreateDatabase(ctx, "ours_"+suffix); err != nil {
		return s, err
	}
	if s.others, err = r.server.CreateDatabase(ctx, "others_"+suffix); err != nil {
		return s, err
	}
	if err := s.createTables(ctx); err != nil {
		return s, err
	}
	if s.gateway, err = r.startGateway(ctx, latency); err != nil {
		return s, err
	}
	s.replica, err = r.startReplica(ctx, s.ours, s.gateway)
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

// close stops the processes.
func (s *stand) close() error {
	var errs []error
	if s.replica != nil {
		errs = append(errs, s.replica.stop())
	}
	if s.gateway != nil {
		errs = append(errs, s.gateway.stop())
	}
	return errors.Join(errs...)
}

// payer returns what the clients of a way pay through.
func (s *stand) payer(ctx context.Context, way string, clients int) (payer, error) {
	if way == ours {
		return newHTTPPayer(s.replica.url, clients), nil
	}
	db, err := openDatabase(s.others)
	if err != nil {
		return nil, err
	}
	calls := newGatewayClient(s.gateway.url, clients)
	switch way {
	case textbook:
		keep(db, textbookConnections)
		return newTextbookPayer(ctx, db, calls, clients)
	case batched:
		keep(db, 2*flushers)
		return newBatchedPayer(db, calls), nil
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

// turn lets a way have its turn.
func (s *stand) turn(ctx context.Context, way string, clients int) (t turn, err error) {
	p, err := s.payer(ctx, way, clients)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	m := s.meters(s.replica, s.gateway)
	l := load{
		clients: clients, warmUp: s.options.WarmUp, length: s.options.For,
		order:       func() string { return s.orders.next(way) },
		measureFrom: func() (err error) { t.from, err = m.read(ctx); return err },
		measureTo:   func() (err error) { t.to, err = m.read(ctx); return err },
	}
	forgetPeak(s.replica.pid())
	if t.outcome, err = l.run(ctx, p); err != nil {
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
