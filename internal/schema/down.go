package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-migrate/migrate/v4"
)

// Down is how [Schema.Down] takes a step back.
type Down struct {
	// Alive is how old the last heartbeat of a replica may be for it to count as alive.
	Alive time.Duration
	// DropPayments permits to drop a table that has rows which cannot be made again.
	DropPayments bool
	// DryRun checks and counts, and changes nothing.
	DryRun bool
}

// Down undoes the latest migration, one step, and returns what it has dropped with it. It refuses
// while replicas are alive or another process uses the database, and unless permitted when rows
// would be lost that cannot be made again; a [RefusedError] then says why, and nothing has changed.
func (s *Schema) Down(ctx context.Context, how Down) (lost []Loss, err error) {
	check := func(db Database) (err error) {
		lost, err = s.checkDown(ctx, db, how)
		if err == nil && how.DryRun {
			return errDryRun
		}
		return err
	}
	err = s.migrate(ctx, "migrate down", true, check, func(m *migrate.Migrate) error { return m.Steps(-1) })
	if errors.Is(err, errDryRun) {
		return lost, nil
	}
	return lost, err
}

// errDryRun ends a step back at the point where it would begin.
var errDryRun = errors.New("dry run")

// RefusedError is a change of the schema that was not made.
type RefusedError struct{ Why string }

// Error says why, and what to do.
func (e *RefusedError) Error() string { return e.Why + "; nothing was changed" }

func refuse(format string, args ...any) error {
	return &RefusedError{Why: fmt.Sprintf(format, args...)}
}

// checkDown runs under the lock of the migrations. Before a loss, it leaves a record of it: see [Up].
func (s *Schema) checkDown(ctx context.Context, db Database, how Down) ([]Loss, error) {
	status, err := s.status(db)
	switch {
	case err != nil:
		return nil, err
	case status.newer():
		return nil, s.tooNew(status)
	case status.Dirty:
		return nil, migrate.ErrDirty{Version: int(status.Version)}
	case status.Version == 0:
		return nil, refuse("the database has no tables, so that there is no step to take back")
	}
	alive, err := db.AliveReplicas(ctx, how.Alive)
	if err != nil {
		return nil, fmt.Errorf("look for replicas that are alive: %w", err)
	}
	if len(alive) > 0 {
		return nil, refuse("replicas work on this database (%s): stop them first; "+
			"one that was killed counts as alive for %v", shorten(alive), how.Alive)
	}
	lost, err := s.losses(ctx, db, status.Version)
	if err != nil {
		return nil, err
	}
	var precious []Loss
	for _, l := range lost {
		if l.precious() {
			precious = append(precious, l)
		}
	}
	if len(precious) == 0 {
		return lost, nil
	}
	if !how.DropPayments {
		return lost, refuse("the step back from version %d would drop rows that cannot be made again, of %s: "+
			"orders that were paid could be charged again, and evidence and keys would be lost; "+
			"--drop-payments drops them all the same", status.Version, joinLosses(precious))
	}
	if how.DryRun {
		return lost, nil
	}
	// A table that loses columns keeps its rows: orders that were paid stay known.
	precious = slices.DeleteFunc(precious, func(l Loss) bool { return l.Columns })
	if len(precious) == 0 {
		return lost, nil
	}
	if err := db.RecordLoss(ctx, precious); err != nil {
		return nil, fmt.Errorf("record what is dropped: %w", err)
	}
	return lost, nil
}

// DroppedError says that rows which cannot be made again were dropped from this database, and that
// new tables would be empty.
type DroppedError struct{ Lost []Loss }

// Error says what to do.
func (e *DroppedError) Error() string {
	return fmt.Sprintf("rows of this database were dropped by `paymentd migrate down --drop-payments`, of %s: "+
		"orders that were paid would be charged again when they are asked for again; restore a backup, or, "+
		"if that is wanted, run `paymentd migrate up --start-empty`", joinLosses(e.Lost))
}

func joinLosses(lost []Loss) string {
	words := make([]string, len(lost))
	for i, l := range lost {
		words[i] = l.String()
	}
	return strings.Join(words, ", ")
}

// shorten names some of many.
func shorten(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
