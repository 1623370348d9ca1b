package schema

import (
	"context"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	mysqlmigrations "paymentd/sql/mysql/migrations"
	sqlitemigrations "paymentd/sql/sqlite/migrations"
)

// aRow is a database in which each table has one row.
type aRow struct{ Database }

func (aRow) CountRows(context.Context, string) (int64, error) { return 1, nil }

// TestLosses_NameEachColumnOnce: a table that loses columns is one loss, whether a statement drops one or all.
func TestLosses_NameEachColumnOnce(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]fs.FS{"mysql": mysqlmigrations.Files, "sqlite": sqlitemigrations.Files} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Schema{files: files}
			found := map[string]int{}
			for version := uint(1); ; version++ {
				lost, err := s.losses(t.Context(), aRow{}, version)
				if err != nil {
					require.ErrorIs(t, err, fs.ErrNotExist)
					break
				}
				for _, l := range lost {
					found[l.String()]++
				}
			}
			require.Equal(t, 1, found["columns gateway, key_sent_at, key_sent_clock, key_lifetime_micros, retries, doubt_named, "+
				"doubt_unanswered_clock, doubt_latest_at, doubt_latest_clock of payments (1 row)"], "%v", found)
			require.Equal(t, 1, found["payments (1 row)"])
			require.Equal(t, 1, found["attempts (1 row)"])
		})
	}
}
