package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// roleVariable makes the test binary do something else than run tests.
const roleVariable = "WITHSTRIPE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "main": // withstripe itself
		_ = os.Setenv(roleVariable, "wait")
		main()
	case "wait": // prints the gateways file, and waits for the signal that ends it
		signals := make(chan os.Signal, 2)
		signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
		fmt.Println(os.Getenv("PAYMENTD_GATEWAYS_FILE"))
		fmt.Println(<-signals)
		os.Exit(43)
	default:
		os.Exit(m.Run())
	}
}

// withstripe returns the command that runs this binary as withstripe.
func withstripe(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], arguments...)
	command.Dir = t.TempDir()
	command.Env = append(os.Environ(), roleVariable+"=main")
	return command
}

// The doctor of the service accepts the gateways file, and the fake the credentials in it.
func TestRun_Doctor_FindsAGateway(t *testing.T) {
	t.Parallel()
	out, err := withstripe(t, "-addr", "127.0.0.1:0", "--", apptest.Build(t), "doctor", "--database=sqlite:x.db", "--json").CombinedOutput()
	require.Contains(t, string(out), "no money moves")
	require.Contains(t, string(out), "Stripe answers, and accepts the credentials", err)
}

// A signal ends the command, and its exit code is that of withstripe. Nothing but the ledger is left.
func TestRun_Interrupted_StopsTheCommand(t *testing.T) {
	t.Parallel()
	command := withstripe(t, "-addr", "127.0.0.1:0", "-ledger", "demo.ledger", "--", os.Args[0])
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	file := lines.Text()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(content), "kind: stripe\n")

	require.NoError(t, command.Process.Signal(os.Interrupt))
	require.True(t, lines.Scan())
	require.Equal(t, "terminated", lines.Text())
	require.Error(t, command.Wait())
	require.Equal(t, 43, command.ProcessState.ExitCode())
	require.NoDirExists(t, filepath.Dir(file))
	require.FileExists(t, filepath.Join(command.Dir, "demo.ledger"))
}

func TestRun_WrongArguments_AreRefused(t *testing.T) {
	t.Parallel()
	for arguments, want := range map[string]string{
		"":                               "usage: withstripe",
		"-addr 0.0.0.0:4000 -- true":     "-addr must be a loopback address",
		"-addr localhost -- true":        "-addr must be a loopback address",
		"-ledger /nowhere/ledger -- x":   "open ledger of the Stripe fake",
		"-addr 127.0.0.1:0 -- ./nothing": "run the command",
	} {
		command := withstripe(t, strings.Fields(arguments)...)
		out, err := command.CombinedOutput()
		require.Error(t, err, arguments)
		require.Contains(t, string(out), want, arguments)
	}
}
