package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build builds paymentd into the file, as `make build` does: without cgo and the race detector, so
// that measured times are those of production, and with the versions of the product's own go.mod.
func Build(ctx context.Context, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "paymentd").Output()
	if err != nil {
		return fmt.Errorf("find the folder of the module paymentd: %w", err)
	}
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "./app/paymentd") //nolint:gosec // the caller's own path
	command.Dir = strings.TrimSpace(string(root))
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build paymentd: %w\n%s", err, out)
	}
	return nil
}
