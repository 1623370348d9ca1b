// Package groupcommit lets writes share a commit: the writes that arrive while another one is in
// flight form the next batch. There is no timer, so a single write is never delayed. Databases do
// the same inside one server ("Binary Log Group Commit", "Group Commit for the Binary Log"); here
// the statement is shared as well as the commit.
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
	// ErrNotBegun: ctx or the timeout ended before the write began. Nothing was written.
	ErrNotBegun = errors.New("the write has not begun")
	// ErrPanicked: the write function panicked on the batch that the item was in.
	ErrPanicked = errors.New("the write panicked")
)

// Batcher gathers items into batches. Make one with [NewBatcher].
type Batcher[T any] struct {
	write         func([]T) []error
	maxBatchRows  int
	maxConcurrent int
	stallAfter    time.Duration

	mu      sync.Mutex
	writing int           // batches in flight
	queue   []*pending[T] // oldest first

	completed sync.Pool // of *pending[T], for the next items
}

// pending is an item whose write has not completed.
type pending[T any] struct {
	item  T
	done  chan error  // buffered
	stall *time.Timer // of Do; stopped between two items
}

// NewBatcher returns a Batcher that writes with write, which gets 1 to maxBatchRows items and
// returns an error or nil for each. One batch is in flight at a time, so that batches grow. While
// the batch in flight takes longer than stallAfter, further batches start beside it, up to
// maxConcurrent.
func NewBatcher[T any](
	maxBatchRows, maxConcurrent int, stallAfter time.Duration, write func([]T) []error,
) *Batcher[T] {
	return &Batcher[T]{
		write: write, maxBatchRows: maxBatchRows, maxConcurrent: maxConcurrent, stallAfter: stallAfter,
	}
}

// Do writes the item together with the other pending ones, and returns its result. If ctx ends, or
// timeout passes, before the write begins, the item is withdrawn: [ErrNotBegun], with the cause.
// After that neither has an effect.
func (b *Batcher[T]) Do(ctx context.Context, timeout time.Duration, item T) error {
	if ctx.Err() != nil {
		return notBegun(context.Cause(ctx))
	}
	p := b.newPending(item)
	defer b.release(p)
	if batch := b.enqueue(p); batch != nil {
		b.run(batch)
		return <-p.done
	}
	p.stall.Reset(min(b.stallAfter, timeout))
	for waited := b.stallAfter; ; waited += b.stallAfter {
		select {
		case err := <-p.done:
			return err
		case <-ctx.Done():
			return b.withdraw(p, context.Cause(ctx))
		case <-p.stall.C:
		}
		if waited >= timeout {
			return b.withdraw(p, context.DeadlineExceeded)
		}
		if batch := b.startBeside(p); batch != nil {
			b.run(batch)
		}
		p.stall.Reset(min(b.stallAfter, timeout-waited))
	}
}

// newPending returns a pending item, with a timer that is stopped.
func (b *Batcher[T]) newPending(item T) *pending[T] {
	p, reused := b.completed.Get().(*pending[T])
	if !reused {
		p = &pending[T]{done: make(chan error, 1), stall: time.NewTimer(time.Hour)}
		p.stall.Stop()
	}
	p.item = item
	return p
}

// release takes back an item that is not in the queue and has no result left, so that no batch refers to it.
func (b *Batcher[T]) release(p *pending[T]) {
	p.stall.Stop()
	var none T
	p.item = none
	b.completed.Put(p)
}

// Start is [Batcher.Do] without the wait and the result: the item is written in the background. Items
// are written in the order of the calls if maxConcurrent is 1.
func (b *Batcher[T]) Start(item T) {
	if batch := b.enqueue(&pending[T]{item: item, done: make(chan error, 1)}); batch != nil {
		go b.run(batch)
	}
}

func notBegun(why error) error { return fmt.Errorf("%w: %w", ErrNotBegun, why) }

// enqueue adds p to the queue. If no batch is in flight, it returns the one to write now.
func (b *Batcher[T]) enqueue(p *pending[T]) []*pending[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = append(b.queue, p)
	if b.writing > 0 {
		return nil
	}
	b.writing++
	return b.next()
}

// startBeside returns a batch to write beside a stalled one, if p is still queued and the limit
// permits it.
func (b *Batcher[T]) startBeside(p *pending[T]) []*pending[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writing == b.maxConcurrent || !slices.Contains(b.queue, p) {
		return nil
	}
	b.writing++
	return b.next()
}

// next takes a batch off the queue. The caller holds b.mu.
func (b *Batcher[T]) next() []*pending[T] {
	n := min(len(b.queue), b.maxBatchRows)
	batch := b.queue[:n:n]
	b.queue = b.queue[n:]
	return batch
}

// run writes a batch, reports its results, and starts the next batch. A panic is reported to every
// item, because it is not known which of them caused it.
func (b *Batcher[T]) run(batch []*pending[T]) {
	began := time.Now()
	items := make([]T, len(batch))
	for i, p := range batch {
		items[i] = p.item
	}
	var errs []error
	defer func() {
		if value := recover(); value != nil {
			errs = slices.Repeat([]error{fmt.Errorf("%w: %v", ErrPanicked, value)}, len(batch))
		}
		for i, p := range batch {
			p.done <- errs[i]
		}
		b.startNext(time.Since(began) > b.stallAfter)
	}()
	errs = b.write(items)
}

// startNext writes the next batch in the background, unless the queue is empty. A batch that has
// stalled is not replaced while others are in flight.
func (b *Batcher[T]) startNext(stalled bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 || stalled && b.writing > 1 {
		b.writing--
		return
	}
	go b.run(b.next())
}

// withdraw takes p off the queue. If its write has begun, it waits for the result.
func (b *Batcher[T]) withdraw(p *pending[T], why error) error {
	b.mu.Lock()
	i := slices.Index(b.queue, p)
	if i >= 0 {
		b.queue = slices.Delete(slices.Clone(b.queue), i, i+1)
	}
	b.mu.Unlock()
	if i >= 0 {
		return notBegun(why)
	}
	return <-p.done
}
