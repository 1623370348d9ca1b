package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"paymentd/ports"
)

// fileMode is the mode of every file that this package creates. SQLite gives its log and the log's
// index the mode of the database file.
const fileMode fs.FileMode = 0o600

// create creates an empty database file that only its owner may read, unless it exists. SQLite would
// create it with the mode that the umask leaves. An existing file is not opened, because closing any
// of its descriptors would drop SQLite's locks on it (fcntl(2), "Record locks").
func create(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // it exists, or SQLite reports what is wrong with it
	}
	creating.Lock()
	defer creating.Unlock()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode) //nolint:gosec // the operator's own setting
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was first, or the path is a link to nothing
	}
	if err != nil {
		return fmt.Errorf("create the database file: %w", err)
	}
	return f.Close()
}

var creating sync.Mutex

// file compares the database file that the process has opened with the one at its path. A payment that
// is committed to a file that was removed or replaced is lost at the next start, and its order is
// charged again; so each transaction checks that the file at the path is the one that is open. That
// takes three calls of lstat(2).
//
// It does not detect a file that is overwritten in place without getting smaller.
type file struct {
	path string // as configured, absolute

	mu      sync.Mutex
	real    string         // path without symbolic links, beside which SQLite keeps its log
	main    fs.FileInfo    // as opened first; nil before that
	logs    [2]fs.FileInfo // the write-ahead log and its index, as the writer opened them; nil before that
	size    int64          // of main, at the end of the latest transaction
	logSize int64          // of the log, likewise
	broken  error          // the file was truncated; only a restart helps
}

// logSuffixes are the file name suffixes of the write-ahead log and its index.
var logSuffixes = [2]string{"-wal", "-shm"}

// fileError is a ports.ErrNotWritable that says how the file has changed.
type fileError struct{ path, what string }

func (e *fileError) Error() string {
	return fmt.Sprintf("%s %s while the service was running: no payment is taken, because it would be lost at the next start. "+
		"Restore the previous file, or restart the service to use the present one", e.path, e.what)
}

func (e *fileError) Unwrap() error { return ports.ErrNotWritable }

// errLogShrank: the write-ahead log is smaller than this process left it. That is correct if another
// process has emptied it after copying all of it into the database file.
var errLogShrank = errors.New("the write-ahead log has shrunk")

// opening is called before a connection is opened. Only the first connection that writes may create
// the file.
func (f *file) opening(writes bool) error {
	f.mu.Lock()
	known := f.main != nil
	f.mu.Unlock()
	if known {
		return f.check()
	}
	if writes {
		return create(f.path)
	}
	switch _, err := os.Stat(f.path); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s does not exist: the service creates it at its first start", ports.ErrUnavailable, f.path)
	case err != nil:
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	return nil
}

// opened is called after a connection was opened.
func (f *file) opened() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.main == nil {
		target, err := filepath.EvalSymlinks(f.path)
		if err != nil {
			return fmt.Errorf("%w: find the database file: %w", ports.ErrUnavailable, err)
		}
		info, err := os.Lstat(target)
		if err != nil {
			return fmt.Errorf("%w: find the database file: %w", ports.ErrUnavailable, err)
		}
		if !isOpen(info) {
			return &fileError{target, "was replaced"}
		}
		f.real, f.main, f.size = target, info, info.Size()
	}
	return f.same()
}

// check returns an error if the file at the path is not the one that is open.
func (f *file) check() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.same()
}

// same is check for callers that hold f.mu.
func (f *file) same() error {
	switch {
	case f.broken != nil:
		return f.broken
	case f.main == nil:
		return nil
	}
	if f.path != f.real {
		if now, err := filepath.EvalSymlinks(f.path); err != nil || now != f.real {
			return &fileError{f.path, "was linked to another file"}
		}
	}
	if err := unchanged(f.real, f.main); err != nil {
		return err
	}
	for i, opened := range f.logs {
		if opened == nil {
			continue
		}
		err := unchanged(f.real+logSuffixes[i], opened)
		if err != nil && !isOpen(f.logs[0]) {
			// The last connection was closed. SQLite then copies the log into the database file and deletes
			// it; the next transaction opens a new one.
			f.logs, f.logSize = [2]fs.FileInfo{}, 0
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unchanged returns an error unless the file at the path is the one that was opened. A link to it does
// not count, because SQLite keeps its log beside the name by which the file was opened.
func unchanged(path string, opened fs.FileInfo) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &fileError{path, "was removed"}
	case err != nil:
		return fmt.Errorf("%w: check the database file: %w", ports.ErrNotWritable, err)
	case !os.SameFile(info, opened):
		return &fileError{path, "was replaced"}
	}
	return nil
}

// begun is check at the start of a transaction, which has opened the log and holds the write lock.
// pageBytes returns the size of all pages of the database. The error may be errLogShrank.
func (f *file) begun(ctx context.Context, journal func(context.Context) (string, error),
	pageBytes func(context.Context) (int64, error),
) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.main == nil {
		return nil // opened has not run yet
	}
	if f.logs[0] == nil {
		if err := f.openedLogs(ctx, journal); err != nil {
			return err
		}
	}
	if err := f.same(); err != nil {
		return err
	}
	return f.whole(ctx, pageBytes)
}

// openedLogs records the log that the writer has opened.
func (f *file) openedLogs(ctx context.Context, journal func(context.Context) (string, error)) error {
	mode, err := journal(ctx)
	if err != nil || mode != "wal" {
		return err // there is no log that could be replaced
	}
	var logs [2]fs.FileInfo
	for i, suffix := range logSuffixes {
		info, err := os.Lstat(f.real + suffix)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return &fileError{f.real + suffix, "was removed"}
		case err != nil:
			return fmt.Errorf("%w: check the database file: %w", ports.ErrNotWritable, err)
		case !isOpen(info):
			return &fileError{f.real + suffix, "was replaced"}
		}
		logs[i] = info
	}
	f.logs, f.logSize = logs, logs[0].Size()
	return nil
}

// whole returns an error if a file was truncated after the latest transaction.
func (f *file) whole(ctx context.Context, pageBytes func(context.Context) (int64, error)) error {
	main, err := os.Lstat(f.real)
	if err != nil {
		return &fileError{f.real, "was removed"}
	}
	if size := main.Size(); size < f.size {
		// Correct only if a VACUUM of another process has made the database smaller.
		pages, err := pageBytes(ctx)
		if err != nil || size < min(f.size, pages) {
			f.broken = &fileError{f.real, "was truncated or overwritten"}
			return f.broken
		}
	}
	f.size = max(main.Size(), 0)
	if f.logs[0] == nil {
		return nil
	}
	log, err := os.Lstat(f.real + logSuffixes[0])
	if err != nil {
		return &fileError{f.real + logSuffixes[0], "was removed"}
	}
	if log.Size() < f.logSize {
		return errLogShrank
	}
	f.logSize = log.Size()
	return nil
}

// logEmptied records that the log has shrunk: correctly if err is nil, and otherwise because it was
// truncated.
func (f *file) logEmptied(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.broken = fmt.Errorf("%w: %w", &fileError{f.real + logSuffixes[0], "was truncated or overwritten"}, err)
		return f.broken
	}
	f.logSize = 0
	return nil
}

// committed is check after a COMMIT that has succeeded.
func (f *file) committed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.same(); err != nil {
		return err
	}
	if f.logs[0] == nil {
		return nil
	}
	if log, err := os.Lstat(f.real + logSuffixes[0]); err == nil {
		f.logSize = log.Size()
	}
	if main, err := os.Lstat(f.real); err == nil {
		f.size = max(f.size, main.Size())
	}
	return nil
}
