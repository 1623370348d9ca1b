package core

import (
	"context"
	"sync"
	"time"

	"paymentd/core/payment"
)

// The parts of the background work that detect an outage of the database independently. Reading and
// claiming what is due are a part for each kind of work: see [partOf].
const (
	partQueue      = "queue"      // reads what is due
	partClaims     = "claims"     // claims what is due
	partHeartbeat  = "heartbeat"  // stores the heartbeat of this replica
	partHeartbeats = "heartbeats" // reads the heartbeats of the other replicas
	partReleases   = "releases"   // releases the claims of the other replicas
)

// partOf is the part of one kind of work, because a success of one kind does not clear the failure of
// another.
func partOf(part string, work payment.Work) string { return part + ":" + string(work) }

// outage is an outage of the database as the background work sees it. It begins when the first part
// fails, and ends when no part does: a database that answers reads and refuses writes is one outage,
// even if reads succeed in between.
type outage struct {
	mu      sync.Mutex
	failing map[string]bool
	began   time.Time
}

// record records the result of a part. It reports whether an outage began or ended with it, and how
// long the outage has lasted.
func (o *outage) record(part string, err error) (began, ended bool, lasted time.Duration) {
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

// recordOutage records the result of a part, and logs the begin and the end of an outage.
func (s *Service) recordOutage(ctx context.Context, part string, err error) {
	if ctx.Err() != nil {
		return
	}
	switch began, ended, lasted := s.outage.record(part, err); {
	case began:
		s.log.WarnContext(ctx, "queue paused: the database is unavailable", "part", part, "error", err)
	case ended:
		s.log.InfoContext(ctx, "queue resumed: the database is available", "outage", lasted.Round(time.Millisecond).String())
	}
}
