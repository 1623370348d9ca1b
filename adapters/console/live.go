package console

import (
	"sync"
	"time"
)

const (
	// maxViewers bounds the streams of live updates of a replica.
	maxViewers = 200
	// liveEvery is the pause between two updates.
	liveEvery = time.Second
)

// live sends the same updates to everyone who watches. It renders only while someone does.
type live struct {
	render func() []byte    // one update
	next   func() time.Time // when the render can read something new
	stop   chan struct{}    // closed when the service stops

	mu      sync.Mutex
	viewers map[chan []byte]struct{}
	running bool
	stopped bool
}

func newLive(render func() []byte, next func() time.Time) *live {
	return &live{render: render, next: next, stop: make(chan struct{}), viewers: make(map[chan []byte]struct{})}
}

// watch returns a channel with the updates, of which a slow reader gets the latest, and what ends it. It returns false
// if there are too many viewers, or if the service stops.
func (l *live) watch() (updates <-chan []byte, leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped || len(l.viewers) >= maxViewers {
		return nil, nil, false
	}
	viewer := make(chan []byte, 1)
	l.viewers[viewer] = struct{}{}
	if !l.running {
		l.running = true
		go l.run()
	}
	return viewer, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.viewers, viewer)
	}, true
}

// run sends updates until no one watches, or the service stops.
func (l *live) run() {
	for {
		pause := min(liveEvery, time.Until(l.next()))
		if pause <= 0 {
			pause = liveEvery
		}
		select {
		case <-l.stop:
			return
		case <-time.After(pause):
		}
		if !l.watched() {
			return
		}
		l.send(l.render())
	}
}

// watched reports whether there are viewers. If there are none, the updates end.
func (l *live) watched() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = len(l.viewers) > 0
	return l.running
}

func (l *live) send(update []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for viewer := range l.viewers {
		select {
		case <-viewer: // it has not read the update before
		default:
		}
		viewer <- update // it has room, because only this function writes
	}
}

// close ends the streams, and refuses new ones.
func (l *live) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.stopped = true
		close(l.stop)
	}
}
