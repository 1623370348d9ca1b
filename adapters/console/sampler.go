package console

import (
	"context"
	"sync"
	"time"

	"paymentd/ports"
)

const (
	// sampleEvery is the shortest time between the beginnings of two samples, for any number of viewers.
	sampleEvery = time.Second
	// sampleShare is how many times longer the pause between two samples is than a sample takes, so that a slow
	// database is not kept busy by it.
	sampleShare = 10
	// sampleTimeout bounds a sample, because a page must not wait for an unavailable database.
	sampleTimeout = 2 * time.Second
)

// sample is what is outstanding, as it was read last.
type sample struct {
	ports.Outstanding

	At  time.Time // when it was read, by this process's clock; zero if it never was
	Err error     // why the latest try to read it failed; then the rest is of the one before
}

// sampler reads what is outstanding when it is needed, and at most once in sampleEvery.
type sampler struct {
	work ports.OutstandingWork

	mu     sync.Mutex // held during a sample, so that concurrent viewers share it
	next   time.Time
	latest sample
}

// get returns a sample that is at most sampleEvery old, unless the database is too slow for that. It waits at most
// sampleTimeout.
func (s *sampler) get() sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	began := time.Now()
	if began.Before(s.next) {
		return s.latest
	}
	ctx, cancel := context.WithTimeout(context.Background(), sampleTimeout)
	defer cancel()
	work, err := s.work.SumOutstanding(ctx)
	s.latest.Err = err
	done := time.Now()
	if err == nil {
		s.latest.Outstanding, s.latest.At = work, done
	}
	s.next = began.Add(max(sampleEvery, sampleShare*done.Sub(began)))
	return s.latest
}

// due returns when the next sample can be read.
func (s *sampler) due() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}
