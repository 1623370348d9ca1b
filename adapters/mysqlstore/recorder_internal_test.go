package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
)

// recorder records a statement instead of executing it.
type recorder struct {
	statement *string
	args      *[]any
}

var errRecorded = errors.New("recorded")

func (r recorder) ExecContext(_ context.Context, statement string, args ...any) (sql.Result, error) {
	*r.statement, *r.args = statement, args
	return nil, errRecorded
}

func (r recorder) PrepareContext(context.Context, string) (*sql.Stmt, error) { return nil, errRecorded }

func (r recorder) QueryContext(context.Context, string, ...any) (*sql.Rows, error) {
	return nil, errRecorded
}

func (r recorder) QueryRowContext(context.Context, string, ...any) *sql.Row { return nil }
