package core

import (
	"context"
	"sync"
	"time"
)

// The parts of the background work that notice an outage of the database, each by itself.
const (
	partQueue      = "queue"      // reads what is due
	partClaims     = "claims"     // claims what is due
	partHeartbeat  = "heartbeat"  // stores that this replica is alive
	partHeartbeats = "heartbeats" // reads and releases the others
)

// outage is an outage of the database as the background work sees it. It begins with the first part
// that fails, and is over when none does: a database that answers and takes no writes is one
// outage, however often it is read meanwhile.
type outage struct {
	mu      sync.Mutex
	failing map[string]bool
	began   time.Time
}

// note takes the result of a part. It reports whether an outage has begun or is over by it, and how
// long that one has lasted.
func (o *outage) note(part string, err error) (began, over bool, lasted time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := len(o.failing) > 0
	if err != nil {
		if o.failing == nil {
			o.failing = make(map[string]bool)
		}
		o.failing[part] = true
	} else {
		delete(o.failing, part)
	}
	after := len(o.failing) > 0
	if after && !before {
		o.began = time.Now()
	}
	return after && !before, before && !after, time.Since(o.began)
}

// logOutage says once that the background work cannot use the database, and once that it can again.
func (s *Service) logOutage(ctx context.Context, part string, err error) {
	if ctx.Err() != nil {
		return
	}
	switch began, over, lasted := s.outage.note(part, err); {
	case began:
		s.log.WarnContext(ctx, "the queue waits for the database", "part", part, "error", err)
	case over:
		s.log.InfoContext(ctx, "the queue has the database again", "outage", lasted.Round(time.Millisecond).String())
	}
}
