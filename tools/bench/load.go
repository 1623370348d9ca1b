package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// payer pays orders for a number of clients.
type payer interface {
	// pay pays an order for one of the clients, who have each one payment at a time.
	pay(ctx context.Context, client int, order string) error
	// hangUp is called when the last payments are under way. A payer that makes an end of them
	// returns errHungUp from pay.
	hangUp()
	// close is called when none is under way.
	close() error
}

// errHungUp is the end of a payment that nobody was interested in any more.
var errHungUp = errors.New("hung up")

// load is clients in a closed loop: each asks again when it has its answer.
type load struct {
	clients     int
	warmUp      time.Duration
	length      time.Duration
	order       func() string
	measureFrom func() error // called when the measured time begins
	measureTo   func() error // and when it ends, both under load
}

// outcome is what the clients got.
type outcome struct {
	took     []time.Duration // of the answers in the measured time
	seconds  float64         // that it lasted
	answered int             // all answers, also those before and after
	errors   int
	err      error // the first of the errors
}

// perSecond is payments a second.
func (o outcome) perSecond() float64 { return float64(len(o.took)) / o.seconds }

// The phases of a load.
const (
	warmingUp int32 = iota
	measuring
	ending // each client's last payment is under way
)

// errorPause keeps a client that meets errors from doing nothing else.
const errorPause = 10 * time.Millisecond

// run lets the clients pay through p. The error is one of measuring; those of paying are in the
// outcome.
func (l load) run(ctx context.Context, p payer) (outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var phase atomic.Int32
	outcomes := make([]outcome, l.clients)
	var clients sync.WaitGroup
	for i := range outcomes {
		clients.Go(func() { outcomes[i] = l.client(ctx, p, i, &phase) })
	}
	seconds, err := l.window(ctx, &phase)
	if err != nil {
		cancel()
	}
	p.hangUp()
	clients.Wait()
	return gather(outcomes, seconds), err
}

// window lets the phases follow each other, and returns how long the measured one was.
func (l load) window(ctx context.Context, phase *atomic.Int32) (seconds float64, err error) {
	defer phase.Store(ending)
	if err := sleep(ctx, l.warmUp); err != nil {
		return 0, err
	}
	if err := l.measureFrom(); err != nil {
		return 0, err
	}
	began := time.Now()
	phase.Store(measuring)
	err = sleep(ctx, l.length)
	seconds = time.Since(began).Seconds()
	phase.Store(ending)
	if err != nil {
		return 0, err
	}
	return seconds, l.measureTo()
}

// client is one of them.
func (l load) client(ctx context.Context, p payer, number int, phase *atomic.Int32) (o outcome) {
	for phase.Load() < ending && ctx.Err() == nil {
		began := time.Now()
		err := p.pay(ctx, number, l.order())
		took := time.Since(began)
		switch {
		case err == nil:
			o.answered++
			if phase.Load() == measuring {
				o.took = append(o.took, took)
			}
		case errors.Is(err, errHungUp):
		default:
			o.errors++
			if o.err == nil {
				o.err = err
			}
			_ = sleep(ctx, errorPause)
		}
	}
	return o
}

func gather(outcomes []outcome, seconds float64) outcome {
	all := outcome{seconds: seconds}
	for _, o := range outcomes {
		all.took = append(all.took, o.took...)
		all.answered += o.answered
		all.errors += o.errors
		if all.err == nil {
			all.err = o.err
		}
	}
	return all
}

// sleep waits, but not longer than ctx lives.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
