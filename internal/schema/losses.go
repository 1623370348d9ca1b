package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Loss is a table that a step back drops in whole or in part.
type Loss struct {
	Table string
	Rows  int64
	// Columns are the columns that the table loses; it keeps its rows. None if the table is dropped.
	Columns []string
}

// String returns for example "payments (12 rows)", or "columns gateway, retries of payments (12 rows)".
func (l Loss) String() string {
	table := l.Table
	if len(l.Columns) > 0 {
		table = "columns " + strings.Join(l.Columns, ", ") + " of " + table
	}
	if l.Rows == 1 {
		return table + " (1 row)"
	}
	return fmt.Sprintf("%s (%d rows)", table, l.Rows)
}

// ReadLosses runs a query for the names and row counts of recorded losses.
func ReadLosses(ctx context.Context, db queryer, query string) (lost []Loss, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var l Loss
		if err := rows.Scan(&l.Table, &l.Rows); err != nil {
			return nil, err
		}
		lost = append(lost, l)
	}
	return lost, rows.Err()
}

// queryer is a pool, or a connection.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// remade are the tables whose rows the service recreates, or which are a log that nothing depends on. All others,
// including those of later versions, hold rows that it cannot: payments, evidence, keys. People sign in to the console
// again, and the start stores the addresses of the settings.
var remade = []string{"replicas", "console_sessions", "delivery_attempts", "gateway_addresses"}

// precious reports whether the lost rows cannot be recreated.
func (l Loss) precious() bool { return l.Rows > 0 && !slices.Contains(remade, l.Table) }

var (
	comment   = regexp.MustCompile(`--[^\n]*`)
	dropTable = regexp.MustCompile("(?is)^DROP TABLE (?:IF EXISTS )?[`\"]?([a-z0-9_]+)[`\"]?$")
	// harmless are statements that change indexes only.
	harmless   = regexp.MustCompile(`(?is)^(?:DROP|CREATE|CREATE UNIQUE) INDEX `)
	alterTable = regexp.MustCompile("(?is)^ALTER TABLE [`\"]?([a-z0-9_]+)[`\"]? (.*)$")
	dropColumn = regexp.MustCompile("(?is)^DROP (?:COLUMN )?(?:IF EXISTS )?[`\"]?([a-z0-9_]+)[`\"]?$")
	// harmlessClause is a clause of ALTER TABLE that changes an index only.
	harmlessClause = regexp.MustCompile(`(?is)^(?:DROP|ADD) (?:UNIQUE |FULLTEXT )?(?:KEY|INDEX) `)
)

// tablesLost returns the tables of which a migration drops rows or columns. An unknown statement is an
// error, because it may drop anything.
func tablesLost(migration string) (tables []string, err error) {
	for statement := range strings.SplitSeq(comment.ReplaceAllString(migration, ""), ";") {
		statement = strings.Join(strings.Fields(statement), " ")
		if statement == "" || harmless.MatchString(statement) {
			continue
		}
		if drop := dropTable.FindStringSubmatch(statement); drop != nil {
			tables = append(tables, drop[1])
			continue
		}
		alter := alterTable.FindStringSubmatch(statement)
		if alter == nil {
			return nil, fmt.Errorf("it is not known what the statement %q drops", statement)
		}
		if slices.ContainsFunc(clauses(alter[2]), func(c string) bool { return !harmlessClause.MatchString(c) }) {
			tables = append(tables, alter[1])
		}
	}
	return tables, nil
}

// clauses splits a list at the commas outside parentheses.
func clauses(list string) (found []string) {
	depth, begin := 0, 0
	for i, c := range list {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			found = append(found, strings.TrimSpace(list[begin:i]))
			begin = i + 1
		}
	}
	return append(found, strings.TrimSpace(list[begin:]))
}

// losses counts the rows of the tables that reverting the migration of the version drops.
func (s *Schema) losses(ctx context.Context, db Database, version uint) (found []Loss, err error) {
	statements, err := s.stepBack(version)
	if err != nil {
		return nil, err
	}
	tables, err := tablesLost(statements)
	if err != nil {
		return nil, err
	}
	whole := tablesDropped(statements)
	for i, table := range tables {
		if slices.Contains(tables[:i], table) {
			continue // a statement for each column
		}
		rows, err := db.CountRows(ctx, table)
		if err != nil {
			return nil, fmt.Errorf("count the rows of %s: %w", table, err)
		}
		loss := Loss{Table: table, Rows: rows}
		if !slices.Contains(whole, table) {
			loss.Columns = columnsLost(statements, table)
		}
		found = append(found, loss)
	}
	return found, nil
}

// columnsLost returns the columns of a table that a migration drops. Another change of the table is
// returned as it is written.
func columnsLost(migration, table string) (columns []string) {
	for statement := range strings.SplitSeq(comment.ReplaceAllString(migration, ""), ";") {
		alter := alterTable.FindStringSubmatch(strings.Join(strings.Fields(statement), " "))
		if len(alter) == 0 || alter[1] != table {
			continue
		}
		for _, clause := range clauses(alter[2]) {
			if drop := dropColumn.FindStringSubmatch(clause); drop != nil {
				columns = append(columns, drop[1])
			} else if !harmlessClause.MatchString(clause) {
				columns = append(columns, clause)
			}
		}
	}
	return columns
}

// tablesDropped returns the tables that a migration drops in whole.
func tablesDropped(migration string) (tables []string) {
	for statement := range strings.SplitSeq(comment.ReplaceAllString(migration, ""), ";") {
		if drop := dropTable.FindStringSubmatch(strings.Join(strings.Fields(statement), " ")); drop != nil {
			tables = append(tables, drop[1])
		}
	}
	return tables
}

// stepBack returns the statements that revert the migration of the version.
func (s *Schema) stepBack(version uint) (string, error) {
	files, err := openFiles(s.files)
	if err != nil {
		return "", err
	}
	defer func() { _ = files.Close() }() // they are embedded
	file, _, err := files.ReadDown(version)
	if err != nil {
		return "", fmt.Errorf("read the migration of version %d: %w", version, err)
	}
	statements, err := io.ReadAll(file)
	if err != nil {
		return "", fmt.Errorf("read the migration of version %d: %w", version, err)
	}
	return string(statements), nil
}
