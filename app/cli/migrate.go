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
	jsonFlag

	Quiet      bool `help:"Show no progress."`
	StartEmpty bool `help:"After 'migrate down --drop-payments' dropped rows: start with empty tables. Orders that were paid are charged again if they are requested again."`
}

// Help describes the exit codes.
func (migrateUpCommand) Help() string {
	return "A migration of a large table can take long; on a terminal, a line says how long it has run. If it is interrupted, the " +
		"statement that runs is finished first.\n\n" +
		"Exit code 0: the schema is current, or newer. 1: it could not be migrated, or is dirty, or rows were dropped and --start-empty is " +
		"missing. 2: a setting is wrong."
}

func (c *migrateUpCommand) Run(ctx context.Context, s stdio) error {
	return c.with(s, func(r *app.Repository) error {
		up := r.Schema.Up
		if c.StartEmpty {
			up = r.Schema.StartEmpty
		}
		steps := newStepProgress(newProgress(s.stderr, c.Quiet))
		r.Schema.OnStep = steps.begin
		err := up(ctx)
		steps.end()
		if err != nil {
			return err
		}
		_, err = printStatus(ctx, s, r, c.JSON, nil)
		return err
	})
}

type migrateDownCommand struct {
	databaseFlags
	jsonFlag

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
			if c.JSON {
				break
			}
			if _, err := fmt.Fprintf(s.stdout, "%s %s\n", verb, l); err != nil {
				return err
			}
		}
		_, err = printStatus(ctx, s, r, c.JSON, lost)
		return err
	})
}

type migrateStatusCommand struct {
	databaseFlags
	jsonFlag
}

// Help describes the exit codes.
func (migrateStatusCommand) Help() string {
	return "It changes nothing and creates no database.\n\nExit code 0: the schema has the version of this program. 1: it is older, " +
		"newer or dirty, or does not exist, or the database cannot be reached. This program can use a newer schema."
}

func (c *migrateStatusCommand) Run(ctx context.Context, s stdio) error {
	return c.with(s, func(r *app.Repository) error {
		status, err := printStatus(ctx, s, r, c.JSON, nil)
		if err == nil && !status.Current() {
			return errors.New("the schema is not at the version of this program")
		}
		return err
	})
}

// schemaJSON is the state of the schema in JSON.
type schemaJSON struct {
	Version uint       `json:"version"`
	Latest  uint       `json:"latest"` // that of this program
	Current bool       `json:"current"`
	Dirty   bool       `json:"dirty"`
	Status  string     `json:"status"`
	Dropped []lossJSON `json:"dropped,omitempty"`
}

// lossJSON is a table that migrate down drops in whole, or of which it drops columns.
type lossJSON struct {
	Table   string   `json:"table"`
	Rows    int64    `json:"rows"`
	Columns []string `json:"columns,omitempty"`
}

// printStatus prints the state of the schema, and in JSON what was dropped, or would be.
func printStatus(ctx context.Context, s stdio, r *app.Repository, asJSON bool, lost []schema.Loss) (schema.Status, error) {
	status, err := r.SchemaStatus(ctx)
	if err != nil {
		return status, err
	}
	if asJSON {
		document := schemaJSON{
			Version: status.Version, Latest: status.Latest, Current: status.Current(), Dirty: status.Dirty, Status: status.String(),
		}
		for _, l := range lost {
			document.Dropped = append(document.Dropped, lossJSON(l))
		}
		return status, writeJSON(s.stdout, document)
	}
	_, err = fmt.Fprintln(s.stdout, status)
	return status, err
}
