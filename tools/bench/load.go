package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// payer pays orders for a number of clients.
type payer interface {
	// pay pays an order for one of the clients. Each client has one payment at a time.
	pay(ctx context.Context, client int, order string) error
	// abort is called when the last payments are in flight. A payer that cancels them returns
	// errAborted from pay.
	abort()
	// close is called when no payment is in flight.
	close() error
}

// errAborted is the error of a payment that was cancelled after the measured time.
var errAborted = errors.New("aborted")

const errorPause = 10 * time.Millisecond // of a client after an error

// outcome is what the clients received.
type outcome struct {
	took    []time.Duration // of successful payments in the measured time
	seconds float64         // the measured time
	paid    int             // successful payments, also outside of the measured time
	errors  int
	err     error // the first error
}

func (o outcome) perSecond() float64 { return float64(len(o.took)) / o.seconds }

// sample is one payment.
type sample struct {
	ended time.Time
	took  time.Duration
	err   error
}

// closedLoop lets clients pay one order after the other while window runs. Its payments in the
// measured time are those that end between the two times that window returns.
func closedLoop(ctx context.Context, p payer, clients int, order func() string, window func() (from, to time.Time, err error)) (outcome, error) {
	loop, stop := context.WithCancel(ctx)
	defer stop()
	samples := make([][]sample, clients)
	var all sync.WaitGroup
	for i := range samples {
		all.Go(func() {
			for loop.Err() == nil {
				s := payOnce(ctx, p, i, order())
				samples[i] = append(samples[i], s)
				if s.err != nil {
					_ = sleep(loop, errorPause)
				}
			}
		})
	}
	from, to, err := window()
	stop()
	p.abort()
	all.Wait()
	return gather(samples, from, to), err
}

// burst pays one order per client, all at the same moment, and returns when all have a response.
func burst(ctx context.Context, p payer, clients int, order func() string) outcome {
	samples := make([][]sample, clients)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range samples {
		all.Go(func() {
			<-start
			samples[i] = []sample{payOnce(ctx, p, i, order())}
		})
	}
	began := time.Now()
	close(start)
	all.Wait()
	return gather(samples, began, time.Now())
}

func payOnce(ctx context.Context, p payer, client int, order string) sample {
	began := time.Now()
	err := p.pay(ctx, client, order)
	ended := time.Now()
	return sample{ended: ended, took: ended.Sub(began), err: err}
}

func gather(samples [][]sample, from, to time.Time) outcome {
	o := outcome{seconds: to.Sub(from).Seconds()}
	for _, client := range samples {
		for _, s := range client {
			switch {
			case errors.Is(s.err, errAborted):
			case s.err != nil:
				o.errors++
				if o.err == nil {
					o.err = s.err
				}
			default:
				o.paid++
				if s.ended.After(from) && !s.ended.After(to) {
					o.took = append(o.took, s.took)
				}
			}
		}
	}
	return o
}

// sleep waits until the time has passed or ctx is done.
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
