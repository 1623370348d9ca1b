package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == gatewayCommand {
		os.Exit(runGateway(os.Args[2:]))
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run prints the report on stdout and the progress on stderr, and returns the exit code. A payment
// that is missing or was charged twice is a failure.
func run(args []string, stdout, stderr io.Writer) int {
	var o options
	parser := kong.Must(&o, kong.Name("bench"), kong.Writers(stdout, stderr), kong.Description(
		"Measures payments per second through the whole service, beside a bare loop of database "+
			"statements, the same in batches, and a textbook service."))
	if _, err := parser.Parse(args); err != nil {
		_, _ = fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	found, err := measure(ctx, o, stderr)
	if err == nil {
		err = found.write(stdout, o.JSON)
	}
	if err == nil {
		err = found.check()
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitFailed
	}
	return 0
}
