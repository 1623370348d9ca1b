// Package commit lets writes share a commit: those that arrive while another is under way go
// together in the next one. There is no timer, so a lone write is never delayed. The idea is
// that of a database's own group commit ("Binary Log Group Commit", "Group Commit for the
// Binary Log"), one step earlier: what is shared is the statement as well.
package groupcommit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

var (
	// ErrNotBegun: the caller's patience was over before its write began. Nothing was written.
	ErrNotBegun = errors.New("the write has not begun")
	// ErrPanicked: the write of this item, or of another one in its batch, has panicked.
	ErrPanicked = errors.New("the write panicked")
)

// Shared gathers writes. Make one with [NewShared].
type Shared[T any] struct {
	write func([]T) []error
	most  int
	lanes int
	slow  time.Duration

	mu      sync.Mutex
	busy    int           // lanes
	waiting []*waiting[T] // the one that came first is first
}

// waiting is a write in line.
type waiting[T any] struct {
	item T
	done chan error // of capacity 1
}

// NewShared returns a Shared whose writes are made by write: it gets from one to most items, and
// returns an error or nil for each. One is under way at a time, so that as many as can go
// together. One that takes longer than slow holds up nobody, though: the next begins beside it, in
// another lane, as long as there is one.
func NewShared[T any](most, lanes int, slow time.Duration, write func([]T) []error) *Shared[T] {
	return &Shared[T]{write: write, most: most, lanes: lanes, slow: slow}
}

// Do writes the item, with whatever else is waiting, and returns what became of it. The end of
// ctx, or of patience, takes it out of the line: [ErrNotBegun], and why. Once its write has begun,
// they have no say any more.
func (s *Shared[T]) Do(ctx context.Context, patience time.Duration, item T) error {
	if ctx.Err() != nil {
		return notBegun(context.Cause(ctx))
	}
	w := &waiting[T]{item: item, done: make(chan error, 1)}
	if batch := s.join(w); batch != nil {
		s.run(batch)
		return <-w.done
	}
	timer := time.NewTimer(min(s.slow, patience))
	defer timer.Stop()
	for waited := s.slow; ; waited += s.slow {
		select {
		case err := <-w.done:
			return err
		case <-ctx.Done():
			return s.withdraw(w, context.Cause(ctx))
		case <-timer.C:
		}
		if waited >= patience {
			return s.withdraw(w, context.DeadlineExceeded)
		}
		if batch := s.overtake(w); batch != nil {
			s.run(batch)
		}
		timer.Reset(min(s.slow, patience-waited))
	}
}

func notBegun(why error) error { return fmt.Errorf("%w: %w", ErrNotBegun, why) }

// join gets in line. Where no write is under way, it returns the one to begin with.
func (s *Shared[T]) join(w *waiting[T]) []*waiting[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, w)
	if s.busy > 0 {
		return nil
	}
	s.busy++
	return s.next()
}

// overtake returns the write to begin with in another lane, if w still waits and there is one.
func (s *Shared[T]) overtake(w *waiting[T]) []*waiting[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy == s.lanes || !slices.Contains(s.waiting, w) {
		return nil
	}
	s.busy++
	return s.next()
}

// next takes the batch that goes now.
func (s *Shared[T]) next() []*waiting[T] {
	n := min(len(s.waiting), s.most)
	batch := s.waiting[:n:n]
	s.waiting = s.waiting[n:]
	return batch
}

// run writes a batch, and gives the lane to whoever came meanwhile.
func (s *Shared[T]) run(batch []*waiting[T]) {
	began := time.Now()
	items := make([]T, len(batch))
	for i, w := range batch {
		items[i] = w.item
	}
	errs := s.attempt(items)
	for i, w := range batch {
		w.done <- errs[i]
	}
	s.leave(time.Since(began) > s.slow)
}

// attempt writes the items. A panic is an error of each of them, as nobody knows whose it is.
func (s *Shared[T]) attempt(items []T) (errs []error) {
	defer func() {
		if value := recover(); value != nil {
			err := fmt.Errorf("%w: %v", ErrPanicked, value)
			errs = slices.Repeat([]error{err}, len(items))
		}
	}()
	return s.write(items)
}

// leave frees the lane, or lets it write the next batch. One that was overtaken is not needed.
func (s *Shared[T]) leave(slow bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 || slow && s.busy > 1 {
		s.busy--
		return
	}
	go s.run(s.next())
}

// withdraw takes a write out of the line. Where it has begun, it returns what became of it.
func (s *Shared[T]) withdraw(w *waiting[T], why error) error {
	s.mu.Lock()
	i := slices.Index(s.waiting, w)
	if i >= 0 {
		s.waiting = slices.Delete(slices.Clone(s.waiting), i, i+1)
	}
	s.mu.Unlock()
	if i >= 0 {
		return notBegun(why)
	}
	return <-w.done
}
