package keycache

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"paymentd/core/apikey"
)

// ErrNoKey: there is no key and has never been one, so that every caller would be refused.
var ErrNoKey = errors.New("there is no API key")

// Load reads the keys for the first time. It returns ErrNoKey if every caller would be refused. An
// unavailable database is no error: Run tries again, and until then only the keys of the configuration
// are accepted.
func (c *Cache) Load(ctx context.Context) error {
	c.refresh(ctx)
	if now := c.latest.Load(); now.loaded && !now.open && len(now.entries) == 0 && !c.active.Ever {
		return ErrNoKey
	}
	c.logAccess()
	return nil
}

// Run reads the keys again and again until ctx ends, and then stores the remaining uses.
//
// Uses are stored in the background, one write at a time, so that a locked row cannot delay the refusal
// of a revoked key.
func (c *Cache) Run(ctx context.Context) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	stored := make(chan func()) // each write sends the function that records its result
	storing := false
	for {
		select {
		case <-tick.C:
			if used := c.unstoredUsage(time.Now()); c.refresh(ctx) && len(used) > 0 && !storing {
				storing = true
				go func() { stored <- c.storeUsage(ctx, used) }()
			}
			c.logAccess()
		case recordStored := <-stored:
			recordStored()
			storing = false
		case <-ctx.Done():
			if storing {
				(<-stored)()
			}
			c.storeUsage(context.WithoutCancel(ctx), c.unstoredUsage(time.Now().Add(usageResolution)))()
			return
		}
	}
}

// refresh takes a snapshot of the keys of the configuration and of the database, and reports whether
// the database answered.
func (c *Cache) refresh(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	active, err := c.keys.Active(ctx)
	if err == nil {
		active.Ever = active.Ever || c.active != nil && c.active.Ever // also if the table was emptied
		c.active = &active
		c.logUnreadable(ctx, active.Unreadable)
		c.refreshedAt.Store(int64(time.Since(c.startedAt)))
	}
	c.logOutage(ctx, err)
	c.latest.Store(c.newSnapshot(c.settings.Static()))
	return err == nil
}

func (c *Cache) newSnapshot(static []string) *snapshot {
	next := &snapshot{entries: make(map[index]entry), loaded: c.active != nil}
	usages := make(map[apikey.ID]*usage)
	if next.loaded {
		next.valid = c.active.Accepted(time.Now())
		for _, key := range c.active.Keys {
			u := c.usages[key.ID]
			if u == nil {
				u = new(usage)
			}
			usages[key.ID] = u
			next.entries[indexOf(key.Hash)] = entry{&key, u}
		}
	}
	c.usages = usages
	for _, text := range static {
		key := apikey.Static(text)
		next.entries[indexOf(key.Hash)] = entry{&key, nil}
	}
	next.valid += len(static)
	mayOpen := c.settings.Open && len(static) == 0
	next.unknown = mayOpen && !next.loaded
	next.open = mayOpen && next.loaded && !c.active.Ever
	return next
}

// unstoredUsage returns the keys whose use is to be stored at now: for a key in constant use, once in
// each usageResolution.
func (c *Cache) unstoredUsage(now time.Time) []apikey.ID {
	var used []apikey.ID
	for id, u := range c.usages {
		if u.unstored.Load() && now.Sub(u.storedAt) >= usageResolution {
			used = append(used, id)
		}
	}
	slices.Sort(used) // every replica locks the rows in the same order
	return used
}

// storeUsage stores that the keys were used, and returns a function that records that it was stored. If
// the write failed, the next one includes the keys again.
func (c *Cache) storeUsage(ctx context.Context, used []apikey.ID) func() {
	if len(used) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	now := time.Now()
	err := c.keys.NoteUse(ctx, used, usageResolution/2) // half, because the two clocks are not in step
	return func() {
		for _, id := range used {
			if u := c.usages[id]; u != nil && err == nil { // nil: revoked meanwhile
				u.storedAt = now
				u.unstored.Store(false)
			}
		}
	}
}

// logUnreadable logs the rows that are no valid keys, whenever they change: requests with such a key are
// refused.
func (c *Cache) logUnreadable(ctx context.Context, rows []*apikey.StoredRowError) {
	var problems []string
	for _, row := range rows {
		problems = append(problems, row.Error())
	}
	slices.Sort(problems)
	damage := strings.Join(problems, "; ")
	if damage != c.loggedDamage && damage != "" {
		c.log.ErrorContext(ctx, "API keys whose rows cannot be read are refused: revoke them, or repair the rows",
			"api_keys", len(rows), "error", damage)
	}
	c.loggedDamage = damage
}

// logOutage logs the begin and the end of an outage of the database, each once.
func (c *Cache) logOutage(ctx context.Context, err error) {
	switch {
	case errors.Is(ctx.Err(), context.Canceled): // the service stops
	case err != nil && !c.outage:
		c.outageBegan = time.Now()
		c.log.WarnContext(ctx, "the API keys cannot be read from the database; those that are known stay in force",
			"error", err)
	case err == nil && c.outage:
		c.log.InfoContext(ctx, "the API keys are read from the database again",
			"outage", time.Since(c.outageBegan).Round(time.Millisecond).String())
	}
	c.outage = err != nil
}

// logAccess logs who may call, at the start and whenever that changes.
func (c *Cache) logAccess() {
	now := c.latest.Load()
	var message string
	log := c.log.Warn
	switch {
	case now.unknown, !now.loaded:
		return // the outage is in the log
	case now.open:
		message = "there is no API key: every client that reaches this address may charge"
	case now.valid == 0:
		message = "there is no active API key: every request is refused; make one with `paymentd keys create`"
	default:
		message, log = "callers need an API key", c.log.Info
	}
	if message != c.loggedAccess {
		log(message, "api_keys", now.valid)
	}
	c.loggedAccess = message
}
