package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/internal/schema"
)

type migrateCommand struct {
	Up     migrateUpCommand     `cmd:"" help:"Migrate the schema to this version. The service does the same when it starts."`
	Down   migrateDownCommand   `cmd:"" help:"Undo the latest migration, one step. Rows that cannot be recreated are dropped only with --drop-payments."`
	Status migrateStatusCommand `cmd:"" help:"Print the version of the schema, and the version that this program needs. Exit code 1 unless they are equal."`
}

type migrateUpCommand struct {
	databaseFlags

	StartEmpty bool `help:"After 'migrate down --drop-payments' dropped rows: start with empty tables. Orders that were paid are charged again if they are requested again."`
}

func (c *migrateUpCommand) Run(ctx context.Context, s stdio) error {
	return c.with(s, func(r *app.Repository) error {
		up := r.Schema.Up
		if c.StartEmpty {
			up = r.Schema.StartEmpty
		}
		if err := up(ctx); err != nil {
			return err
		}
		_, err := printStatus(ctx, s, r)
		return err
	})
}

type migrateDownCommand struct {
	databaseFlags

	DropPayments     bool          `help:"Drop tables that hold payments, attempts, events, keys or other rows that cannot be recreated, with these rows."`
	DryRun           bool          `help:"Only print what would be dropped."`
	HeartbeatTimeout time.Duration `default:"5s" env:"PAYMENTD_HEARTBEAT_TIMEOUT" help:"Heartbeat timeout of the replicas. A replica whose last heartbeat is younger than three times this is alive, and the step is refused."`
}

// Help describes what is refused.
func (migrateDownCommand) Help() string {
	return "Undoes one step, the latest migration. It prints the tables that it drops, and how many rows they have. It refuses " +
		"while replicas are alive (on SQLite: while another process has the file open), and, without --drop-payments, if rows " +
		"would be lost that cannot be recreated. After such a loss, neither 'migrate up' nor the service creates new tables " +
		"until 'migrate up --start-empty' has confirmed that orders may be charged again.\n\n" +
		"Exit code 0: the step is undone. 1: it was refused, or failed; nothing was changed."
}

// Validate checks the settings. kong calls it.
func (c *migrateDownCommand) Validate() error {
	if c.HeartbeatTimeout <= 0 {
		return config.Invalid("heartbeat-timeout", "must be above zero")
	}
	return c.databaseFlags.Validate()
}

// missedHeartbeats is the number of heartbeat timeouts after which a replica counts as dead before its
// tables are dropped.
const missedHeartbeats = 3

func (c *migrateDownCommand) Run(ctx context.Context, s stdio) error {
	return c.with(s, func(r *app.Repository) error {
		lost, err := r.Schema.Down(ctx, schema.Down{
			Alive: missedHeartbeats * c.HeartbeatTimeout, DropPayments: c.DropPayments, DryRun: c.DryRun,
		})
		if err != nil {
			return err
		}
		verb := "dropped"
		if c.DryRun {
			verb = "would drop"
		}
		for _, l := range lost {
			if _, err := fmt.Fprintf(s.stdout, "%s %s\n", verb, l); err != nil {
				return err
			}
		}
		_, err = printStatus(ctx, s, r)
		return err
	})
}

type migrateStatusCommand struct{ databaseFlags }

// Help describes the exit codes.
func (migrateStatusCommand) Help() string {
	return "It changes nothing and creates no database.\n\nExit code 0: the schema has the version of this program. 1: it is older, " +
		"newer or dirty, or does not exist, or the database cannot be reached. This program can use a newer schema."
}

func (c *migrateStatusCommand) Run(ctx context.Context, s stdio) error {
	return c.with(s, func(r *app.Repository) error {
		status, err := printStatus(ctx, s, r)
		if err == nil && !status.Current() {
			return errors.New("the schema is not at the version of this program")
		}
		return err
	})
}

func printStatus(ctx context.Context, s stdio, r *app.Repository) (schema.Status, error) {
	status, err := r.SchemaStatus(ctx)
	if err != nil {
		return status, err
	}
	_, err = fmt.Fprintln(s.stdout, status)
	return status, err
}
