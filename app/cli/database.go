package cli

import (
	"context"
	"errors"
	"fmt"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/app/internal/cause"
	"paymentd/internal/schema"
	"paymentd/ports"
)

// databaseFlags are the settings of a command that uses the database.
type databaseFlags struct{ config.Database }

// maxConnections bounds the database connections of a command.
const maxConnections = 2

// with calls f with the open database and closes it.
func (d databaseFlags) with(s stdio, f func(*app.Repository) error) error {
	r, err := app.OpenRepository(config.Config{
		Database: d.Database.Database, DatabaseConnections: maxConnections,
	}, s.logger("warn"))
	if err != nil {
		return err
	}
	return describeDatabaseError(errors.Join(f(r), r.Close()))
}

// withPayments is like with, for a command that requires a schema that this program can use. It creates no
// database.
func (d databaseFlags) withPayments(ctx context.Context, s stdio, f func(*app.Repository) error) error {
	return d.with(s, func(r *app.Repository) error {
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

// describeDatabaseError says what to do if the database cannot be reached or belongs to another program.
func describeDatabaseError(err error) error {
	if err == nil {
		return nil
	}
	if foreign, ok := errors.AsType[*schema.ForeignError](err); ok {
		return config.Invalid("database", foreign.Error())
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted before it was done; it may be run again")
	}
	if why := cause.Of(err); errors.Is(err, ports.ErrUnavailable) && why != err.Error() {
		return fmt.Errorf("the database cannot be reached: %s; check that it runs and that PAYMENTD_DATABASE names it", why)
	}
	return err
}
