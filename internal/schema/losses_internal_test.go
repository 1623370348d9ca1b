package schema

import (
	"io/fs"
	"testing"

	"github.com/golang-migrate/migrate/v4/source"
	"github.com/stretchr/testify/require"

	mysql "paymentd/sql/mysql/migrations"
	sqlite "paymentd/sql/sqlite/migrations"
)

func TestTablesLost(t *testing.T) {
	t.Parallel()
	for migration, want := range map[string][]string{
		"DROP TABLE payments;":                                         {"payments"},
		"drop table if exists `events` ;\n":                            {"events"},
		"-- DROP TABLE a;\nDROP TABLE b;\nDROP TABLE c;":               {"b", "c"},
		"DROP INDEX payments_due;":                                     nil,
		"CREATE INDEX payments_due ON payments (due_at);":              nil,
		"ALTER TABLE payments\n    DROP KEY a,\n    ADD KEY a (x, y);": nil,
		"ALTER TABLE payments DROP KEY a, DROP COLUMN lag;":            {"payments"},
		"ALTER TABLE payments DROP lag;":                               {"payments"},
		"ALTER TABLE payments MODIFY code VARCHAR(8);":                 {"payments"},
	} {
		got, err := tablesLost(migration)
		require.NoError(t, err, migration)
		require.Equal(t, want, got, migration)
	}
	for _, unknown := range []string{"DELETE FROM payments;", "UPDATE payments SET code = '';", "TRUNCATE payments;", "DROP DATABASE payments;"} {
		_, err := tablesLost(unknown)
		require.ErrorContains(t, err, "it is not known what the statement", unknown)
	}
}

// A step back counts the rows that it drops, so the statements of every migration must be known.
func TestTablesLost_KnowsEveryDownMigration(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]fs.FS{"mysql": mysql.Files, "sqlite": sqlite.Files} {
		names, err := fs.Glob(files, "*.down.sql")
		require.NoError(t, err)
		require.NotEmpty(t, names)
		s := New(files, nil, nil)
		lost := make(map[string]bool)
		for _, file := range names {
			m, err := source.DefaultParse(file)
			require.NoError(t, err)
			statements, err := s.stepBack(m.Version)
			require.NoError(t, err, "%s: %s", name, file)
			tables, err := tablesLost(statements)
			require.NoError(t, err, "%s: %s", name, file)
			for _, table := range tables {
				lost[table] = true
			}
		}
		for _, table := range []string{"payments", "attempts", "events", "api_keys", "replicas"} {
			require.True(t, lost[table], "%s: no step back drops %s", name, table)
		}
	}
}

// The rows of an unknown table cannot be recreated.
func TestLoss_PreciousUnlessRecreated(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"payments", "attempts", "events", "api_keys", "of_a_later_version"} {
		require.True(t, Loss{Table: table, Rows: 1}.precious(), table)
		require.False(t, Loss{Table: table}.precious(), table)
	}
	require.False(t, Loss{Table: "replicas", Rows: 3}.precious())
}
