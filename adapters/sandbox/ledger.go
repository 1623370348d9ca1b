package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"paymentd/internal/groupcommit"
)

// maxBatchLines limits the lines of one sync.
const maxBatchLines = 4096

// ledger is the file of all decisions, one JSON object per line, append-only. Lines that arrive during
// a sync share the next one, so that concurrent charges need few syncs and a single one is not delayed.
type ledger struct {
	file   *os.File
	writes *groupcommit.Batcher[*ledgerLine]

	mu   sync.Mutex
	last *ledgerLine // the latest one; nil if there is none
	size int64       // bytes that are synced
	err  error       // why the ledger cannot be written any more
}

// ledgerLine is a line on its way to the disk.
type ledgerLine struct {
	text []byte        // nil after the write
	done chan struct{} // closed when the line is synced, or cannot be
	err  error         // why it cannot be; set before done is closed
}

// newLedger returns a ledger that appends to the file.
func newLedger(file *os.File) *ledger {
	l := &ledger{file: file}
	// One sync at a time keeps the lines in order, however long it takes.
	l.writes = groupcommit.NewBatcher(maxBatchLines, 1, time.Minute, l.write)
	return l
}

// openLedger opens or creates the file, and calls read with each of its lines.
func openLedger(path string, log *slog.Logger, read func(line []byte) error) (*ledger, error) {
	if err := checkLedgerPath(path); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("the sandbox ledger cannot be opened: %w", err)
	}
	l := newLedger(file)
	if err := l.load(path, log, read); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return l, nil
}

// load locks the file against other processes, reads it, and removes a line that a crash left
// incomplete. The operating system releases the lock when the process ends.
func (l *ledger) load(path string, log *slog.Logger, read func(line []byte) error) error {
	err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("sandbox ledger %s is in use by another process; stop that process or name another file", path)
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
				"or move it away to begin an empty one without its charges", path, number, err)
		}
		l.size += int64(len(line))
	}
	if err := l.file.Truncate(l.size); err != nil {
		return fmt.Errorf("truncate sandbox ledger: %w", err)
	}
	return l.settleFile(path)
}

// loadTail reads what follows the last line feed. A complete record gets its line feed; load removes an
// incomplete one. A file that is no ledger is an error, and is not changed.
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
	// A charge is answered only after its whole line is synced, so this one was not answered.
	log.Warn("cut off the last line of the sandbox ledger: it is incomplete",
		"path", path, "line", number, "bytes", len(tail))
	return nil
}

func notLedger(path string) error {
	return fmt.Errorf("the file %s is not a sandbox ledger; name another one", path)
}

// checkLedgerPath refuses, before the file is opened, what cannot be a ledger.
func checkLedgerPath(path string) error {
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if strings.HasSuffix(path, suffix) {
			return fmt.Errorf("%s has the name of a SQLite file, and is not a sandbox ledger; name another file", path)
		}
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is a folder, a device or a pipe, and is not a sandbox ledger; name a file", path)
	}
	return nil
}

// settleFile syncs the file and its directory, so that both survive a loss of power.
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

// append adds a line. Lines are written in the order of the calls. It must not be called after close.
func (l *ledger) append(text []byte) *ledgerLine {
	line := &ledgerLine{text: text, done: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = line
	l.writes.Start(line)
	return line
}

// failure returns why the ledger cannot be written any more; nil if it can.
func (l *ledger) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// reader reads what is synced now.
func (l *ledger) reader() io.Reader {
	l.mu.Lock()
	defer l.mu.Unlock()
	return io.NewSectionReader(l.file, 0, l.size)
}

// write writes and syncs lines. After an error the ledger stays closed: a further line would continue
// one that was written in part, and it is not known what a failed sync has lost.
func (l *ledger) write(batch []*ledgerLine) []error {
	var text []byte
	for _, line := range batch {
		text = append(text, line.text...)
	}
	err := l.failure()
	if err == nil {
		err = l.sync(text)
	}
	l.mu.Lock()
	if err == nil {
		l.size += int64(len(text))
	}
	l.err = err
	l.mu.Unlock()
	for _, line := range batch {
		line.err = err
		line.text = nil // the gateway keeps the ledgerLine in memory
		close(line.done)
	}
	return slices.Repeat([]error{err}, len(batch))
}

func (l *ledger) sync(text []byte) error {
	if _, err := l.file.Write(text); err != nil {
		return fmt.Errorf("write sandbox ledger: %w", err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync sandbox ledger: %w", err)
	}
	return nil
}

// close waits for the pending lines, and closes the file.
func (l *ledger) close() error {
	l.mu.Lock()
	last := l.last
	l.mu.Unlock()
	if last != nil {
		<-last.done
	}
	// Closing the file alone would leave the lock to a child process that is being started and shares
	// the file until its exec.
	_ = syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN)
	return errors.Join(l.failure(), l.file.Close())
}
