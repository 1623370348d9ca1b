package delivery

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"paymentd/core/endpoint"
	"paymentd/core/payment"
)

const (
	// breakAfter is how many attempts in a row a receiver must not serve until its dispatcher pauses, and
	// firstPause and maxPause bound the pause, which doubles after each further one.
	breakAfter = 5
	firstPause = time.Second
	maxPause   = 5 * time.Minute
)

// dispatcher delivers the events of one endpoint.
type dispatcher struct {
	*Courier

	latest atomic.Pointer[endpoint.Endpoint]
	stop   context.CancelFunc
	slots  chan struct{}
	wake   chan struct{} // an attempt is over

	mu       sync.Mutex
	unserved int       // attempts in a row that the receiver has not served
	resume   time.Time // no attempt begins before
}

func newDispatcher(c *Courier, e endpoint.Endpoint) *dispatcher {
	p := &dispatcher{Courier: c, slots: make(chan struct{}, c.settings.Concurrency), wake: make(chan struct{}, 1)}
	p.latest.Store(&e)
	return p
}

func (p *dispatcher) id() endpoint.ID { return p.latest.Load().ID }

// run delivers until ctx ends, and returns when no attempt is in flight.
func (p *dispatcher) run(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	for ctx.Err() == nil {
		free, pause := p.capacity(time.Now())
		if free > 0 {
			claimed, err := p.outbox.ClaimDeliveries(ctx, p.id(), free, p.settings.lease())
			p.outage.record(ctx, p.log, "claims of "+string(p.id()), err)
			for _, d := range claimed {
				p.slots <- struct{}{}
				workers.Go(func() {
					p.deliver(context.WithoutCancel(ctx), d)
					<-p.slots
					select {
					case p.wake <- struct{}{}:
					default: // it is being woken already
					}
				})
			}
		}
		select {
		case <-time.After(pause):
		case <-p.wake:
		case <-ctx.Done():
		}
	}
}

// capacity returns how many attempts may begin now, and how long to sleep after that.
func (p *dispatcher) capacity(now time.Time) (free int, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	free = cap(p.slots) - len(p.slots)
	if p.unserved < breakAfter {
		return free, p.settings.Poll
	}
	if left := p.resume.Sub(now); left > 0 {
		return 0, left
	}
	if len(p.slots) > 0 {
		return 0, p.settings.Poll // the probe is in flight
	}
	return 1, p.settings.Poll
}

// deliver makes one attempt, and stores the result.
func (p *dispatcher) deliver(ctx context.Context, d endpoint.Delivery) {
	e := *p.latest.Load()
	limited, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	began := time.Now()
	answer := p.sender.Send(limited, e, d)
	took := time.Since(began)
	cancel()
	p.attempts[resultOf(answer)].Add(1)
	over := p.recordService(answer, time.Now())
	completion := d.Complete(answer)
	completion.Duration = took
	err := p.outbox.Complete(ctx, completion)
	log := p.log.With("endpoint", d.Endpoint, "event_id", d.Event, "event", d.Type, "order_id", d.OrderID)
	switch {
	case errors.Is(err, payment.ErrFenced): // the lease expired; a later attempt is authoritative
		log.DebugContext(ctx, "the end of a delivery is not stored: a later attempt has begun")
	case err != nil:
		log.WarnContext(ctx, "the end of a delivery could not be stored; the event is delivered again after its lease", "error", err)
	case completion.Outcome == endpoint.OutcomeFailed:
		log.ErrorContext(ctx, "webhook event given up: it was not accepted for three days; see docs/webhooks.md",
			"status", answer.Status, "problem", answer.Problem)
	}
	p.recordFailing(ctx, e, !answer.Accepted())
	if over {
		if err := p.outbox.Hasten(ctx, d.Endpoint); err != nil {
			log.WarnContext(ctx, "webhook events that wait could not be hastened; they are delivered when they are due", "error", err)
		}
	}
}

// recordService pauses the dispatcher if the receiver has not served several attempts in a row, and reports whether that is
// over. A receiver that refuses an event serves.
func (p *dispatcher) recordService(a endpoint.Answer, now time.Time) (over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.Served() {
		over = p.unserved >= breakAfter
		p.unserved = 0
		return over
	}
	if p.unserved++; p.unserved >= breakAfter {
		pause := maxPause
		if doublings := p.unserved - breakAfter; doublings < 10 {
			pause = min(maxPause, firstPause<<doublings)
		}
		p.resume = now.Add(pause)
	}
	return false
}

// recordFailing stores since when the endpoint fails, and switches it off after [endpoint.SwitchOffAfter]. It writes
// only what changes.
func (p *dispatcher) recordFailing(ctx context.Context, e endpoint.Endpoint, failed bool) {
	failing := !e.FailingSince.IsZero()
	switch long := failing && e.SeenAt.Sub(e.FailingSince) >= endpoint.SwitchOffAfter; {
	case !failed && !failing, failed && failing && !long:
		return
	}
	changed, err := p.endpoints.Change(ctx, e.ID, endpoint.Change{Attempted: true, Failed: failed})
	if err != nil {
		return // the next attempt repeats it
	}
	p.latest.Store(&changed)
	log := p.log.With("endpoint", e.ID, "host", e.Host())
	switch {
	case changed.State == endpoint.StateSwitchedOff && e.State == endpoint.StateActive:
		log.ErrorContext(ctx, "webhook endpoint switched off: every delivery failed for three days; see docs/webhooks.md",
			"failing_since", changed.FailingSince)
		p.stop()
	case !changed.FailingSince.IsZero() && !failing:
		log.WarnContext(ctx, "webhook deliveries fail; they are repeated")
	case failing && !failed:
		log.InfoContext(ctx, "webhook deliveries succeed again")
	}
}
