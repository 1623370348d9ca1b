package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// A file that holds one unfinished line may be another program's, however much the line resembles one of an archive.
func TestArchive_UnfinishedFirstLineIsRefusedUntouched(t *testing.T) {
	t.Parallel()
	variables, line := archivedOnce(t)
	torn := line[:len(line)-20]
	for name, content := range map[string]string{
		"three bytes":            `{"o`,
		"the first member":       `{"order_id":"`,
		"another program's line": `{"order_id":"order-1","total":"5.00","customer":"ada`,
		"zeros at the end":       `{"order_id":"order-1` + strings.Repeat("\x00", 4096),
		"a torn line of ours":    torn,
		"zeros alone":            strings.Repeat("\x00", 4096),
	} {
		for _, age := range []string{"0s", "8760h"} { // payments to archive, and none
			file := filepath.Join(t.TempDir(), "file.jsonl")
			require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
			out := apptest.Run(t, apptest.Build(t), variables, "archive", "--older-than="+age, "--to="+file)
			require.Equal(t, 2, out.Code, "%s: %s", name, out)
			require.Empty(t, out.Stdout, name)
			require.Contains(t, out.Stderr, "its only line is unfinished", name)
			require.Contains(t, out.Stderr, "name a new file", name)
			require.Equal(t, content, contentOf(file), name)
		}
	}
}

func TestArchive_NothingToAddChangesNoByte(t *testing.T) {
	t.Parallel()
	variables, line := archivedOnce(t)
	for name, end := range map[string]string{
		"a part of a line":      line[:50],
		"zeros":                 strings.Repeat("\x00", 4096),
		"a line without its LF": strings.TrimSuffix(line, "\n"),
	} {
		file := filepath.Join(t.TempDir(), "archive.jsonl")
		require.NoError(t, os.WriteFile(file, []byte(line+end), 0o600))
		out := apptest.Run(t, apptest.Build(t), variables, "archive", "--to="+file) // payments of a year ago
		require.Equal(t, apptest.Output{Stdout: "0 archived, 0 left for the next run because they changed during this run\n"}, out, name)
		require.Equal(t, line+end, contentOf(file), name)
	}
}
