package keyring

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"paymentd/core/apikey"
)

// ErrNoKey: there is no key, and has never been one, so that nobody could call.
var ErrNoKey = errors.New("there is no API key")

// Load reads the keys for the first time. It returns ErrNoKey where nobody may call. A database that
// cannot be reached is no error: it is asked again by Run, and until then those may call who show a
// key of the configuration.
func (r *Ring) Load(ctx context.Context) error {
	r.refresh(ctx)
	if now := r.latest.Load(); now.known && !now.open && len(now.entries) == 0 && !r.known.Ever {
		return ErrNoKey
	}
	r.say()
	return nil
}

// Run reads the keys again and again until ctx ends, and then stores what was used last.
//
// Uses are stored beside that, one write at a time: a row that somebody has locked must not hold up
// that a revoked key is refused.
func (r *Ring) Run(ctx context.Context) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	stored := make(chan func()) // each write ends with what is to be noted here of it
	storing := false
	for {
		select {
		case <-tick.C:
			if used := r.used(time.Now()); r.refresh(ctx) && len(used) > 0 && !storing {
				storing = true
				go func() { stored <- r.store(ctx, used) }()
			}
			r.say()
		case note := <-stored:
			note()
			storing = false
		case <-ctx.Done():
			if storing {
				(<-stored)()
			}
			r.store(context.WithoutCancel(ctx), r.used(time.Now().Add(grain)))()
			return
		}
	}
}

// refresh makes a snapshot of what the configuration and the database say now, and reports whether
// the database has said anything.
func (r *Ring) refresh(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	active, err := r.keys.Active(ctx)
	if err == nil {
		active.Ever = active.Ever || r.known != nil && r.known.Ever // whatever became of the table
		r.known = &active
		r.logUnreadable(ctx, active.Unreadable)
		r.refreshed.Store(int64(time.Since(r.began)))
	}
	r.logOutage(ctx, err)
	r.latest.Store(r.forge(r.settings.Static()))
	return err == nil
}

// forge makes the snapshot of what is known.
func (r *Ring) forge(static []string) *snapshot {
	next := &snapshot{entries: make(map[index]entry), known: r.known != nil}
	uses := make(map[apikey.ID]*use)
	if next.known {
		for _, key := range r.known.Keys {
			u := r.uses[key.ID]
			if u == nil {
				u = new(use)
			}
			uses[key.ID] = u
			next.entries[indexOf(key.Hash)] = entry{&key, u}
		}
	}
	r.uses = uses
	for _, text := range static {
		key := apikey.Static(text)
		next.entries[indexOf(key.Hash)] = entry{&key, nil}
	}
	mayOpen := r.settings.Open && len(static) == 0
	next.unsure = mayOpen && !next.known
	next.open = mayOpen && next.known && !r.known.Ever
	return next
}

// used returns the keys whose use is to be stored at now. For one that is used all the time, that is
// once in a grain.
func (r *Ring) used(now time.Time) []apikey.ID {
	var used []apikey.ID
	for id, u := range r.uses {
		if u.fresh.Load() && now.Sub(u.stored) >= grain {
			used = append(used, id)
		}
	}
	slices.Sort(used) // rows are locked in one order, on every replica
	return used
}

// store stores that the keys were used, and returns how to note that it has. What could not be
// stored stays fresh, and is stored another time.
func (r *Ring) store(ctx context.Context, used []apikey.ID) func() {
	if len(used) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	now := time.Now()
	err := r.keys.NoteUse(ctx, used, grain/2) // half, for the two clocks do not tick together
	return func() {
		for _, id := range used {
			if u := r.uses[id]; u != nil && err == nil { // nil: it was revoked meanwhile
				u.stored = now
				u.fresh.Store(false)
			}
		}
	}
}

// logUnreadable says which rows make no key, whenever that changes: requests with such a key are refused.
func (r *Ring) logUnreadable(ctx context.Context, rows []*apikey.StoredRowError) {
	var words []string
	for _, row := range rows {
		words = append(words, row.Error())
	}
	slices.Sort(words)
	damage := strings.Join(words, "; ")
	if damage != r.damage && damage != "" {
		r.log.ErrorContext(ctx, "API keys whose rows cannot be read are refused: revoke them, or repair the rows",
			"api_keys", len(rows), "error", damage)
	}
	r.damage = damage
}

// logOutage says that the keys cannot be read, once, and once that they can again.
func (r *Ring) logOutage(ctx context.Context, err error) {
	switch {
	case errors.Is(ctx.Err(), context.Canceled): // it stops
	case err != nil && !r.outage:
		r.outageBegan = time.Now()
		r.log.WarnContext(ctx, "the API keys cannot be read from the database; those that are known stay in force",
			"error", err)
	case err == nil && r.outage:
		r.log.InfoContext(ctx, "the API keys are read from the database again",
			"outage", time.Since(r.outageBegan).Round(time.Millisecond).String())
	}
	r.outage = err != nil
}

// say tells who may call, at the start and whenever that changes.
func (r *Ring) say() {
	now := r.latest.Load()
	var words string
	log := r.log.Warn
	switch {
	case now.unsure, !now.known:
		return // the outage was told
	case now.open:
		words = "there is no API key: whoever reaches this address may charge"
	case len(now.entries) == 0:
		words = "there is no active API key: nobody is served; make one with `paymentd keys create`"
	default:
		words, log = "callers need an API key", r.log.Info
	}
	if words != r.said {
		log(words, "api_keys", len(now.entries))
	}
	r.said = words
}
