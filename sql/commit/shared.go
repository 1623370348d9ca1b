// Package commit lets writes share a commit: those that arrive while another is under way go
// together in the next one. There is no timer, so a lone write is never delayed. The idea is
// that of a database's own group commit ("Binary Log Group Commit", "Group Commit for the
// Binary Log"), one step earlier: what is shared is the statement as well.
package commit

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

	mu      sync.Mutex
	lanes   int           // free
	waiting []*waiting[T] // the one that came first is first
}

// waiting is a write in line.
type waiting[T any] struct {
	item T
	done chan error // of capacity 1
}

// NewShared returns a Shared whose writes are made by write: it gets from one to most items, and
// returns an error or nil for each. Of these, as many run at once as there are lanes.
func NewShared[T any](lanes, most int, write func([]T) []error) *Shared[T] {
	return &Shared[T]{write: write, most: most, lanes: lanes}
}

// Do writes the item, with whatever else is waiting, and returns what became of it. The end of
// ctx, or of patience, takes it out of the line: [ErrNotBegun], and why. Once its write has begun,
// they have no say any more.
func (s *Shared[T]) Do(ctx context.Context, patience time.Duration, item T) error {
	if ctx.Err() != nil {
		return notBegun(context.Cause(ctx))
	}
	w := &waiting[T]{item: item, done: make(chan error, 1)}
	s.mu.Lock()
	s.waiting = append(s.waiting, w)
	if s.lanes > 0 {
		s.lanes--
		batch := s.next()
		s.mu.Unlock()
		s.run(batch) // ours is among them: a free lane means that nobody waits
		return <-w.done
	}
	s.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	why := context.DeadlineExceeded
	select {
	case err := <-w.done:
		return err
	case <-timer.C:
	case <-ctx.Done():
		why = context.Cause(ctx)
	}
	if s.withdraw(w) {
		return notBegun(why)
	}
	return <-w.done
}

func notBegun(why error) error { return fmt.Errorf("%w: %w", ErrNotBegun, why) }

// next takes the batch that goes now.
func (s *Shared[T]) next() []*waiting[T] {
	n := min(len(s.waiting), s.most)
	batch := s.waiting[:n:n]
	s.waiting = s.waiting[n:]
	return batch
}

// run writes a batch, and gives the lane to whoever came meanwhile.
func (s *Shared[T]) run(batch []*waiting[T]) {
	items := make([]T, len(batch))
	for i, w := range batch {
		items[i] = w.item
	}
	errs := s.attempt(items)
	for i, w := range batch {
		w.done <- errs[i]
	}
	s.leave()
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

// leave frees the lane, or lets it write the next batch.
func (s *Shared[T]) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		s.lanes++
		return
	}
	go s.run(s.next())
}

// withdraw takes a write out of the line. It returns false when it has begun.
func (s *Shared[T]) withdraw(w *waiting[T]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.waiting {
		if other == w {
			s.waiting = append(s.waiting[:i:i], s.waiting[i+1:]...)
			return true
		}
	}
	return false
}
