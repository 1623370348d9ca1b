package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// databaseFlag is the one setting that the commands on a database share with serve.
type databaseFlag struct {
	Database string `default:"sqlite:paymentd.db" env:"PAYMENTD_DATABASE" help:"The database: sqlite:FILE or mysql://user:password@host:port/database?tls=true."`
}

// with opens the database for the time of f.
func (d databaseFlag) with(p process, f func(*Repository) error) error {
	r, err := OpenRepository(Config{Database: d.Database, DatabaseConnections: 2}, p.logger("warn"))
	if err != nil {
		return err
	}
	return errors.Join(f(r), r.Close())
}

// withPayments is with, for a command that needs the tables to be those of this program.
func (d databaseFlag) withPayments(ctx context.Context, p process, f func(*Repository) error) error {
	return d.with(p, func(r *Repository) error {
		if err := r.Ready(ctx); err != nil {
			return err
		}
		return f(r)
	})
}

// Validate checks the setting. Kong calls it.
func (d databaseFlag) Validate() error { return validateDatabase(d.Database) }

type migrateCommand struct {
	Up     migrateUpCommand     `cmd:"" help:"Bring the schema to this version. The service does the same at its start."`
	Down   migrateDownCommand   `cmd:"" help:"Take the latest step back. What it added is lost."`
	Status migrateStatusCommand `cmd:"" help:"Say which version the schema has, and which this program needs."`
}

type migrateUpCommand struct{ databaseFlag }

func (c *migrateUpCommand) Run(ctx context.Context, p process) error {
	return c.with(p, func(r *Repository) error {
		if err := r.Schema.Up(ctx); err != nil {
			return err
		}
		return printStatus(ctx, p, r)
	})
}

type migrateDownCommand struct {
	databaseFlag

	All bool `help:"Take every step back: all payments are lost."`
}

func (c *migrateDownCommand) Run(ctx context.Context, p process) error {
	return c.with(p, func(r *Repository) error {
		down := r.Schema.Down
		if c.All {
			down = r.Schema.DownAll
		}
		if err := down(ctx); err != nil {
			return err
		}
		return printStatus(ctx, p, r)
	})
}

type migrateStatusCommand struct{ databaseFlag }

func (c *migrateStatusCommand) Run(ctx context.Context, p process) error {
	return c.with(p, func(r *Repository) error { return printStatus(ctx, p, r) })
}

func printStatus(ctx context.Context, p process, r *Repository) error {
	status, err := r.Schema.Status(ctx)
	if err != nil {
		return err
	}
	line := fmt.Sprintf("the schema is current, at version %d", status.Version)
	if err := status.Err(); err != nil {
		line = err.Error()
	}
	_, err = fmt.Fprintln(p.stdout, line)
	return err
}

type resolveCommand struct {
	databaseFlag

	Order     string `arg:"" help:"The order whose payment is unresolved."`
	Succeeded string `placeholder:"TXN" xor:"outcome" required:"" help:"The money was taken, with this transaction id of the gateway."`
	Failed    bool   `xor:"outcome" required:"" help:"The money was not taken, and will not be."`
	Reason    string `help:"How you know. Needed with --failed; kept in the payment's history."`
	By        string `env:"USER" default:"operator" help:"Who says so; kept in the payment's history."`
}

func (c *resolveCommand) Run(ctx context.Context, p process) error {
	id, err := payment.ParseOrderID(c.Order)
	if err != nil {
		return err
	}
	r := payment.Resolution{OrderID: id, By: c.By, Outcome: payment.Outcome{
		State: payment.StateSucceeded, TransactionID: c.Succeeded, Reason: c.Reason,
	}}
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
		for _, p := range waiting {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", p.OrderID, p.State,
				p.SeenAt.Sub(p.CreatedAt).Round(time.Second), p.Attempts(), next(p), why(p))
		}
		return w.Flush()
	})
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
