// Command withmysql runs another command with a MySQL-protocol server to test
// against:
//
//	withmysql -- go test ./...
//
// The command gets the server's URL in TEST_MYSQL_URL. If that is set already, its
// server is used. Otherwise a private one is started, as package mysqltest
// describes, and stopped when the command ends or is interrupted. The command
// cannot read the terminal. withmysql exits with its exit code.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"paymentd/adapters/mysqlstore/mysqltest"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: withmysql -- COMMAND [ARGUMENT…]")
		return exitUsage
	}
	// A signal before this returns ends the process at once, and the reaper then
	// removes the server.
	url, stop, err := findServer(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "withmysql:", err)
		return exitFailure
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	code, err := runCommand(args, mysqltest.URLVariable+"="+url, signals)
	if err := errors.Join(err, stop()); err != nil {
		fmt.Fprintln(os.Stderr, "withmysql:", err)
		return max(code, exitFailure)
	}
	return code
}

// findServer returns a server's URL and a function that stops the server, and prints
// which server it is.
func findServer(ctx context.Context) (url string, stop func() error, err error) {
	url = os.Getenv(mysqltest.URLVariable)
	stop = func() error { return nil }
	source := "of " + mysqltest.URLVariable
	if url == "" {
		private, err := mysqltest.Start(ctx, mysqltest.Config{Relaxed: true})
		if err != nil {
			return "", nil, err
		}
		url, stop, source = private.URL(""), private.Stop, "started for this run"
	}
	version, err := mysqltest.Version(ctx, url)
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("the server %s: %w", source, err), stop())
	}
	fmt.Fprintf(os.Stderr, "withmysql: testing against %s, %s\n", version, source)
	return url, stop, nil
}
