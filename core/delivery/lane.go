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
	// breakAfter is how many attempts in a row a receiver must not serve until its lane pauses, and
	// firstPause and maxPause bound the pause, which doubles after each further one.
	breakAfter = 5
	firstPause = time.Second
	maxPause   = 5 * time.Minute
)

// lane delivers the events of one endpoint.
type lane struct {
	*Courier

	latest atomic.Pointer[endpoint.Endpoint]
	stop   context.CancelFunc
	slots  chan struct{}
	wake   chan struct{} // an attempt is over

	mu       sync.Mutex
	unserved int       // attempts in a row that the receiver has not served
	resume   time.Time // no attempt begins before
}

func newLane(c *Courier, e endpoint.Endpoint) *lane {
	l := &lane{Courier: c, slots: make(chan struct{}, c.settings.Concurrency), wake: make(chan struct{}, 1)}
	l.latest.Store(&e)
	return l
}

func (l *lane) id() endpoint.ID { return l.latest.Load().ID }

// run delivers until ctx ends, and returns when no attempt is in flight.
func (l *lane) run(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	for ctx.Err() == nil {
		free, pause := l.capacity(time.Now())
		if free > 0 {
			claimed, err := l.outbox.ClaimDeliveries(ctx, l.id(), free, l.settings.lease())
			l.outage.record(ctx, l.log, "claims of "+string(l.id()), err)
			for _, d := range claimed {
				l.slots <- struct{}{}
				workers.Go(func() {
					l.deliver(context.WithoutCancel(ctx), d)
					<-l.slots
					select {
					case l.wake <- struct{}{}:
					default: // it is being woken already
					}
				})
			}
		}
		select {
		case <-time.After(pause):
		case <-l.wake:
		case <-ctx.Done():
		}
	}
}

// capacity returns how many attempts may begin now, and how long to sleep after that.
func (l *lane) capacity(now time.Time) (free int, pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	free = cap(l.slots) - len(l.slots)
	if l.unserved < breakAfter {
		return free, l.settings.Poll
	}
	if left := l.resume.Sub(now); left > 0 {
		return 0, left
	}
	if len(l.slots) > 0 {
		return 0, l.settings.Poll // the probe is in flight
	}
	return 1, l.settings.Poll
}

// deliver makes one attempt, and stores its end.
func (l *lane) deliver(ctx context.Context, d endpoint.Delivery) {
	e := *l.latest.Load()
	limited, cancel := context.WithTimeout(ctx, l.settings.Timeout)
	answer := l.sender.Send(limited, e, d)
	cancel()
	l.attempts[resultOf(answer)].Add(1)
	over := l.recordService(answer, time.Now())
	completion := d.Complete(answer)
	err := l.outbox.Complete(ctx, completion)
	log := l.log.With("endpoint", d.Endpoint, "event_id", d.Event, "event", d.Type, "order_id", d.OrderID)
	switch {
	case errors.Is(err, payment.ErrFenced): // the lease expired; a later attempt is authoritative
		log.DebugContext(ctx, "the end of a delivery is not stored: a later attempt has begun")
	case err != nil:
		log.WarnContext(ctx, "the end of a delivery could not be stored; the event is delivered again after its lease", "error", err)
	case completion.Outcome == endpoint.OutcomeFailed:
		log.ErrorContext(ctx, "webhook event given up: it was not accepted for three days; see docs/webhooks.md",
			"status", answer.Status, "problem", answer.Problem)
	}
	l.recordFailing(ctx, e, !answer.Accepted())
	if over {
		if err := l.outbox.Hasten(ctx, d.Endpoint); err != nil {
			log.WarnContext(ctx, "webhook events that wait could not be hastened; they are delivered when they are due", "error", err)
		}
	}
}

// recordService pauses the lane if the receiver has not served several attempts in a row, and reports whether that is
// over. A receiver that refuses an event serves.
func (l *lane) recordService(a endpoint.Answer, now time.Time) (over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.Served() {
		over = l.unserved >= breakAfter
		l.unserved = 0
		return over
	}
	if l.unserved++; l.unserved >= breakAfter {
		pause := maxPause
		if doublings := l.unserved - breakAfter; doublings < 10 {
			pause = min(maxPause, firstPause<<doublings)
		}
		l.resume = now.Add(pause)
	}
	return false
}

// recordFailing stores since when the endpoint fails, and switches it off after [endpoint.SwitchOffAfter]. It writes
// only what changes.
func (l *lane) recordFailing(ctx context.Context, e endpoint.Endpoint, failed bool) {
	failing := !e.FailingSince.IsZero()
	switch long := failing && e.SeenAt.Sub(e.FailingSince) >= endpoint.SwitchOffAfter; {
	case !failed && !failing, failed && failing && !long:
		return
	}
	changed, err := l.endpoints.Change(ctx, e.ID, endpoint.Change{Attempted: true, Failed: failed})
	if err != nil {
		return // the next attempt repeats it
	}
	l.latest.Store(&changed)
	log := l.log.With("endpoint", e.ID, "host", e.Host())
	switch {
	case changed.State == endpoint.StateSwitchedOff && e.State == endpoint.StateActive:
		log.ErrorContext(ctx, "webhook endpoint switched off: every delivery failed for three days; see docs/webhooks.md",
			"failing_since", changed.FailingSince)
		l.stop()
	case !changed.FailingSince.IsZero() && !failing:
		log.WarnContext(ctx, "webhook deliveries fail; they are repeated")
	case failing && !failed:
		log.InfoContext(ctx, "webhook deliveries succeed again")
	}
}
