package app_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// completed runs the completion of bash for a line that ends with the word to complete.
func completed(t *testing.T, line ...string) []string {
	t.Helper()
	bash, err := exec.LookPath("bash")
	require.NoError(t, err, "the test runs the script in bash: install it")
	script := filepath.Join(t.TempDir(), "paymentd.bash")
	out := apptest.Run(t, apptest.Build(t), nil, "completion", "bash")
	require.NoError(t, os.WriteFile(script, []byte(out.Stdout), 0o600))
	command := exec.CommandContext(t.Context(), bash, append([]string{"--noprofile", "--norc", "-c", `source "$0"
		COMP_WORDS=(paymentd "$@"); COMP_CWORD=$#; _paymentd; printf '%s\n' "${COMPREPLY[@]}"`, script}, line...)...)
	var errors bytes.Buffer
	command.Stderr = &errors
	words, err := command.Output()
	require.NoError(t, err, errors.String())
	require.Empty(t, errors.String())
	return strings.Fields(string(words))
}

func TestCompletion_Bash(t *testing.T) {
	t.Parallel()
	require.Contains(t, completed(t, ""), "serve")
	require.Equal(t, []string{"rotate", "revoke"}, sortedLike(completed(t, "keys", "r"), "rotate", "revoke"))
	require.Equal(t, []string{"--expires"}, completed(t, "keys", "create", "--name", "x", "--e"))
	require.Equal(t, []string{"--older-than"}, completed(t, "archive", "--o"))
	require.Empty(t, completed(t, "show", "order"))
}

// sortedLike returns the words in the order of the others.
func sortedLike(words []string, order ...string) (sorted []string) {
	for _, word := range order {
		for _, w := range words {
			if w == word {
				sorted = append(sorted, w)
			}
		}
	}
	return sorted
}

// The shells that are installed parse their scripts.
func TestCompletion_OfEveryShell_Parses(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		out := apptest.Run(t, apptest.Build(t), nil, "completion", shell)
		require.Zero(t, out.Code, out)
		for _, command := range everyCommand(t) {
			require.Contains(t, out.Stdout, command, shell)
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		command := exec.CommandContext(t.Context(), path, "-n")
		command.Stdin = strings.NewReader(out.Stdout)
		printed, err := command.CombinedOutput()
		require.NoError(t, err, "%s: %s", shell, printed)
	}
	require.Equal(t, 2, apptest.Run(t, apptest.Build(t), nil, "completion", "tcsh").Code)
}

// Every command has a page, with its flags and exit codes.
func TestMan_EveryCommand_HasAPage(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	out := apptest.Run(t, apptest.Build(t), nil, "man", "--out="+folder)
	require.Equal(t, apptest.Output{}, out)
	for _, command := range everyCommand(t) {
		page, err := os.ReadFile(filepath.Join(folder, "paymentd-"+strings.ReplaceAll(command, " ", "-")+".1"))
		require.NoError(t, err)
		for _, want := range []string{".TH PAYMENTD", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH OPTIONS\n", ".B \\-\\-help", ".SH EXIT STATUS\n"} {
			require.Contains(t, string(page), want, command)
		}
	}
	whole := apptest.Run(t, apptest.Build(t), nil, "man")
	page, err := os.ReadFile(filepath.Join(folder, "paymentd.1"))
	require.NoError(t, err)
	require.Equal(t, string(page), whole.Stdout)
	require.Equal(t, 2, apptest.Run(t, apptest.Build(t), nil, "man", "--out="+folder+"/nowhere").Code)
	if groff, err := exec.LookPath("groff"); err == nil {
		command := exec.CommandContext(t.Context(), groff, "-man", "-ww", "-z")
		command.Stdin = bytes.NewReader(page)
		printed, err := command.CombinedOutput()
		require.NoError(t, err)
		require.Empty(t, string(printed), "a warning")
	}
}
