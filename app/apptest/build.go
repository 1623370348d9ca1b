package apptest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"paymentd/app/apptest/process"
)

// Build returns the path of the paymentd binary, which is built once for each test binary, as
// `make build` builds it.
func Build(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatalf("apptest: %v", err)
	}
	return path
}

var build = sync.OnceValues(func() (path string, err error) {
	folder, err := os.MkdirTemp("", "paymentd-apptest-")
	if err != nil {
		return "", fmt.Errorf("make a folder for the binary: %w", err)
	}
	// Not a test's cleanup: all tests share the binary.
	if _, err = process.RemoveOnExit(folder); err != nil {
		return "", err
	}
	path = filepath.Join(folder, "paymentd")
	// Not a test's context: its cancellation would fail the tests that run after it.
	return path, process.Build(context.Background(), path)
})
