// Package asynclog writes log lines in the background, so that logging never blocks. If the reader
// of the log is slow or gone, or the disk is full, lines are dropped and counted.
package asynclog

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"
)

// The limits of a [Writer]. It needs at most about 10 MiB: the queue and the batch that is being
// written each have up to MaxBytes, and a slice that grows has a quarter of its size in reserve.
const (
	// MaxLines bounds the queued lines.
	MaxLines = 16384
	// MaxBytes bounds the bytes of the queued lines.
	MaxBytes = 4 << 20
)

const (
	// chunkBytes bounds a write. A pipe takes that many bytes as a whole (PIPE_BUF on Linux,
	// pipe(7)), so that processes that share a pipe do not interleave their lines.
	chunkBytes = 4096
	// spareBytes bounds the buffer that is kept for reuse when the queue is empty.
	spareBytes = 64 << 10
	// reportInterval is how often drops are reported while the queue is never empty.
	reportInterval = 10 * time.Second
	// againAfter is the wait if the file is in non-blocking mode and full.
	againAfter = 10 * time.Millisecond
)

// Writer queues lines, and writes them to another writer in the background. Each call of Write must
// have one whole line, as slog's handlers write it. Write never blocks and never fails.
type Writer struct {
	to     io.Writer
	report func(dropped uint64) []byte

	mu      sync.Mutex
	queue   []byte // whole lines
	lines   int    // in queue
	dropped uint64
	state   state
	wake    chan struct{} // has a token if the queue may have lines, or the writer was closed
	done    chan struct{} // closed when the goroutine has ended

	// The fields below are used by the goroutine only.
	batch    []byte
	flowing  bool      // the last write succeeded
	torn     bool      // the last line was written in part
	reported uint64    // drops that were reported in the log
	since    time.Time // when drops that are not reported were first seen; zero if there are none
}

type state int

const (
	idle    state = iota // no goroutine yet
	running              // the goroutine writes
	closed               // lines are dropped
)

// New returns a writer that writes to another one. If lines were dropped, report returns the line
// that says how many, which is written when writes succeed again; it must end with a line feed.
func New(to io.Writer, report func(dropped uint64) []byte) *Writer {
	return &Writer{to: to, report: report, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// Write queues a line. It always returns len(line) and nil: a dropped line is counted.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == closed || w.lines >= MaxLines || len(w.queue)+len(line) > MaxBytes {
		w.dropped++
		return len(line), nil
	}
	if w.state == idle {
		w.state = running
		go w.run()
	}
	w.queue = append(w.queue, line...)
	w.lines++
	w.signal()
	return len(line), nil
}

// Dropped returns how many lines were not written.
func (w *Writer) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Close writes the queued lines, for at most the limit, and reports whether all were written. Later
// lines are dropped. A blocked write is abandoned until the process exits.
func (w *Writer) Close(limit time.Duration) bool {
	w.mu.Lock()
	if w.state == idle {
		close(w.done)
	}
	w.state = closed
	w.signal()
	w.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.done:
		return true
	case <-timer.C:
	}
	select {
	case <-w.done: // at the same moment
		return true
	default:
		return false
	}
}

// signal wakes the goroutine.
func (w *Writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Writer) run() {
	defer close(w.done)
	for {
		over := w.take()
		for rest := w.batch; len(rest) > 0; {
			chunk := chunkOf(rest)
			rest = rest[len(chunk):]
			w.write(chunk)
			w.reportDrops(reportInterval)
		}
		if len(w.batch) > 0 {
			continue
		}
		w.reportDrops(0)
		if over {
			return
		}
		<-w.wake
	}
}

// take moves the queue into w.batch, and reports whether the writer is closed.
func (w *Writer) take() (over bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	spare := w.batch[:0]
	if cap(spare) > spareBytes {
		spare = nil
	}
	w.batch, w.queue, w.lines = w.queue, spare, 0
	return w.state == closed
}

// chunkOf returns as many whole lines from the start of lines as fit into a chunk, and at least
// one.
func chunkOf(lines []byte) []byte {
	if len(lines) <= chunkBytes {
		return lines
	}
	if end := bytes.LastIndexByte(lines[:chunkBytes], '\n'); end >= 0 {
		return lines[:end+1]
	}
	if end := bytes.IndexByte(lines, '\n'); end >= 0 {
		return lines[:end+1]
	}
	return lines
}

// write writes whole lines, and counts those that it could not write.
func (w *Writer) write(chunk []byte) {
	n, err := 0, error(nil)
	if w.torn {
		_, err = w.writeAll([]byte("\n"))
		w.torn = err != nil
	}
	if err == nil {
		n, err = w.writeAll(chunk)
		w.torn = err != nil && n > 0 && chunk[n-1] != '\n'
	}
	if w.flowing = err == nil; !w.flowing {
		w.drop(chunk[n:])
	}
}

// writeAll waits if a file in non-blocking mode is full; another process that shares the file may
// have set that mode.
func (w *Writer) writeAll(p []byte) (written int, err error) {
	for {
		n, err := w.to.Write(p[written:])
		written += n
		if !errors.Is(err, syscall.EAGAIN) {
			return written, err
		}
		time.Sleep(againAfter)
	}
}

func (w *Writer) drop(lines []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropped += uint64(bytes.Count(lines, []byte("\n"))) //nolint:gosec // a count is not negative
}

// reportDrops reports how many lines were dropped since the last report, if the first of them was
// dropped that long ago and writes succeed. A report that fails is repeated later.
func (w *Writer) reportDrops(after time.Duration) {
	dropped := w.Dropped()
	if dropped == w.reported {
		return
	}
	if w.since.IsZero() {
		w.since = time.Now()
	}
	if !w.flowing || time.Since(w.since) < after {
		return
	}
	line := w.report(dropped - w.reported)
	if n, err := w.writeAll(line); err != nil {
		w.flowing, w.torn = false, n > 0 && n < len(line)
		return
	}
	w.reported, w.since = dropped, time.Time{}
}
