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

// Down has the options of [Schema.Down].
type Down struct {
	// Alive is how old the latest heartbeat of a live replica may be.
	Alive time.Duration
	// DropPayments permits to drop rows that cannot be recreated.
	DropPayments bool
	// DryRun checks and counts, and changes nothing.
	DryRun bool
}

// Down reverts the latest migration, one step, and returns what it dropped. It returns a
// [RefusedError], and changes nothing, while replicas are alive or another process uses the database,
// and if rows that cannot be recreated would be dropped without permission.
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

// errDryRun stops a step back before it begins.
var errDryRun = errors.New("dry run")

// RefusedError is the error of a change of the schema that was refused.
type RefusedError struct{ Why string }

// Error says why the change was refused and what to do.
func (e *RefusedError) Error() string { return e.Why + "; nothing was changed" }

func refuse(format string, args ...any) error {
	return &RefusedError{Why: fmt.Sprintf(format, args...)}
}

// checkDown runs under the lock of the migrations. It records a loss before it happens; see [Schema.Up].
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
		return nil, fmt.Errorf("look for live replicas: %w", err)
	}
	if len(alive) > 0 {
		return nil, refuse("replicas use this database (%s): stop them first; "+
			"a killed replica counts as alive for %v", shorten(alive), how.Alive)
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
		return lost, refuse("the step back from version %d would drop rows that cannot be recreated, of %s: "+
			"paid orders could be charged again, refunds made again, and evidence and keys would be lost; "+
			"--drop-payments permits that", status.Version, joinLosses(precious))
	}
	if how.DryRun {
		return lost, nil
	}
	// A table that loses columns keeps its rows, so paid orders stay known.
	precious = slices.DeleteFunc(precious, func(l Loss) bool { return len(l.Columns) > 0 })
	if len(precious) == 0 {
		return lost, nil
	}
	if err := db.RecordLoss(ctx, precious); err != nil {
		return nil, fmt.Errorf("record the loss: %w", err)
	}
	return lost, nil
}

// DroppedError is the error of a migration that would create empty tables after rows were dropped that
// cannot be recreated.
type DroppedError struct{ Lost []Loss }

// Error says what to do.
func (e *DroppedError) Error() string {
	return fmt.Sprintf("rows of this database were dropped by `paymentd migrate down --drop-payments`, of %s: "+
		"orders that were paid would be charged again by repeated requests, and refunds made again; restore a backup, or, "+
		"if that is intended, run `paymentd migrate up --start-empty`", joinLosses(e.Lost))
}

func joinLosses(lost []Loss) string {
	words := make([]string, len(lost))
	for i, l := range lost {
		words[i] = l.String()
	}
	return strings.Join(words, ", ")
}

// shorten lists at most five of the names.
func shorten(names []string) string {
	const maxNames = 5
	if len(names) > maxNames {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNames], ", "), len(names)-maxNames)
	}
	return strings.Join(names, ", ")
}
