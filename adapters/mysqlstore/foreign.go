package mysqlstore

import (
	"context"
	"database/sql"

	"paymentd/internal/schema"
)

// ownColumns is how many of the columns in the query below paymentd's table has.
const ownColumns = 3

// errUnknownColumn is ER_BAD_FIELD_ERROR.
const errUnknownColumn = 1054

// queryer is a pool, or a connection.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// checkOwn returns a *schema.ForeignError if another program has migrated the database, or has a table
// named payments in it: the migrations would continue from the other program's version, or fail
// half-way. Other tables do no harm. It changes nothing.
func checkOwn(ctx context.Context, db queryer) error {
	var columns, own int
	err := db.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(column_name IN ('order_id', 'gateway_key', 'fence')), 0) "+
		"FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'payments'").Scan(&columns, &own)
	if err != nil {
		return err
	}
	if columns > 0 && own < ownColumns {
		return &schema.ForeignError{What: "the database has a table named payments that is another program's"}
	}
	var version int64
	var dirty bool
	err = db.QueryRowContext(ctx, "SELECT version, dirty FROM schema_migrations LIMIT 1").Scan(&version, &dirty)
	foreign := &schema.ForeignError{What: "the table schema_migrations in the database is another program's"}
	switch {
	case isNotFound(err), hasNumber(err, errNoSuchTable):
		return nil
	case hasNumber(err, errUnknownColumn):
		return foreign
	case err != nil:
		return err
	case columns == 0 && version > 0 && !dirty:
		return foreign
	}
	return nil
}
