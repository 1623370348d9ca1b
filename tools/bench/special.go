package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// special is what the special rows came to; nil where one was not asked for.
type special struct {
	Crowd      *crowd      `json:"crowd,omitempty"`
	Memory     *memory     `json:"memory,omitempty"`
	SQLite     *sqlite     `json:"sqlite,omitempty"`
	Start      []start     `json:"start,omitempty"`
	Everything *everything `json:"everything,omitempty"`
	Rows       *rows       `json:"rows,omitempty"`
}

// specials measures the special rows that were asked for.
func (r *rig) specials(ctx context.Context, found *report) error {
	measure := map[string]func(context.Context, *report) error{
		"crowd": r.crowd, "memory": r.memory, "sqlite": r.sqlite, "start": r.start,
		"everything": r.everything,
	}
	for _, name := range r.options.Special {
		r.say("special row %s", name)
		if err := measure[name](ctx, found); err != nil {
			return fmt.Errorf("special row %s: %w", name, err)
		}
	}
	if r.options.Rows == 0 {
		return nil
	}
	if err := r.rows(ctx, found); err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	return nil
}

func (s special) text(p *page) {
	if s.Crowd != nil {
		s.Crowd.text(p)
	}
	if s.Memory != nil {
		s.Memory.text(p)
	}
	if s.SQLite != nil {
		s.SQLite.text(p)
	}
	for _, st := range s.Start {
		st.text(p)
	}
	if s.Everything != nil {
		s.Everything.text(p)
	}
	if s.Rows != nil {
		s.Rows.text(p)
	}
}

// burst has each client pay once, all at the same moment, and returns when all have an answer.
func burst(ctx context.Context, p payer, clients int, order func() string) outcome {
	outcomes := make([]outcome, clients)
	started := make(chan struct{})
	var all sync.WaitGroup
	for i := range outcomes {
		all.Go(func() {
			<-started
			began := time.Now()
			if err := p.pay(ctx, i, order()); err != nil {
				outcomes[i] = outcome{errors: 1, err: err}
				return
			}
			outcomes[i] = outcome{answered: 1, took: []time.Duration{time.Since(began)}}
		})
	}
	began := time.Now()
	close(started)
	all.Wait()
	return gather(outcomes, time.Since(began).Seconds())
}

// serviceTurn lets clients pay through a system's service.
func (r *rig) serviceTurn(ctx context.Context, s *system, clients int) (turn, error) {
	p := newHTTPPayer(s.replica.url, clients)
	if s.key != "" {
		p.show(s.key)
	}
	t, err := r.turnOf(ctx, s, p, ours, clients)
	return t, errors.Join(err, p.close())
}

// auditOf holds what the clients of a system were told against its database and its ledger.
func auditOf(ctx context.Context, what string, s *system, answers, errs int) (a audit, err error) {
	a = audit{What: what, Answers: answers, Errors: errs}
	if a.Succeeded, err = countSucceeded(ctx, s.database, "payments"); err != nil {
		return a, err
	}
	a.Charges, a.Charged, err = countCharges(ctx, s.gateway)
	return a, err
}
