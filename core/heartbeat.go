package core

import (
	"context"
	"time"

	"paymentd/ports"
)

// beatsPerTimeout is how often a replica says that it is alive, in one heartbeat timeout.
const beatsPerTimeout = 2.5

// heartbeat stores that this replica is alive, and releases the claims of the replicas whose
// heartbeats have expired.
func (s *Service) heartbeat(ctx context.Context) {
	w := newWatch(s.HeartbeatTimeout)
	for {
		s.beat(ctx, w)
		s.look(ctx, w)
		select {
		case <-time.After(w.pause(time.Now())):
		case <-s.work.idle: // stopped: while calls are in flight, their claims must not be taken over
			return
		case <-ctx.Done():
			return
		}
	}
}

// beat stores a heartbeat when one is due. It is given up when the next one is due, so that one
// that hangs on a lost connection does not make this replica look dead.
func (s *Service) beat(ctx context.Context, w *watch) {
	sent := time.Now()
	if sent.Before(w.nextBeat) {
		return
	}
	limited, cancel := context.WithTimeout(ctx, w.every)
	defer cancel()
	err := s.payments.Heartbeat(limited, s.Replica)
	done := time.Now()
	if err != nil {
		w.interrupted()
		w.nextBeat = done.Add(w.every / 4)
	} else {
		w.beaten(done)
		w.nextBeat = sent.Add(w.every)
	}
	s.noteBeat(ctx, err, done)
}

// look reads the heartbeats of the others when that is due, and releases the claims of those that
// have expired.
func (s *Service) look(ctx context.Context, w *watch) {
	sent := time.Now()
	if !w.mayLook(sent) {
		return
	}
	beats, err := s.payments.Heartbeats(ctx, s.Replica)
	s.logOutage(ctx, partHeartbeats, err)
	if err != nil {
		w.interrupted()
		return
	}
	for _, h := range w.observe(sent, time.Now(), beats) {
		released, err := s.payments.Release(ctx, h)
		s.logOutage(ctx, partHeartbeats, err)
		if err != nil {
			return // the next look finds it again
		}
		if released {
			s.log.Warn("a replica is silent; its claims may be taken over", "silent", h.Replica)
			s.wakeQueue()
		}
	}
}

// watch decides which of the other replicas have expired. Silence of the database is not silence of
// a replica, and clocks step; so a replica has expired only if
//   - its heartbeat has not changed for longer than the timeout while this replica watched, by this
//     replica's monotonic and its wall clock, and
//   - the heartbeat is older than the timeout by the database's clock as well, or further ahead of
//     that clock than the timeout, which only a clock that stepped back explains, and
//   - this replica could store its own heartbeats all the while.
//
// A replica that has just started, or that could not reach the database, begins to watch anew: it
// judges no other before one timeout has passed.
type watch struct {
	timeout time.Duration
	every   time.Duration // between two heartbeats

	contact  time.Time // when this replica's latest heartbeat was stored; zero after an interruption
	nextBeat time.Time
	nextLook time.Time
	seen     map[string]sighting // by replica
}

// sighting is a heartbeat as this replica has seen it first.
type sighting struct {
	at    time.Time // the database's time that is stored with it
	since time.Time // ours
}

func newWatch(timeout time.Duration) *watch {
	return &watch{
		timeout: timeout, every: time.Duration(float64(timeout) / beatsPerTimeout),
		seen: make(map[string]sighting),
	}
}

// interrupted forgets what was seen: whatever kept this replica from the database may have kept
// the others from it as well.
func (w *watch) interrupted() {
	w.contact = time.Time{}
	clear(w.seen)
}

// beaten notes that a heartbeat of this replica was stored.
func (w *watch) beaten(done time.Time) {
	if w.outOfTouch(done) {
		w.interrupted()
	}
	w.contact = done
}

// outOfTouch reports whether so much time has passed since this replica's latest heartbeat that a
// stall of the database, or of this process, could have made the others look expired: they beat
// once in w.every, so that a shorter stall cannot.
func (w *watch) outOfTouch(now time.Time) bool {
	if w.contact.IsZero() {
		return true
	}
	_, most := elapsed(w.contact, now)
	return most > w.timeout-w.every
}

// mayLook reports whether to look at the others now.
func (w *watch) mayLook(now time.Time) bool {
	return !w.contact.IsZero() && !now.Before(w.nextLook)
}

// observe takes the heartbeats that a look, from sent to done, has read. It returns those that have
// expired.
func (w *watch) observe(sent, done time.Time, beats []ports.Heartbeat) (expired []ports.Heartbeat) {
	if w.outOfTouch(done) {
		w.interrupted()
		w.nextLook = done
		return nil
	}
	before := w.seen
	w.seen = make(map[string]sighting, len(beats))
	w.nextLook = sent.Add(2 * w.every) // two looks in a timeout do, unless a replica is suspected
	for _, h := range beats {
		seen, known := before[h.Replica]
		unchanged := known && seen.at.Equal(h.At)
		if !unchanged {
			seen = sighting{at: h.At, since: done}
		}
		w.seen[h.Replica] = seen
		watched, _ := elapsed(seen.since, sent)
		if unchanged && watched > w.timeout && h.Age.Abs() > w.timeout {
			expired = append(expired, h)
			continue
		}
		if late := h.Age > w.every+w.every/2 || h.Age < -w.timeout; unchanged || late {
			w.lookAgain(sent, seen.since.Add(w.timeout+time.Millisecond))
		}
	}
	return expired
}

// lookAgain brings the next look forward to at, or to the next heartbeat if at has passed.
func (w *watch) lookAgain(now, at time.Time) {
	if !at.After(now) {
		at = now.Add(w.every)
	}
	if at.Before(w.nextLook) {
		w.nextLook = at
	}
}

// pause is how long nothing is to be done.
func (w *watch) pause(now time.Time) time.Duration {
	next := w.nextBeat
	if !w.contact.IsZero() && w.nextLook.Before(next) {
		next = w.nextLook
	}
	return max(0, next.Sub(now))
}

// elapsed returns how much time has passed by the monotonic and by the wall clock: the least of the
// two, and the most. They differ if one was set, or slept while the machine was suspended.
func elapsed(from, to time.Time) (least, most time.Duration) {
	monotonic, wall := to.Sub(from), to.Round(0).Sub(from.Round(0))
	return min(monotonic, wall), max(monotonic, wall)
}
