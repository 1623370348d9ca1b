package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"paymentd/core/payment"
	"paymentd/internal/asynclog"
)

const description = `A payment service that charges an order exactly once.

POST /payments/process {"order_id","amount"} in front of a payment gateway: it never charges
twice, never loses a payment, and says so when it does not know.

Exit codes of every command: 0 done, or the answer is yes; 1 the answer is no, or it could not be
done; 2 the command line or a setting is wrong. A command that only looks creates nothing.`

// commands is the command line. The tags are kong's.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Run the payment service. With no settings at all: on a SQLite file and a sandbox gateway."`
	Sandbox sandboxCommand `cmd:"" help:"Run the sandbox gateway as a server of its own, with a ledger on disk that survives it."`
	Migrate migrateCommand `cmd:"" help:"Bring the database's schema to this version, take a step back, or say where it stands."`
	Keys    keysCommand    `cmd:"" help:"Make, list and revoke the API keys of those who call."`
	Doctor  doctorCommand  `cmd:"" help:"Look at the database, the gateway and the settings, and say what to change before going live. Takes the settings of serve."`
	Stuck   stuckCommand   `cmd:"" help:"List the payments that wait: for how long, for what, and why."`
	Resolve resolveCommand `cmd:"" help:"Settle an unresolved payment by your word, when the gateway cannot tell and you can."`
	Import  importCommand  `cmd:"" help:"Add the charges that the gateway has and the table lacks, after a restore that lost some."`
	Archive archiveCommand `cmd:"" help:"Move the histories of payments that ended long ago out of the database, into a file."`
	Health  healthCommand  `cmd:"" help:"Ask a running service whether it is well; for health checks where there is no curl."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// process is what the commands get from the process that runs them.
type process struct {
	stdout  io.Writer
	stderr  io.Writer
	log     *asynclog.Writer // to stderr, and never blocks
	version string
}

const (
	exitFailed = 1 // the command has failed
	exitWrong  = 2 // the command line or a setting is wrong
)

// argumentError is an argument that is wrong, and no setting.
type argumentError struct{ problem string }

func (e *argumentError) Error() string { return e.problem }

// exit is how kong's own exits (--help) leave [Run].
type exit int

// Run runs the command line and returns the exit code: 0, 1 when the command failed, 2 when the
// command line or a setting is wrong. SIGINT, SIGTERM and SIGHUP end ctx: see [untilSignal].
//
// The last words on stderr wait for their reader for a second at most.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer, version string) (code int) {
	ignoreBrokenPipes()
	log := newLog(stderr)
	defer log.Close(flushLimit) // after a panic as well
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
		// Help, as that is what whoever typed it needs; but no success to a script.
		Run(ctx, []string{"--help"}, stderr, stderr, version)
		return exitWrong
	}
	run, err := parse(args, stdout, stderr)
	if err != nil {
		return complain(log, exitWrong, err)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	run.BindTo(ctx, (*context.Context)(nil))
	if err := run.Run(process{stdout: stdout, stderr: stderr, log: log, version: version}); err != nil {
		return complain(log, exitFailed, err)
	}
	return 0
}

// parse reads the command line and the environment, and checks every setting of the command.
func parse(args []string, stdout, stderr io.Writer) (*kong.Context, error) {
	var c commands
	var read values
	parser, err := kong.New(&c, append(read.options(),
		kong.Name("paymentd"), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, Tree: true, WrapUpperBound: 100}),
	)...)
	if err != nil {
		panic(err) // a tag is wrong
	}
	parsed, err := parser.Parse(args)
	if wrong := checkEnvironment(parser, selected(parsed, err), os.Environ()); wrong != nil {
		return nil, wrong // before what follows from a setting that is not set
	}
	if read.wrong != nil {
		return nil, read.wrong // before what follows from it
	}
	if wrong, ok := errors.AsType[*settingError](err); ok {
		return nil, wrong // without the name of the command
	}
	if err != nil {
		return nil, fmt.Errorf("%w; see paymentd --help", err)
	}
	return parsed, nil
}

// selected returns the command that was parsed, or that its error is about; nil for none.
func selected(parsed *kong.Context, err error) *kong.Node {
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok {
		parsed = wrong.Context
	}
	if parsed == nil {
		return nil
	}
	return parsed.Selected()
}

// complain prints one line, whatever the error has, and returns the exit code.
func complain(w io.Writer, code int, err error) int {
	line := strings.Join(strings.Fields(err.Error()), " ")
	if unread, ok := errors.AsType[*fs.PathError](err); ok && unread.Path == os.Stdout.Name() && errors.Is(err, syscall.EPIPE) {
		line = "the output has no reader any more; what was not printed is lost, and what was done is done"
	}
	_, _ = fmt.Fprintf(w, "paymentd: %s\n", line)
	_, wrongSetting := errors.AsType[*settingError](err)
	_, wrongField := errors.AsType[*payment.FieldError](err)
	_, wrongArgument := errors.AsType[*argumentError](err)
	if wrongSetting || wrongField || wrongArgument {
		return exitWrong
	}
	return code
}

type serveCommand struct {
	Config
}

func (s *serveCommand) Run(ctx context.Context, parsed *kong.Context, p process) error {
	if err := checkGatewayNamed(parsed, &s.Config); err != nil {
		return err
	}
	calmCollector()
	log := p.serviceLogger(s.LogLevel)
	for _, name := range strayPorts(os.Environ()) {
		log.Warn("a variable has the name of one that Kubernetes sets, and is not a setting; "+
			"PAYMENTD_ADDR says where to listen", "variable", name)
	}
	return bounded(ctx, s.Shutdown, func() error {
		return Serve(ctx, s.Config, Version(p.version), log, p.log.Dropped)
	})
}

type versionCommand struct{}

func (versionCommand) Run(p process) error {
	_, err := fmt.Fprintln(p.stdout, "paymentd", p.version)
	return err
}
