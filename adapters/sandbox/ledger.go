package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// ledger is the file of all decisions, one JSON object a line, only ever appended to.
//
// Lines that arrive while others are being synced to the disk share the next sync: many
// charges at once cost few syncs, and a lone one waits for none but its own.
type ledger struct {
	file    *os.File
	wake    chan struct{} // holds a token while a batch may be waiting
	stopped chan struct{}

	mu      sync.Mutex
	waiting *batch // gathers lines; nil when there is none
	size    int64  // bytes that are on the disk
	err     error  // the ledger cannot be written any more
}

// batch is lines that go to the disk together.
type batch struct {
	lines []byte
	done  chan struct{} // closed when they are there, or cannot be
	err   error         // why they cannot; set before done is closed
}

// openLedger opens or creates the file, hands its lines to read, and starts to write.
func openLedger(path string, log *slog.Logger, read func(line []byte) error) (*ledger, error) {
	if err := checkLedgerPath(path); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("the sandbox ledger cannot be opened: %w", err)
	}
	l := &ledger{file: file, wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	if err := l.load(path, log, read); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	go l.run()
	return l, nil
}

// load locks the file against a second process, reads it, and cuts off a line that a
// crash has torn. The lock goes with the process, however it ends.
func (l *ledger) load(path string, log *slog.Logger, read func(line []byte) error) error {
	err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("sandbox ledger %s is in use by another process; stop that one or name another file", path)
	}
	if err != nil {
		return fmt.Errorf("lock sandbox ledger %s: %w", path, err)
	}
	r := bufio.NewReader(l.file)
	for number := 1; ; number++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if err := l.loadTail(path, number, line, log, read); err != nil {
				return err
			}
			break
		}
		if err != nil {
			return fmt.Errorf("read sandbox ledger: %w", err)
		}
		if number == 1 && !isRecord(line) {
			return notLedger(path)
		}
		if err := read(line); err != nil {
			return fmt.Errorf("sandbox ledger %s is damaged at line %d: %w; restore the file from a copy, "+
				"or move it away to begin an empty one that knows none of its charges", path, number, err)
		}
		l.size += int64(len(line))
	}
	if err := l.file.Truncate(l.size); err != nil {
		return fmt.Errorf("cut sandbox ledger: %w", err)
	}
	return l.settleFile(path)
}

// loadTail takes in what follows the last line feed. A part of a record is cut off when the file is
// ready; a whole one gets its line feed. The error is of a file that is no ledger, and stays as it is.
func (l *ledger) loadTail(path string, number int, tail []byte, log *slog.Logger, read func([]byte) error) error {
	switch {
	case len(tail) == 0:
		return nil
	case isRecord(tail):
		if err := read(tail); err != nil {
			return fmt.Errorf("sandbox ledger %s is damaged at line %d: %w", path, number, err)
		}
		if _, err := l.file.WriteString("\n"); err != nil {
			return fmt.Errorf("write sandbox ledger: %w", err)
		}
		l.size += int64(len(tail)) + 1
		return nil
	case !isTorn(tail), number == 1 && (len(tail) < minTornFile || tail[0] == 0):
		return notLedger(path)
	}
	// An answer waits until its whole line is on the disk: this one was not given.
	log.Warn("cut off the last line of the sandbox ledger: it was not written whole",
		"path", path, "line", number, "bytes", len(tail))
	return nil
}

func notLedger(path string) error {
	return fmt.Errorf("the file %s is not a sandbox ledger; name another one", path)
}

// checkLedgerPath refuses what cannot be a ledger before it is opened.
func checkLedgerPath(path string) error {
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if strings.HasSuffix(path, suffix) {
			return fmt.Errorf("%s has the name of a part of a SQLite database, and is not a sandbox ledger; name another file", path)
		}
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is a folder, a device or a pipe, and is not a sandbox ledger; name a file", path)
	}
	return nil
}

// settleFile makes the file as it is, and its name, last through a loss of power.
func (l *ledger) settleFile(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("open the directory of the sandbox ledger: %w", err)
	}
	if err := errors.Join(l.file.Sync(), dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("sync sandbox ledger: %w", err)
	}
	return nil
}

// append adds a line, and returns the batch with which it reaches the disk. Lines are on
// the disk in the order of these calls. It must not be called after close.
func (l *ledger) append(line []byte) *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = &batch{done: make(chan struct{})}
		l.wake <- struct{}{}
	}
	l.waiting.lines = append(l.waiting.lines, line...)
	return l.waiting
}

// failure returns why the ledger cannot be written any more, or nil.
func (l *ledger) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// reader returns what is on the disk now.
func (l *ledger) reader() io.Reader {
	l.mu.Lock()
	defer l.mu.Unlock()
	return io.NewSectionReader(l.file, 0, l.size)
}

func (l *ledger) run() {
	defer close(l.stopped)
	for range l.wake {
		l.mu.Lock()
		b, err := l.waiting, l.err
		l.waiting = nil
		l.mu.Unlock()

		if err == nil {
			err = l.write(b.lines)
		}
		l.mu.Lock()
		if err == nil {
			l.size += int64(len(b.lines))
		}
		// After a write that failed half-way another line would continue the torn one, and
		// what a failed sync has lost is unknown: the ledger stays closed.
		l.err = err
		l.mu.Unlock()

		b.err = err
		b.lines = nil // entries hold on to their batch
		close(b.done)
	}
}

func (l *ledger) write(lines []byte) error {
	if _, err := l.file.Write(lines); err != nil {
		return fmt.Errorf("write sandbox ledger: %w", err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync sandbox ledger: %w", err)
	}
	return nil
}

// close writes what waits, and gives the file free.
func (l *ledger) close() error {
	close(l.wake)
	<-l.stopped
	// Closing alone would leave the lock to a child process that is just being started and
	// shares the file until its exec.
	_ = syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN)
	return errors.Join(l.failure(), l.file.Close())
}
