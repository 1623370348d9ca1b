// Command withmysql runs another command with a MySQL-protocol server to test
// against:
//
//	withmysql -- go test ./...
//	withmysql -engine tidb -- go test ./adapters/mysqlstore
//	withmysql -engine vitess -shards 4 -- go test ./adapters/mysqlstore
//
// The command gets the server's URL in TEST_MYSQL_URL. If that is set already, its
// server is used. Otherwise a private one is started, as package mysqltest
// describes, and stopped when the command ends or is interrupted. The command
// cannot read the terminal. withmysql exits with its exit code.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"paymentd/adapters/mysqlstore/mysqltest"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

// keyspaces is the number of databases of Vitess, which tests use in turn.
const keyspaces = 10

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("withmysql", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: withmysql [-engine mysql|tidb|vitess] [-shards 1|2|4] -- COMMAND [ARGUMENT…]")
	}
	engine := flags.String("engine", string(mysqltest.MySQL), "what to start")
	shards := flags.Int("shards", 1, "of each Vitess keyspace")
	if flags.Parse(args) != nil {
		return exitUsage
	}
	if args = flags.Args(); len(args) == 0 {
		flags.Usage()
		return exitUsage
	}
	// A signal before this returns ends the process at once, and the reaper then
	// removes the server.
	variables, stop, err := findServer(context.Background(), mysqltest.Engine(*engine), *shards)
	if err != nil {
		fmt.Fprintln(os.Stderr, "withmysql:", err)
		return exitFailure
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	code, err := runCommand(args, variables, signals)
	if err := errors.Join(err, stop()); err != nil {
		fmt.Fprintln(os.Stderr, "withmysql:", err)
		return max(code, exitFailure)
	}
	return code
}

// findServer returns the variables that name a server, and a function that stops
// the server, and prints which server it is.
func findServer(ctx context.Context, engine mysqltest.Engine, shards int) (variables []string, stop func() error, err error) {
	url := os.Getenv(mysqltest.URLVariable)
	stop = func() error { return nil }
	source := "of " + mysqltest.URLVariable
	if url == "" {
		source = "started for this run"
		if url, variables, stop, err = start(ctx, engine, shards); err != nil {
			return nil, nil, err
		}
	}
	version, err := mysqltest.Version(ctx, url)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("the server %s: %w", source, err), stop())
	}
	fmt.Fprintf(os.Stderr, "withmysql: testing against %s, %s\n", version, source)
	return append(variables, mysqltest.URLVariable+"="+url), stop, nil
}

// start starts a server. The variables are those besides its URL.
func start(ctx context.Context, engine mysqltest.Engine, shards int) (url string, variables []string, stop func() error, err error) {
	variables = []string{mysqltest.EngineVariable + "=" + string(engine)}
	switch engine {
	case mysqltest.MySQL:
		server, err := mysqltest.Start(ctx, mysqltest.Config{Relaxed: true})
		if err != nil {
			return "", nil, nil, err
		}
		return server.URL(""), nil, server.Stop, nil
	case mysqltest.TiDB:
		server, err := mysqltest.StartTiDB(ctx)
		if err != nil {
			return "", nil, nil, err
		}
		return server.URL(""), variables, server.Stop, nil
	case mysqltest.Vitess:
		var names []string
		for i := range keyspaces {
			names = append(names, fmt.Sprintf("test%02d", i))
		}
		server, err := mysqltest.StartVitess(ctx, mysqltest.VitessConfig{Shards: shards, Keyspaces: names, Relaxed: true})
		if err != nil {
			return "", nil, nil, err
		}
		variables = append(variables, mysqltest.DatabasesVariable+"="+strings.Join(names, " "),
			mysqltest.ShardsVariable+"="+strconv.Itoa(shards))
		return server.URL(""), variables, server.Stop, nil
	}
	return "", nil, nil, fmt.Errorf("unknown engine %q: it can be mysql, tidb or vitess", engine)
}
