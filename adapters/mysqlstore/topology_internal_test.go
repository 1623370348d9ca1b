package mysqlstore

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/sql/mysql/migrations"
)

func TestTopology_ShardOf(t *testing.T) {
	t.Parallel()
	one, four := &topology{}, &topology{ends: [][]byte{{0x40}, {0x80}, {0xc0}}}
	for order, shard := range map[payment.OrderID]int{ // by the first byte of `printf %s ORDER | md5sum`
		"order-2": 0, // 18
		"order-1": 1, // 6e
		"order-5": 2, // 9b
		"order-3": 3, // f9
	} {
		require.Equal(t, 0, one.shardOf(order))
		require.Equal(t, shard, four.shardOf(order), order)
	}
}

func TestTopology_ClaimedTogether(t *testing.T) {
	t.Parallel()
	var orders []payment.OrderID
	for i := range 3 * maxBatchRows {
		orders = append(orders, payment.OrderID(fmt.Sprintf("order-%d", i)))
	}
	for _, group := range (&topology{engine: engineTiDB}).claimedTogether(orders) {
		require.Len(t, group, 1)
	}
	require.Len(t, (&topology{}).claimedTogether(orders), 3)
	sharded := &topology{engine: engineVitess, ends: [][]byte{{0x80}}}
	total := 0
	for _, group := range sharded.claimedTogether(orders) {
		require.LessOrEqual(t, len(group), maxBatchRows)
		total += len(group)
		for _, order := range group {
			require.Equal(t, sharded.shardOf(group[0]), sharded.shardOf(order))
		}
	}
	require.Equal(t, len(orders), total)
}

// On Vitess, the error of a statement for several rows never proves that none was written, because another
// shard may have committed.
func TestClassifyBatch_OfSeveralShardsIsAmbiguous(t *testing.T) {
	t.Parallel()
	deadlock := &mysql.MySQLError{Number: errDeadlock, SQLState: [5]byte{'4', '0', '0', '0', '1'}}
	for _, c := range []struct {
		engine    engine
		rows      int
		ambiguous bool
	}{{engineMySQL, 2, false}, {engineTiDB, 2, false}, {engineVitess, 1, false}, {engineVitess, 2, true}} {
		s := &Payments{}
		s.topology.Store(&topology{engine: c.engine})
		_, ambiguous := errors.AsType[*ambiguousCommitError](s.classifyBatch(deadlock, c.rows))
		require.Equal(t, c.ambiguous, ambiguous, c)
		require.NoError(t, s.classifyBatch(nil, c.rows))
	}
}

// Every migration that replaces a key is split for TiDB, and no other one.
func TestSplitKeyChange(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(migrations.Files, "*.sql")
	require.NoError(t, err)
	for _, file := range files {
		text, err := fs.ReadFile(migrations.Files, file)
		require.NoError(t, err)
		parts := splitKeyChange(string(text))
		if !strings.Contains(string(text), "DROP KEY") || !strings.Contains(string(text), "ADD KEY") {
			require.Equal(t, []string{string(text)}, parts, file)
			continue
		}
		require.Len(t, parts, 3, file)
		require.Contains(t, parts[0], "ADD KEY payments_due_new (due_at", file)
		require.True(t, strings.HasSuffix(parts[1], "ALTER TABLE payments DROP KEY payments_due"), parts[1])
		require.True(t, strings.HasSuffix(parts[2], "ALTER TABLE payments RENAME KEY payments_due_new TO payments_due"), parts[2])
	}
}
