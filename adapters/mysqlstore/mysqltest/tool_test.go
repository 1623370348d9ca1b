package mysqltest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
)

func TestTools(t *testing.T) {
	t.Parallel()

	server := start(t, mysqltest.Config{Relaxed: true})
	at, err := server.CreateDatabase(t.Context(), "ledger")
	require.NoError(t, err)
	statements := strings.NewReader("CREATE TABLE charges (id INT PRIMARY KEY); INSERT INTO charges VALUES (77);")
	require.NoError(t, server.Use(t.Context(), statements, mysqltest.Client, "--database=ledger"))
	require.Equal(t, 1, count(t, open(t, at), "charges"))

	file := filepath.Join(server.Folder(), "dump.sql")
	require.NoError(t, server.Use(t.Context(), nil, mysqltest.Dump, "--result-file="+file, "ledger"))
	dump, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(dump), "(77)")

	require.ErrorContains(t, server.Use(t.Context(), nil, mysqltest.BinLog, file), "binlog")
	require.ErrorContains(t, server.Use(t.Context(), strings.NewReader("nonsense"), mysqltest.Client), "nonsense")
}
