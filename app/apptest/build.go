package apptest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Build returns the path of the paymentd binary, which it builds once for each test binary.
// It is built as for production, without the race detector, so that times mean something.
func Build(t testing.TB) string {
	t.Helper()
	b, err := build()
	if err != nil {
		t.Fatalf("apptest: %v", err)
	}
	return b.path
}

type binary struct {
	path string
	// cleaner is kept for as long as this process lives: when nothing refers to a pipe any
	// more, Go closes it, and the watcher takes that for our end.
	cleaner *watcher
}

var build = sync.OnceValues(func() (b binary, err error) {
	folder, err := os.MkdirTemp("", "paymentd-apptest-")
	if err != nil {
		return b, fmt.Errorf("make a folder for the binary: %w", err)
	}
	// No test's cleanup: the binary serves them all.
	if b.cleaner, err = atEnd(`rm -rf -- "$1"`, folder); err != nil {
		return b, err
	}
	b.path = filepath.Join(folder, "paymentd")
	// Not a test's context: the test that is first must not decide over those that follow.
	command := exec.Command("go", "build", "-trimpath", "-o", b.path, "paymentd/app/paymentd") //nolint:gosec // the folder is ours
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return b, fmt.Errorf("build paymentd: %w\n%s", err, out)
	}
	return b, nil
})
