package apptest

import (
	"bytes"
	"strings"
	"sync"
)

// tailLines is how much of a log is shown when a test has failed.
const tailLines = 60

// log keeps what a process writes.
type log struct {
	mu      sync.Mutex
	written bytes.Buffer
}

func newLog() *log { return &log{} }

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written.String()
}

func (l *log) has(words string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.written.Bytes(), []byte(words))
}

func (l *log) tail() string {
	lines := strings.Split(strings.TrimSpace(l.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
