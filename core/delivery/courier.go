package delivery

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"paymentd/core/endpoint"
	"paymentd/ports"
)

const (
	// pruneEvery is how often old events are deleted, pruneBatch at a time.
	pruneEvery = time.Hour
	pruneBatch = 500
	// maxDeleted bounds the deleted endpoints whose events are deleted.
	maxDeleted = 100
)

// Settings are the limits of a [Courier].
type Settings struct {
	// Timeout bounds one attempt.
	Timeout time.Duration
	// Concurrency bounds the attempts in flight of one endpoint.
	Concurrency int
	// Poll is the longest time between an event that is stored and its first attempt if nothing else is due.
	// Default: 1 s.
	Poll time.Duration
	// Refresh is how often the endpoints are read. With the time of the read, it is how long a change takes to be
	// respected by every replica while the database answers. Default: 2 s.
	Refresh time.Duration
}

func (s Settings) withDefaults() Settings {
	s.Poll, s.Refresh = cmp.Or(s.Poll, time.Second), cmp.Or(s.Refresh, 2*time.Second)
	return s
}

// lease is how long an attempt may take until it counts as lost, with the time to store the result.
func (s Settings) lease() time.Duration { return s.Timeout + max(time.Second, s.Timeout/2) }

// Courier delivers events. Its methods are safe for concurrent use, except Load and Run.
type Courier struct {
	settings  Settings
	endpoints ports.Endpoints
	outbox    ports.Outbox
	sender    ports.Sender
	log       *slog.Logger

	latest   atomic.Pointer[[]endpoint.Endpoint]
	attempts [results]atomic.Uint64

	// Only Load and Run, in one goroutine, use what follows.
	dispatchers  map[endpoint.ID]*dispatcher
	running      sync.WaitGroup
	outage       outage
	loggedDamage string
}

// New returns a courier. See Load and Run.
func New(
	settings Settings, endpoints ports.Endpoints, outbox ports.Outbox, sender ports.Sender, log *slog.Logger,
) *Courier {
	c := &Courier{
		settings: settings.withDefaults(), endpoints: endpoints, outbox: outbox, sender: sender, log: log, dispatchers: make(map[endpoint.ID]*dispatcher),
	}
	c.latest.Store(&[]endpoint.Endpoint{})
	return c
}

// Result is the result of an attempt.
type Result int

// The results of attempts.
const (
	Delivered  Result = iota // the receiver has accepted the event
	Refused                  // it has answered with another status than 200 to 299
	Unanswered               // it has not answered, or could not be reached
	results
)

// String returns the name of the result.
func (r Result) String() string { return [...]string{"delivered", "refused", "unanswered"}[r] }

// Results returns every result.
func Results() []Result { return []Result{Delivered, Refused, Unanswered} }

func resultOf(a endpoint.Answer) Result {
	switch {
	case a.Accepted():
		return Delivered
	case a.Status != 0:
		return Refused
	}
	return Unanswered
}

// Attempts returns how many attempts of this process had the result.
func (c *Courier) Attempts(r Result) uint64 { return c.attempts[r].Load() }

// Endpoints returns the endpoints as they were last read.
func (c *Courier) Endpoints() []endpoint.Endpoint { return *c.latest.Load() }

// Load reads the endpoints for the first time. An unavailable database is no error: Run tries again.
func (c *Courier) Load(ctx context.Context) { c.refresh(ctx) }

// Run delivers events until ctx ends, and returns when no attempt is in flight.
func (c *Courier) Run(ctx context.Context) {
	defer c.running.Wait()
	refresh, prune := time.NewTicker(c.settings.Refresh), time.NewTicker(pruneEvery)
	defer refresh.Stop()
	defer prune.Stop()
	var pruning sync.WaitGroup
	defer pruning.Wait()
	busy := make(chan struct{}, 1)
	for {
		c.startDispatchers(ctx)
		select {
		case <-refresh.C:
			c.refresh(ctx)
		case <-prune.C:
			select {
			case busy <- struct{}{}:
				pruning.Go(func() { c.prune(ctx); <-busy })
			default: // the previous one is not done
			}
		case <-ctx.Done():
			return
		}
	}
}

// refresh reads the endpoints.
func (c *Courier) refresh(ctx context.Context) {
	list, err := c.endpoints.Current(ctx)
	c.outage.record(ctx, c.log, "endpoints", err)
	if err != nil {
		return
	}
	c.latest.Store(&list.Endpoints)
	c.logUnreadable(ctx, list.Unreadable)
}

// startDispatchers starts a dispatcher for each active endpoint, and stops the others.
func (c *Courier) startDispatchers(ctx context.Context) {
	active := make(map[endpoint.ID]bool)
	for _, e := range c.Endpoints() {
		if e.State != endpoint.StateActive {
			continue
		}
		active[e.ID] = true
		if p := c.dispatchers[e.ID]; p != nil {
			p.latest.Store(&e)
			continue
		}
		p := newDispatcher(c, e)
		c.dispatchers[e.ID] = p
		dispatching, stop := context.WithCancel(ctx)
		p.stop = stop
		c.running.Go(func() {
			defer stop()
			p.run(dispatching)
		})
	}
	for id, p := range c.dispatchers {
		if !active[id] {
			p.stop()
			c.outage.forget("claims of " + string(id))
			delete(c.dispatchers, id)
		}
	}
}

// prune deletes old events, and all of deleted endpoints.
func (c *Courier) prune(ctx context.Context) {
	before := make(map[endpoint.ID]time.Time)
	deleted, err := c.endpoints.Deleted(ctx, maxDeleted)
	for _, id := range deleted {
		before[id] = time.Now().Add(endpoint.Retention)
	}
	for _, e := range c.Endpoints() {
		before[e.ID] = time.Now().Add(-endpoint.Retention)
	}
	for id, t := range before {
		for n := pruneBatch; n >= pruneBatch && err == nil; {
			n, err = c.outbox.Prune(ctx, id, t, pruneBatch)
		}
	}
	if err != nil && ctx.Err() == nil {
		c.log.WarnContext(ctx, "old webhook events were not deleted; this is repeated in an hour", "error", err)
	}
}

// logUnreadable logs the rows that are no valid endpoints, whenever they change.
func (c *Courier) logUnreadable(ctx context.Context, rows []*endpoint.StoredRowError) {
	var problems []string
	for _, row := range rows {
		problems = append(problems, row.Error())
	}
	slices.Sort(problems)
	damage := strings.Join(problems, "; ")
	if damage != c.loggedDamage && damage != "" {
		c.log.ErrorContext(ctx, "webhook endpoints whose rows cannot be read receive no events: delete them, or repair the rows",
			"endpoints", len(rows), "error", damage)
	}
	c.loggedDamage = damage
}

// outage logs the begin and the end of an outage of the database, each once. It ends when no part fails, because a
// database may answer reads and refuse writes.
type outage struct {
	mu      sync.Mutex
	failing map[string]bool
	began   time.Time
}

func (o *outage) record(ctx context.Context, log *slog.Logger, part string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ctx.Err() != nil {
		return // the service stops, or the endpoint is gone
	}
	before := len(o.failing) > 0
	if delete(o.failing, part); err != nil {
		if o.failing == nil {
			o.failing = make(map[string]bool)
		}
		o.failing[part] = true
	}
	switch after := len(o.failing) > 0; {
	case after && !before:
		o.began = time.Now()
		log.WarnContext(ctx, "webhook deliveries paused: the database is unavailable", "error", err)
	case before && !after:
		log.InfoContext(ctx, "webhook deliveries resumed: the database is available",
			"outage", time.Since(o.began).Round(time.Millisecond).String())
	}
}

// forget removes a part that records no further results.
func (o *outage) forget(part string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.failing, part)
}
