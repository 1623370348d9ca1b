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
	path, err := build()
	if err != nil {
		t.Fatalf("apptest: %v", err)
	}
	return path
}

// cleaner is kept for as long as the process lives: when nothing refers to a pipe any more, Go
// closes it, and the watcher takes that for our end.
var cleaner *watcher

var build = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "paymentd-apptest-")
	if err != nil {
		return "", fmt.Errorf("make a folder for the binary: %w", err)
	}
	// No test's cleanup: the binary serves them all.
	if cleaner, err = atEnd(`rm -rf -- "$1"`, folder); err != nil {
		return "", err
	}
	path := filepath.Join(folder, "paymentd")
	// Not a test's context: the test that is first must not decide over those that follow.
	command := exec.Command("go", "build", "-trimpath", "-o", path, "paymentd/app/paymentd") //nolint:noctx,gosec // see above; the folder is ours
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build paymentd: %w\n%s", err, out)
	}
	return path, nil
})
