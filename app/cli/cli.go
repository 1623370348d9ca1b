// Package cli is the command line of paymentd, one file per command.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"paymentd/app/config"
	"paymentd/core/payment"
)

const description = `A payment service that charges an order exactly once.

POST /payments/process {"order_id","amount"} in front of a payment gateway: it never charges
twice, never loses a payment, and reports an unknown outcome as unknown.

Exit codes of every command: 0 done, or the answer is yes; 1 the answer is no, or it could not be
done; 2 the command line or a setting is wrong. A command that only reads creates nothing.`

// commands is the command line. The tags are kong's.
type commands struct {
	ShowVersion versionFlag `name:"version" help:"Print the version and exit."`

	Serve   serveCommand   `cmd:"" help:"Run the payment service. Without settings: on a SQLite file and the sandbox gateway."`
	Sandbox sandboxCommand `cmd:"" help:"Run the sandbox gateway as a separate server, with a durable ledger."`
	Migrate migrateCommand `cmd:"" help:"Migrate the database's schema up to this version or one step down, or print its version."`
	Keys    keysCommand    `cmd:"" help:"Create, list, rotate and revoke API keys."`
	Doctor  doctorCommand  `cmd:"" help:"Check the database, the gateway and the settings before going live. Takes the settings of serve."`

	GatewayCheck gatewayCheckCommand `cmd:"" help:"Check whether a gateway lets the service keep its promise. It charges, and prints the sum first."`

	List    listCommand    `cmd:"" help:"List payments, the newest first."`
	Show    showCommand    `cmd:"" help:"Show a payment: its timeline, its calls on a time axis, its refunds, and why it cannot be charged twice. Takes the settings of serve."`
	Stuck   stuckCommand   `cmd:"" help:"List the payments, captures, voids and refunds without a final state: since when, what is next, and why."`
	Resolve resolveCommand `cmd:"" help:"Settle by hand a payment, capture, void or refund whose outcome is open, if the gateway cannot report it and you know it."`
	Capture captureCommand `cmd:"" help:"Take money that a payment holds: stores the capture, and the running service makes it exactly once. Takes the settings of serve."`
	Void    voidCommand    `cmd:"" help:"Release money that a payment holds: stores the void, and the running service makes it. Takes the settings of serve."`
	Refund  refundCommand  `cmd:"" help:"Give money of a payment back: stores the refund, and the running service makes it exactly once. Takes the settings of serve."`
	Import  importCommand  `cmd:"" help:"Add the gateway's charges that the database lacks, after a restore that lost some."`
	Audit   auditCommand   `cmd:"" help:"Compare the gateway's list of charges with the payments, and list the differences. Takes the settings of serve."`

	Endpoints endpointsCommand `cmd:"" help:"Create, list and change webhook endpoints, which receive events of payments; list and repeat their deliveries."`

	History historyCommand `cmd:"" help:"List who changed which API key and webhook endpoint, and how."`

	Archive archiveCommand `cmd:"" help:"Move the histories of old final payments out of the database, into a file."`
	Health  healthCommand  `cmd:"" help:"Check whether a running service answers; for health checks without curl."`
	Version versionCommand `cmd:"" help:"Print the version."`

	Completion completionCommand `cmd:"" help:"Print the script that makes a shell complete the commands and flags."`
	Man        manCommand        `cmd:"" help:"Print the manual page, or write a page for each command."`
}

const (
	exitFailed = 1 // the command failed
	exitUsage  = 2 // the command line or a setting is wrong
	// exitOutputClosed: the reader of the output of a command that only reads has closed it, as head does. It is the exit
	// code that a shell reports for a command that SIGPIPE ends (POSIX.1-2017, 2.8.2), as it ends other commands.
	exitOutputClosed = 128 + 13
)

// argumentError is a wrong argument that is not a setting.
type argumentError struct{ problem string }

func (e *argumentError) Error() string { return e.problem }

// exit is the panic by which kong's own exits (--help) leave [Run].
type exit int

// Run runs the command line and returns the exit code: 0, 1 if the command failed, 2 if the command line
// or a setting is wrong. SIGINT, SIGTERM and SIGHUP cancel the context of the command; see [untilSignal].
//
// Run waits for the reader of stderr for at most [flushTimeout] before it returns.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer, version string) (code int) {
	ignoreBrokenPipes()
	log := newLog(stderr)
	defer log.Close(flushTimeout) // after a panic as well
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exit)
			if !ok {
				panic(r)
			}
			code = int(e)
		}
	}()
	if len(args) == 0 {
		// Help is for people; a script gets an error.
		Run(ctx, []string{"--help"}, stderr, stderr, version)
		return exitUsage
	}
	run, err := parse(args, stdout, stderr, version)
	if err != nil {
		return printError(log, exitUsage, err)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	run.BindTo(ctx, (*context.Context)(nil))
	if err := run.Run(stdio{stdout: stdout, stderr: stderr, log: log, version: version}); err != nil {
		if outputClosed(err) && onlyReads(run.Selected()) {
			return exitOutputClosed
		}
		return printError(log, exitFailed, err)
	}
	return 0
}

// parse parses the command line and the environment, and validates every setting of the command.
func parse(args []string, stdout, stderr io.Writer, version string) (*kong.Context, error) {
	var reader config.Reader
	parser := newParser(&reader, stdout, stderr, version)
	parsed, err := parser.Parse(args)
	// An unknown variable or an unreadable value may cause the later errors, so it is reported first.
	if wrong := config.CheckEnvironment(parser, selected(parsed, err), os.Environ()); wrong != nil {
		return nil, wrong
	}
	if wrong := reader.Err(); wrong != nil {
		return nil, wrong
	}
	if wrong, ok := errors.AsType[*config.SettingError](err); ok {
		return nil, wrong // without the name of the command, which kong adds
	}
	if err != nil {
		return nil, fmt.Errorf("%w; see paymentd --help", err)
	}
	if wrong := refuseEmptyFlags(parsed); wrong != nil {
		return nil, wrong
	}
	return parsed, nil
}

// refuseEmptyFlags refuses an empty value of a flag of the command line, such as that of a shell variable that is not
// set: it would mean that the flag is missing. Settings of the service, which are also environment variables, say
// themselves what an empty value means.
func refuseEmptyFlags(parsed *kong.Context) error {
	for _, at := range parsed.Path {
		if at.Flag == nil || slices.ContainsFunc(at.Flag.Envs, func(env string) bool { return strings.HasPrefix(env, "PAYMENTD_") }) {
			continue
		}
		value := at.Flag.Target // a pointer is for a flag that the command checks itself
		empty := value.Kind() == reflect.String && value.Len() == 0
		if value.Kind() == reflect.Slice {
			empty = value.Len() == 0
			for i := range value.Len() {
				empty = empty || value.Index(i).Kind() == reflect.String && value.Index(i).Len() == 0
			}
		}
		if empty {
			return config.InvalidFlag(at.Flag.Name, "must not be empty: give a value, or leave the flag out")
		}
	}
	return nil
}

// newParser returns the parser of the command line.
func newParser(reader *config.Reader, stdout, stderr io.Writer, version string) *kong.Kong {
	parser, err := kong.New(new(commands), append(reader.Options(),
		kong.Name("paymentd"), kong.Description(description), kong.Vars{"version": version},
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, Tree: true, WrapUpperBound: 100}),
	)...)
	if err != nil {
		panic(err) // a tag is wrong
	}
	return parser
}

// selected returns the command that was parsed, or that the error is about; nil if there is none.
func selected(parsed *kong.Context, err error) *kong.Node {
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok {
		parsed = wrong.Context
	}
	if parsed == nil {
		return nil
	}
	return parsed.Selected()
}

// outputClosed reports whether the reader of the standard output has closed it.
func outputClosed(err error) bool {
	unwritten, ok := errors.AsType[*fs.PathError](err)
	return ok && unwritten.Path == os.Stdout.Name() && errors.Is(err, syscall.EPIPE)
}

// onlyReads reports whether a command changes nothing, so that what is lost of its output can be read again.
func onlyReads(command *kong.Node) bool {
	switch strings.TrimPrefix(command.Path(), "paymentd ") {
	case "list", "show", "stuck", "audit", "history", "doctor", "health", "version", "completion", "man",
		"keys list", "endpoints list", "endpoints deliveries", "migrate status":
		return true
	}
	return false
}

// printError prints the error as one line and returns the exit code: exitUsage if the command line or a
// setting is wrong, otherwise code.
func printError(w io.Writer, code int, err error) int {
	line := strings.Join(strings.Fields(err.Error()), " ")
	if outputClosed(err) {
		line = "the output was closed by its reader, and the rest of it is lost; changes that the command has made are kept"
	}
	_, _ = fmt.Fprintf(w, "paymentd: %s\n", line)
	_, wrongSetting := errors.AsType[*config.SettingError](err)
	_, wrongField := errors.AsType[*payment.FieldError](err)
	_, wrongArgument := errors.AsType[*argumentError](err)
	if wrongSetting || wrongField || wrongArgument {
		return exitUsage
	}
	return code
}
