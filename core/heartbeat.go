package core

import (
	"context"
	"time"

	"paymentd/ports"
)

// heartbeatsPerTimeout is how many heartbeats a replica stores in one heartbeat timeout.
const heartbeatsPerTimeout = 2.5

// runHeartbeats stores the heartbeats of this replica, and releases the claims of the replicas whose
// heartbeats have expired. While calls are in flight, it continues after a stop, so that their claims
// are not taken over.
func (s *Service) runHeartbeats(ctx context.Context) {
	m := newMonitor(s.HeartbeatTimeout)
	for {
		s.heartbeat(ctx, m)
		s.checkPeers(ctx, m)
		select {
		case <-time.After(m.pause(time.Now())):
		case <-s.work.idle: // stopped
			return
		case <-ctx.Done():
			return
		}
	}
}

// heartbeat stores a heartbeat if one is due. It is canceled when the next one is due, so that a
// heartbeat that hangs on a lost connection does not make this replica's claims expire.
func (s *Service) heartbeat(ctx context.Context, m *monitor) {
	sent := time.Now()
	if sent.Before(m.nextHeartbeat) {
		return
	}
	limited, cancel := context.WithTimeout(ctx, m.every)
	defer cancel()
	err := s.payments.Heartbeat(limited, s.Replica)
	done := time.Now()
	if err != nil {
		m.reset()
		m.nextHeartbeat = done.Add(m.every / 4)
	} else {
		m.heartbeatStored(done)
		m.nextHeartbeat = sent.Add(m.every)
		s.peers.stored(done)
	}
	s.recordHeartbeat(ctx, err, done)
}

// checkPeers reads the heartbeats of the other replicas if that is due, and releases the claims of
// those whose heartbeats have expired.
func (s *Service) checkPeers(ctx context.Context, m *monitor) {
	sent := time.Now()
	if !m.checkDue(sent) {
		return
	}
	heartbeats, err := s.payments.Heartbeats(ctx, s.Replica)
	s.recordOutage(ctx, partHeartbeats, err)
	if err != nil {
		m.reset()
		return
	}
	expired := m.observe(sent, time.Now(), heartbeats)
	s.peers.observed(time.Now(), heartbeats, expired)
	for _, h := range expired {
		released, err := s.payments.Release(ctx, h)
		if err != nil {
			s.recordOutage(ctx, partReleases, err)
			return // the next check repeats it
		}
		if released {
			s.log.Warn("the heartbeats of a replica expired; its claims may be taken over", "expired", h.Replica)
			s.wakeQueue()
		}
	}
	s.recordOutage(ctx, partReleases, nil)
}

// monitor decides which other replicas' heartbeats have expired. An outage of the database must not
// look like the loss of a replica, and clocks may step. The heartbeats of a replica have expired only if
//   - its latest heartbeat has not changed for longer than the timeout while this replica observed it,
//     by this replica's monotonic clock and by its wall clock, and
//   - the heartbeat is older than the timeout by the database's clock as well, or further ahead of
//     that clock than the timeout, which is only possible after the clock stepped back, and
//   - this replica could store its own heartbeats all that time.
//
// A replica that has just started, or that could not reach the database, starts to observe anew: it
// finds no heartbeat expired before one timeout has passed.
type monitor struct {
	timeout time.Duration
	every   time.Duration // between two heartbeats

	stored        time.Time // when this replica's latest heartbeat was stored; zero after a reset
	nextHeartbeat time.Time
	nextCheck     time.Time
	seen          map[string]observation // by replica
}

// observation is when this replica first saw a heartbeat.
type observation struct {
	at    time.Time // as stored, by the database's clock
	since time.Time // by this replica's clock
}

func newMonitor(timeout time.Duration) *monitor {
	return &monitor{
		timeout: timeout, every: time.Duration(float64(timeout) / heartbeatsPerTimeout),
		seen: make(map[string]observation),
	}
}

// reset discards the observations, because what kept this replica from the database may have kept
// the other replicas from it as well.
func (m *monitor) reset() {
	m.stored = time.Time{}
	clear(m.seen)
}

// heartbeatStored records that a heartbeat of this replica was stored.
func (m *monitor) heartbeatStored(done time.Time) {
	if m.stalled(done) {
		m.reset()
	}
	m.stored = done
}

// stalled reports whether this replica's latest heartbeat is so old that a stall of the database, or
// of this process, could have made other heartbeats look expired. A stall that is shorter by one
// heartbeat than the timeout cannot.
func (m *monitor) stalled(now time.Time) bool {
	if m.stored.IsZero() {
		return true
	}
	_, most := elapsed(m.stored, now)
	return most > m.timeout-m.every
}

// checkDue reports whether to check the other replicas now.
func (m *monitor) checkDue(now time.Time) bool {
	return !m.stored.IsZero() && !now.Before(m.nextCheck)
}

// observe records the heartbeats that were read between sent and done, and returns the expired ones.
func (m *monitor) observe(sent, done time.Time, heartbeats []ports.Heartbeat) (expired []ports.Heartbeat) {
	if m.stalled(done) {
		m.reset()
		m.nextCheck = done
		return nil
	}
	before := m.seen
	m.seen = make(map[string]observation, len(heartbeats))
	m.nextCheck = sent.Add(2 * m.every) // enough unless a heartbeat is late
	for _, h := range heartbeats {
		seen, known := before[h.Replica]
		unchanged := known && seen.at.Equal(h.At)
		if !unchanged {
			seen = observation{at: h.At, since: done}
		}
		m.seen[h.Replica] = seen
		observed, _ := elapsed(seen.since, sent)
		if unchanged && observed > m.timeout && h.Age.Abs() > m.timeout {
			expired = append(expired, h)
			continue
		}
		if late := h.Age > m.every+m.every/2 || h.Age < -m.timeout; unchanged || late {
			m.checkBy(sent, seen.since.Add(m.timeout+time.Millisecond))
		}
	}
	return expired
}

// checkBy moves the next check to at if it would come later, or to the next heartbeat if at has
// passed.
func (m *monitor) checkBy(now, at time.Time) {
	if !at.After(now) {
		at = now.Add(m.every)
	}
	if at.Before(m.nextCheck) {
		m.nextCheck = at
	}
}

// pause returns the time until the next heartbeat or check.
func (m *monitor) pause(now time.Time) time.Duration {
	next := m.nextHeartbeat
	if !m.stored.IsZero() && m.nextCheck.Before(next) {
		next = m.nextCheck
	}
	return max(0, next.Sub(now))
}

// elapsed returns how much time has passed by the monotonic clock and by the wall clock: the smaller
// value, and the larger. They differ if the wall clock was set, or the machine was suspended.
func elapsed(from, to time.Time) (least, most time.Duration) {
	monotonic, wall := to.Sub(from), to.Round(0).Sub(from.Round(0))
	return min(monotonic, wall), max(monotonic, wall)
}
