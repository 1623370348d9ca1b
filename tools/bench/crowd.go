package main

import (
	"context"
	"errors"
	"time"
)

const (
	crowdSize    = 1000
	crowdLatency = 6 * time.Second // of the gateway, while all but one wait for one
	crowdArrives = 2 * time.Second // by then all of them wait
	crowdWatched = 3 * time.Second
)

// crowd is a thousand clients who wait for one order.
type crowd struct {
	Clients int `json:"clients"`
	// PerSecond is statements a second while they wait, and IdlePerSecond while nobody does.
	PerSecond     float64 `json:"statements_per_second"`
	IdlePerSecond float64 `json:"idle_statements_per_second"`
	Answers       int     `json:"answers"` // 200, with the transaction of the one charge
	Errors        int     `json:"errors"`
	Charges       int     `json:"charges"`
}

func (r *rig) crowd(ctx context.Context, found *report) (err error) {
	s, err := r.newSystem(ctx, "crowd", crowdLatency)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	c := &crowd{Clients: crowdSize}
	if c.IdlePerSecond, err = r.statementsPerSecond(ctx, crowdWatched); err != nil {
		return err
	}
	p := newHTTPPayer(s.replica.url, crowdSize)
	order := r.orders.next(ours)
	answers := make(chan outcome, 1)
	go func() { answers <- burst(ctx, p, crowdSize, func() string { return order }) }()
	if err := sleep(ctx, crowdArrives); err != nil {
		return err
	}
	c.PerSecond, err = r.statementsPerSecond(ctx, crowdWatched)
	got := <-answers
	if err != nil {
		return err
	}
	c.Answers, c.Errors = got.answered, got.errors
	if c.Charges, _, err = countCharges(ctx, s.gateway); err != nil {
		return err
	}
	found.Special.Crowd = c
	return p.close()
}

// statementsPerSecond counts the statements of everybody but this process.
func (r *rig) statementsPerSecond(ctx context.Context, during time.Duration) (float64, error) {
	m := meters{db: r.db}
	before, err := m.counters(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := sleep(ctx, during); err != nil {
		return 0, err
	}
	after, err := m.counters(ctx)
	if err != nil {
		return 0, err
	}
	return (after["Questions"] - before["Questions"] - statementsOfReading) / time.Since(began).Seconds(), nil
}

func (c *crowd) text(p *page) {
	p.line("\n%d clients wait for one order: %.1f statements a second for all of them (%.1f with nobody there); "+
		"%d answers 200, %d errors, %d charge(s)", c.Clients, c.PerSecond, c.IdlePerSecond, c.Answers, c.Errors, c.Charges)
}
