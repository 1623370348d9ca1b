package schema

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Loss is a table that a step back drops, or of which it drops a part, and how many rows it has.
type Loss struct {
	Table string
	Rows  int64
}

// String is such as "payments (12 rows)".
func (l Loss) String() string {
	if l.Rows == 1 {
		return l.Table + " (1 row)"
	}
	return fmt.Sprintf("%s (%d rows)", l.Table, l.Rows)
}

// remade are the tables whose rows the service makes again by itself. All others, those of later
// versions included, hold what cannot be made again: payments, evidence, keys.
var remade = []string{"replicas"}

// precious reports whether the loss cannot be made good.
func (l Loss) precious() bool { return l.Rows > 0 && !slices.Contains(remade, l.Table) }

var (
	comment   = regexp.MustCompile(`--[^\n]*`)
	dropTable = regexp.MustCompile("(?is)^DROP TABLE (?:IF EXISTS )?[`\"]?([a-z0-9_]+)[`\"]?$")
	// harmless are statements that change how rows are found, and no row.
	harmless   = regexp.MustCompile(`(?is)^(?:DROP|CREATE|CREATE UNIQUE) INDEX `)
	alterTable = regexp.MustCompile("(?is)^ALTER TABLE [`\"]?([a-z0-9_]+)[`\"]? (.*)$")
	// harmlessClause is such a clause of ALTER TABLE.
	harmlessClause = regexp.MustCompile(`(?is)^(?:DROP|ADD) (?:UNIQUE |FULLTEXT )?(?:KEY|INDEX) `)
)

// tablesLost returns the tables of which a migration drops rows or columns. A statement that it does
// not know is an error: what it would drop is not known either.
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

// clauses splits a list at the commas that are in no parentheses.
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

// losses counts the rows of the tables that the migration of the version drops when it is taken back.
func (s *Schema) losses(ctx context.Context, db Database, version uint) (found []Loss, err error) {
	tables, err := s.tablesLostBy(version)
	if err != nil {
		return nil, err
	}
	for _, table := range tables {
		rows, err := db.CountRows(ctx, table)
		if err != nil {
			return nil, fmt.Errorf("count the rows of %s: %w", table, err)
		}
		found = append(found, Loss{Table: table, Rows: rows})
	}
	return found, nil
}

func (s *Schema) tablesLostBy(version uint) (tables []string, err error) {
	files, err := openFiles(s.files)
	if err != nil {
		return nil, err
	}
	defer func() { _ = files.Close() }() // they are embedded
	file, _, err := files.ReadDown(version)
	if err != nil {
		return nil, fmt.Errorf("read the migration of version %d: %w", version, err)
	}
	statement, err := io.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("read the migration of version %d: %w", version, err)
	}
	return tablesLost(string(statement))
}
