package mysqltest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// TiDBVariable names the environment variable with the path of tidb-server.
const TiDBVariable = "TEST_TIDB_SERVER"

// TiDBServer is a private TiDB with its embedded store (unistore): TiDB's SQL, transactions and locks on
// one node, without TiKV and its replication.
type TiDBServer struct{ distributed }

// tidbConfig is the configuration file, with the port, and the folder twice.
const tidbConfig = `host = "127.0.0.1"
port = %s
store = "unistore"
path = %q
temp-dir = %q
socket = ""
[log]
level = "error"
[status]
report-status = false
`

// StartTiDB runs a TiDB on a free port, with an empty data folder, until Stop, or until this process ends.
func StartTiDB(ctx context.Context) (*TiDBServer, error) {
	path, err := engineProgram(TiDBVariable, "test/tidb")
	if err != nil {
		return nil, err
	}
	folder, clean, err := newFolder()
	if err != nil {
		return nil, err
	}
	s := &TiDBServer{distributed{folder: folder, reaper: clean, address: address{user: "root"}}}
	if err := s.start(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("start TiDB: %w", err), clean.reap())
	}
	return s, nil
}

func (s *TiDBServer) start(ctx context.Context, path string) (err error) {
	if s.address.host, err = freeAddress(ctx); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(s.address.host) // made by freeAddress
	config := filepath.Join(s.folder, "config.toml")
	text := fmt.Sprintf(tidbConfig, port, dataFolder(s.folder), filepath.Join(s.folder, "tmp"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	s.command = func() *exec.Cmd {
		command := exec.Command(path, "-config", config) //nolint:noctx // Kill ends it
		command.Dir = s.folder                           // gets the log of slow queries
		return command
	}
	return s.run(ctx)
}

// CreateDatabase creates an empty database and returns its URL.
func (s *TiDBServer) CreateDatabase(ctx context.Context, name string) (string, error) {
	if err := s.address.execute(ctx, "CREATE DATABASE `"+name+"`"); err != nil {
		return "", fmt.Errorf("create the database %s: %w", name, err)
	}
	return s.URL(name), nil
}
