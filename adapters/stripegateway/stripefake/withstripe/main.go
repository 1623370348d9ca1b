// Command withstripe runs another command beside a fake of Stripe's API (package stripefake), for
// demonstrations:
//
//	withstripe -- paymentd serve
//	withstripe -addr 127.0.0.1:4100 -ledger demo.ledger -- paymentd serve
//
// The command gets a gateways file with the fake as its only gateway in PAYMENTD_GATEWAYS_FILE. No money moves.
// SIGINT, SIGTERM and SIGHUP stop the command with SIGTERM, and the fake after it. withstripe exits with the
// command's exit code; 1 if the fake cannot be started or a signal ended the command, and 2 for wrong arguments.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"paymentd/adapters/stripegateway/stripefake"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

// stopTimeout is how long a command that was signalled may take to exit, before it is killed.
const stopTimeout = 30 * time.Second

// readTimeout bounds how long a request to the fake may take to arrive.
const readTimeout = 10 * time.Second

// A name in the gateways file is an identity: payments of an earlier run go on with the same ledger.
const gatewaysFile = `gateways:
- name: stripe
  kind: stripe
  url: http://%[1]s
  secret_key_file: %[2]q
  return_url: http://%[1]s/paid
`

const help = `withstripe: a fake of Stripe serves http://%s with the ledger %s; no money moves
withstripe: payment methods: pm_card_visa is approved, pm_card_chargeDeclinedInsufficientFunds is declined,
withstripe: pm_card_authenticationRequired needs the customer, who opens the redirect_url of the answer
`

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("withstripe", flag.ContinueOnError)
	flags.Usage = func() {
		_, _ = fmt.Fprintln(flags.Output(), "usage: withstripe [-addr HOST:PORT] [-ledger FILE] -- COMMAND [ARGUMENT…]")
		flags.PrintDefaults()
	}
	addr := flags.String("addr", "127.0.0.1:4000", "loopback address that the fake listens on")
	ledger := flags.String("ledger", "paymentd-stripe.ledger", "file that keeps the charges of the fake")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	if flags.NArg() == 0 {
		flags.Usage()
		return exitUsage
	}
	if at, err := netip.ParseAddrPort(*addr); err != nil || !at.Addr().IsLoopback() {
		fmt.Fprintln(os.Stderr, "withstripe: -addr must be a loopback address with a port, such as 127.0.0.1:4000")
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	code, err := runWithFake(ctx, *addr, *ledger, flags.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "withstripe:", err)
	}
	return code
}

// runWithFake serves the fake while the command runs, and returns the command's exit code.
func runWithFake(ctx context.Context, addr, ledger string, args []string) (code int, err error) {
	fake, err := stripefake.Open(ledger, stripefake.Options{})
	if err != nil {
		return exitFailure, err
	}
	defer func() { err = errors.Join(err, fake.Close()) }()
	// Not the context of the signals, because the command may call the fake while it stops.
	listener, err := new(net.ListenConfig).Listen(context.WithoutCancel(ctx), "tcp", addr)
	if err != nil {
		return exitFailure, fmt.Errorf("%w; choose another address with -addr", err)
	}
	server := &http.Server{Handler: handler(fake), ReadTimeout: readTimeout}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // until Close
	}()
	defer func() {
		_ = server.Close()
		<-served
	}()
	folder, err := os.MkdirTemp("", "withstripe-")
	if err != nil {
		return exitFailure, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	file, err := writeSettings(folder, listener.Addr().String())
	if err != nil {
		return exitFailure, err
	}
	fmt.Fprintf(os.Stderr, help, listener.Addr(), ledger)
	return runCommand(ctx, args, "PAYMENTD_GATEWAYS_FILE="+file)
}

// handler returns the fake with the page of a shop, to which customers return.
func handler(fake *stripefake.Fake) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", fake.Handler())
	mux.HandleFunc("GET /paid", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "This is the page of the shop to which a customer returns. Repeat the payment to get its outcome.")
	})
	return mux
}

// writeSettings writes a gateways file and its secret into the folder, and returns the path of the file.
func writeSettings(folder, addr string) (string, error) {
	key, file := filepath.Join(folder, "key"), filepath.Join(folder, "gateways.yaml")
	if err := os.WriteFile(key, []byte("sk_test_withstripe\n"), 0o600); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, fmt.Appendf(nil, gatewaysFile, addr, key), 0o600)
}

// runCommand runs the command with one more variable, until it exits or ctx ends. It has a process group of its
// own, because a terminal would otherwise send it a second signal.
func runCommand(ctx context.Context, args []string, variable string) (int, error) {
	command := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // to run it is what withstripe is for
	command.Env = append(os.Environ(), variable)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = stopTimeout
	err := command.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	case ctx.Err() != nil && command.ProcessState != nil && command.ProcessState.Success():
		return 0, nil
	case err != nil:
		return exitFailure, fmt.Errorf("run the command: %w", err)
	}
	return 0, nil
}
