package mysqltest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
)

// The test repeats others of this package in a process whose servers come from an
// image. The engine is a stub that fails on options that it does not know.
func TestServerFromAnImage(t *testing.T) {
	t.Parallel()

	engine, err := filepath.Abs("testdata/engine")
	require.NoError(t, err)
	folder := t.TempDir()
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^("+
		"TestServerKeepsItsDataWhenKilled|TestServerGoesWithTheProcessThatStartedIt|TestDatabaseIsEmptyAndOnesOwn|TestTools)$")
	again.Env = append(os.Environ(),
		mysqltest.ImageVariable+"=stand-in:1",
		mysqltest.URLVariable+"=",
		"ENGINE_FOLDER="+folder,
		"PATH="+engine+string(os.PathListSeparator)+os.Getenv("PATH"),
	)
	out, err := again.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestServerKeepsItsDataWhenKilled")

	images, err := os.ReadFile(filepath.Join(folder, "images"))
	require.NoError(t, err)
	require.Contains(t, string(images), "stand-in:1\n", "the servers did not come from the image")
}
