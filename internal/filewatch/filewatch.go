// Package filewatch keeps values that are parsed from files, such as secrets and certificates, and parses
// them again when the files change.
//
// The files are compared by content. The modification time is not reliable if a file is replaced by
// renaming or a symbolic link changes, as Kubernetes does for mounted secrets, and file notifications
// follow neither.
package filewatch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// Interval is how often the files are read.
	Interval = 5 * time.Second
	// MaxBytes bounds a file.
	MaxBytes = 64 << 10
)

// Set is a set of values that are watched together.
type Set struct {
	log    *slog.Logger
	values []reloader
}

type reloader interface{ reload(log *slog.Logger) }

// NewSet returns an empty set, which logs changes.
func NewSet(log *slog.Logger) *Set { return &Set{log: log} }

// Watch reads the files periodically until ctx is done. All values must have been opened before.
func (s *Set) Watch(ctx context.Context) {
	ticker := time.NewTicker(Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			for _, v := range s.values {
				v.reload(s.log)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Value is what a function made of the content of one or more files.
type Value[T any] struct {
	paths   []string
	parse   func(contents [][]byte) (T, error)
	current atomic.Pointer[parsed[T]]

	// Used by reload only: the error of the latest reload, and whether it was logged.
	lastError string
	logged    bool
}

type parsed[T any] struct {
	value T
	hash  [sha256.Size]byte
}

// Open reads the files and adds their value to the set. parse gets a content for each path; its errors must
// not contain a secret, because they are logged.
func Open[T any](s *Set, parse func(contents [][]byte) (T, error), paths ...string) (*Value[T], error) {
	v := &Value[T]{paths: paths, parse: parse}
	p, err := v.read()
	if err != nil {
		return nil, err
	}
	v.current.Store(p)
	s.values = append(s.values, v)
	return v, nil
}

// Get returns the latest value that could be parsed.
func (v *Value[T]) Get() T { return v.current.Load().value }

func (v *Value[T]) reload(log *slog.Logger) {
	p, err := v.read()
	if err != nil {
		v.logError(log, err)
		return
	}
	v.lastError, v.logged = "", false
	if p.hash != v.current.Load().hash {
		v.current.Store(p)
		log.Info("a changed file of the settings was read", "files", v.paths)
	}
}

// logError logs an error once, and only when it occurs a second time: a file may be half written, and files
// that are replaced one after the other do not match for a moment.
func (v *Value[T]) logError(log *slog.Logger, err error) {
	if v.lastError != err.Error() {
		v.lastError, v.logged = err.Error(), false
		return
	}
	if !v.logged {
		v.logged = true
		log.Error("a changed file of the settings cannot be used; its previous content remains in use", "error", err)
	}
}

func (v *Value[T]) read() (*parsed[T], error) {
	p, hash := &parsed[T]{}, sha256.New()
	var contents [][]byte
	for _, path := range v.paths {
		content, err := Read(path)
		if err != nil {
			return nil, err
		}
		contents = append(contents, content)
		sum := sha256.Sum256(content)
		_, _ = hash.Write(sum[:])
	}
	hash.Sum(p.hash[:0])
	value, err := v.parse(contents)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(v.paths, ", "), err)
	}
	p.value = value
	return p, nil
}

// Read returns the content of a regular file of at most [MaxBytes].
func Read(path string) ([]byte, error) {
	// A pipe delivers its content once and blocks the next reader.
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("it is no regular file")}
	}
	if err != nil {
		return nil, describe(path, err)
	}
	file, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return nil, describe(path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	switch {
	case err != nil:
		return nil, describe(path, err)
	case len(content) > MaxBytes:
		return nil, fmt.Errorf("%s must have at most %d bytes", path, MaxBytes)
	}
	return content, nil
}

func describe(path string, err error) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		err = failed.Err
	}
	if looksLikeSecret(path) {
		return errors.New("the value looks like a secret, and must be the path of a file that holds it")
	}
	return fmt.Errorf("%s cannot be read: %w", path, err)
}

// looksLikeSecret reports whether a secret was given instead of the path of its file. Secrets of Stripe, of
// Square and of Standard Webhooks have these prefixes.
func looksLikeSecret(path string) bool {
	for _, prefix := range []string{"sk_", "rk_", "pk_", "whsec_", "EAAA", "sq0", "Bearer "} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
