package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"paymentd/adapters/resilience"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/internal/schema"
	"paymentd/ports"
)

// databaseFlag is the setting that the commands on a database share with serve.
type databaseFlag struct {
	Database     string `default:"sqlite:paymentd.db" env:"PAYMENTD_DATABASE" help:"The database: sqlite:FILE or mysql://user:password@host:port/database?tls=true."`
	DatabaseFile string `default:"" env:"PAYMENTD_DATABASE_FILE" placeholder:"FILE" help:"File that holds that address, in place of --database."`
}

// with opens the database for the time of f.
func (d databaseFlag) with(p process, f func(*Repository) error) error {
	r, err := OpenRepository(Config{Database: d.Database, DatabaseConnections: 2}, p.logger("warn"))
	if err != nil {
		return err
	}
	return plainDatabaseError(errors.Join(f(r), r.Close()))
}

// withPayments is with, for a command that needs the tables to be those of this program. It makes no
// database.
func (d databaseFlag) withPayments(ctx context.Context, p process, f func(*Repository) error) error {
	return d.with(p, func(r *Repository) error {
		status, err := r.SchemaStatus(ctx)
		if err == nil {
			err = status.Err()
		}
		if err != nil {
			return err
		}
		return f(r)
	})
}

// plainDatabaseError says what to do about a database that cannot be reached, or is not paymentd's.
func plainDatabaseError(err error) error {
	if err == nil {
		return nil
	}
	if foreign, ok := errors.AsType[*schema.ForeignError](err); ok {
		return setting("database", foreign.Error())
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted before it was done; it may be run again")
	}
	if why := cause(err); errors.Is(err, ports.ErrUnavailable) && why != err.Error() {
		return fmt.Errorf("the database cannot be reached: %s; see that it runs, and that PAYMENTD_DATABASE names it", why)
	}
	return err
}

// Validate checks the setting. Kong calls it.
func (d *databaseFlag) Validate() error { return resolveDatabase(&d.Database, &d.DatabaseFile) }

type migrateCommand struct {
	Up     migrateUpCommand     `cmd:"" help:"Bring the schema to this version. The service does the same at its start."`
	Down   migrateDownCommand   `cmd:"" help:"Take the latest step back, one step. Rows that cannot be made again are dropped only with --drop-payments."`
	Status migrateStatusCommand `cmd:"" help:"Say which version the schema has, and which this program needs. Exit code 1 unless it is the same."`
}

type migrateUpCommand struct {
	databaseFlag

	StartEmpty bool `help:"After 'migrate down --drop-payments' has dropped rows: begin with empty tables. Orders that were paid are charged again when they are asked for again."`
}

func (c *migrateUpCommand) Run(ctx context.Context, p process) error {
	return c.with(p, func(r *Repository) error {
		up := r.Schema.Up
		if c.StartEmpty {
			up = r.Schema.StartEmpty
		}
		if err := up(ctx); err != nil {
			return err
		}
		_, err := printStatus(ctx, p, r)
		return err
	})
}

type migrateDownCommand struct {
	databaseFlag

	DropPayments     bool          `help:"Drop tables that hold payments, attempts, events, keys or other rows that cannot be made again, with these rows."`
	DryRun           bool          `help:"Only say what would be dropped."`
	HeartbeatTimeout time.Duration `default:"5s" env:"PAYMENTD_HEARTBEAT_TIMEOUT" help:"That of the replicas. One whose last heartbeat is younger than three times this is alive, and the step is refused."`
}

// Help says what is refused.
func (migrateDownCommand) Help() string {
	return "Takes back one step: the latest migration. It names the tables that it drops, and how many rows they have. It refuses " +
		"while replicas are alive (on SQLite: while another process has the file open), and, without --drop-payments, where rows " +
		"would be lost that cannot be made again. After such a loss, neither 'migrate up' nor the service makes new tables " +
		"before 'migrate up --start-empty' has said that orders may be charged again.\n\n" +
		"Exit code 0: the step is taken back. 1: it was refused, or could not be done; nothing was changed."
}

// Validate checks the settings. Kong calls it.
func (c *migrateDownCommand) Validate() error {
	if c.HeartbeatTimeout <= 0 {
		return setting("heartbeat-timeout", "must be above zero")
	}
	return c.databaseFlag.Validate()
}

// missedBeats is how many timeouts without a heartbeat make a replica dead enough to drop its tables.
const missedBeats = 3

func (c *migrateDownCommand) Run(ctx context.Context, p process) error {
	return c.with(p, func(r *Repository) error {
		lost, err := r.Schema.Down(ctx, schema.Down{
			Alive: missedBeats * c.HeartbeatTimeout, DropPayments: c.DropPayments, DryRun: c.DryRun,
		})
		if err != nil {
			return err
		}
		verb := "dropped"
		if c.DryRun {
			verb = "would drop"
		}
		for _, l := range lost {
			if _, err := fmt.Fprintf(p.stdout, "%s %s\n", verb, l); err != nil {
				return err
			}
		}
		_, err = printStatus(ctx, p, r)
		return err
	})
}

type migrateStatusCommand struct{ databaseFlag }

// Help says what the exit codes mean.
func (migrateStatusCommand) Help() string {
	return "It changes nothing, and makes no database.\n\nExit code 0: the schema is at the version of this program. 1: it is older or " +
		"newer, or dirty, or there is none, or it could not be asked for. On a newer one this program can work."
}

func (c *migrateStatusCommand) Run(ctx context.Context, p process) error {
	return c.with(p, func(r *Repository) error {
		status, err := printStatus(ctx, p, r)
		if err == nil && !status.Current() {
			return errors.New("the schema is not at the version of this program")
		}
		return err
	})
}

func printStatus(ctx context.Context, p process, r *Repository) (schema.Status, error) {
	status, err := r.SchemaStatus(ctx)
	if err != nil {
		return status, err
	}
	_, err = fmt.Fprintln(p.stdout, status)
	return status, err
}

type resolveCommand struct {
	databaseFlag

	Order     string `arg:"" help:"The order whose payment is unresolved."`
	Succeeded string `placeholder:"TXN" xor:"outcome" required:"" help:"The money was taken, with this transaction id of the gateway."`
	Failed    bool   `xor:"outcome" required:"" help:"The money was not taken, and will not be."`
	Reason    string `help:"How you know. Needed with --failed; kept in the payment's history."`
	By        string `env:"USER" default:"operator" help:"Who says so; kept in the payment's history."`
	keyFlags
	InFlight payment.OrderID `placeholder:"ORDER" help:"The order once more, to resolve it although a worker holds it, or held it last, and may be charging it."`
}

// keyFlags are the settings of the service that decide how long what was sent may still charge.
type keyFlags struct {
	Lease time.Duration `default:"30s" env:"PAYMENTD_LEASE" help:"The service's, by which it is known until when a worker may still charge."`
	Late  time.Duration `default:"1m" env:"PAYMENTD_LATE" help:"The service's."`
}

// rules are those of a person's word, which asks no gateway.
func (f keyFlags) rules() payment.KeyRules {
	return payment.KeyRules{Late: f.Late, MaxLease: f.Lease + resilience.RetryOptions{}.MaxBackoff()}
}

func (c *resolveCommand) Run(ctx context.Context, p process) error {
	id, err := payment.ParseOrderID(c.Order)
	if err != nil {
		return err
	}
	if c.InFlight != "" && c.InFlight != id {
		return &settingError{flag: "in-flight", problem: "must name the order that is resolved, " + c.Order}
	}
	r := payment.Resolution{
		OrderID: id, By: c.By, Rules: c.rules(), Worker: time.Now(), InFlight: c.InFlight != "",
		Outcome: payment.Outcome{State: payment.StateSucceeded, TransactionID: c.Succeeded, Reason: c.Reason},
	}
	if c.Failed {
		r.Outcome.State, r.Outcome.Code = payment.StateFailed, payment.CodeResolved
	}
	if err := r.Check(); err != nil { // before the database is asked for anything
		return err
	}
	return c.withPayments(ctx, p, func(repository *Repository) error {
		if err := core.Resolve(ctx, repository, r); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.stdout, "%s is %s\n", id, r.Outcome.State)
		return err
	})
}

type stuckCommand struct {
	databaseFlag

	Limit int `default:"100" help:"How many to list at most, the newest first."`
}

// Validate checks the settings. Kong calls it.
func (c *stuckCommand) Validate() error {
	if c.Limit < 1 {
		return &settingError{flag: "limit", problem: "must be above zero"}
	}
	return c.databaseFlag.Validate()
}

func (c *stuckCommand) Run(ctx context.Context, p process) error {
	return c.withPayments(ctx, p, func(r *Repository) error {
		waiting, err := r.List(ctx, ports.ListQuery{Limit: c.Limit, States: []payment.State{
			payment.StateProcessing, payment.StateScheduled, payment.StateUnresolved,
		}})
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "ORDER\tSTATE\tSINCE\tATTEMPTS\tNEXT\tWHY")
		for _, p := range waiting.Payments {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", p.OrderID, p.State,
				p.SeenAt.Sub(p.CreatedAt).Round(time.Second), p.Attempts(), next(p), why(p))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		return printUnreadable(p, waiting.Unreadable)
	})
}

// printUnreadable says which rows a report was made without, after the rows that it has.
func printUnreadable[E error](p process, unreadable []E) error {
	if len(unreadable) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(p.stdout, "%d left out, because what is stored cannot be read; repair it:\n", len(unreadable))
	for _, why := range unreadable {
		_, printErr := fmt.Fprintf(p.stdout, "  %v\n", why)
		err = errors.Join(err, printErr)
	}
	return err
}

// next says when the service itself goes on with a payment.
func next(p payment.Payment) string {
	if p.DueAt.IsZero() {
		return "never"
	}
	if in := p.DueAt.Sub(p.SeenAt).Round(time.Second); in > 0 {
		return "in " + in.String()
	}
	return "now"
}

func why(p payment.Payment) string {
	switch {
	case p.State == payment.StateProcessing && p.Claimed(p.SeenAt):
		return "at work: " + p.Replica
	case p.State == payment.StateProcessing:
		return "its worker is gone: " + p.Replica
	default:
		return cmp.Or(p.Reason, "accepted for later")
	}
}
