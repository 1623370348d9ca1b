package mysqltest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"paymentd/sql/vitess"
)

// VitessVariable names the environment variable with the path of vtcombo: vtgate, the tablets and the
// topology in one process.
const VitessVariable = "TEST_VTCOMBO"

// VitessConfig configures a private Vitess.
type VitessConfig struct {
	// Shards is the number of shards of each keyspace: 1, which is an unsharded keyspace, 2 or 4.
	Shards int
	// Keyspaces are the names of the keyspaces. Vitess cannot create sharded ones later.
	Keyspaces []string
	// Relaxed is as in Config, of the server that has the data.
	Relaxed bool
	// Gated permits CutShard. All connections of the tablets then run through this process.
	Gated bool
}

// VitessServer is a private Vitess, with one genuine MySQL server that has a database for each shard.
type VitessServer struct {
	distributed

	data *Server
	gate *gate // nil unless Gated
}

// shardNames are the ranges of keyspace ids, by the number of shards.
var shardNames = map[int][]string{
	1: {"0"},
	2: {"-80", "80-"},
	4: {"-40", "40-80", "80-c0", "c0-"},
}

// unprivileged is the user and group that runs Vitess if this process runs as root, which Vitess refuses.
const unprivileged = 65534

// StartVitess runs a Vitess on free ports, with empty keyspaces, until Stop, or until this process ends.
func StartVitess(ctx context.Context, config VitessConfig) (*VitessServer, error) {
	path, err := engineProgram(VitessVariable, "test/vitess")
	if err != nil {
		return nil, err
	}
	if len(shardNames[config.Shards]) == 0 {
		return nil, fmt.Errorf("start Vitess with %d shards: it can have 1, 2 or 4", config.Shards)
	}
	data, err := Start(ctx, Config{Relaxed: config.Relaxed})
	if err != nil {
		return nil, err
	}
	if data.MariaDB() {
		return nil, errors.Join(errors.New("start Vitess: it needs a genuine MySQL before MariaDB on the PATH; "+
			"run the tests by `make test/vitess`, which gets one"), data.Stop())
	}
	folder, clean, err := newFolder()
	if err != nil {
		return nil, errors.Join(err, data.Stop())
	}
	s := &VitessServer{
		distributed: distributed{folder: folder, reaper: clean, address: address{user: "paymentd"}}, data: data,
	}
	if err := s.start(ctx, path, config); err != nil {
		return nil, errors.Join(fmt.Errorf("start Vitess: %w", err), s.closeGate(), s.reaper.reap(), data.Stop())
	}
	return s, nil
}

func (s *VitessServer) start(ctx context.Context, path string, config VitessConfig) error {
	if err := s.prepare(config); err != nil {
		return err
	}
	socket := filepath.Join(s.data.folder, "socket")
	if config.Gated {
		var err error
		if s.gate, err = newGate(ctx, filepath.Join(s.folder, "gate"), socket); err != nil {
			return err
		}
		socket = filepath.Join(s.folder, "gate")
	}
	var ports [3]string
	for i := range ports {
		free, err := freeAddress(ctx)
		if err != nil {
			return err
		}
		s.address.host = free
		_, ports[i], _ = net.SplitHostPort(free)
	}
	args := []string{
		"--proto-topo=" + topology(config),
		"--cell=test",
		"--schema-dir=" + s.schemas(),
		"--db-socket=" + socket,
		"--port=" + ports[0], "--grpc-port=" + ports[1], "--mysql-server-port=" + ports[2],
		"--bind-address=127.0.0.1", "--grpc-bind-address=127.0.0.1", "--mysql-server-bind-address=127.0.0.1",
		"--mysql-auth-server-impl=none",
		"--dbddl-plugin=vttest",
		"--tablet-dir=tablet",
		"--logtostderr",
	}
	for _, user := range []string{"app", "allprivs", "appdebug", "dba", "filtered", "repl"} {
		args = append(args, "--db-"+user+"-user=root") // has no password, and connects by the socket only
	}
	path, err := s.reachable(path)
	if err != nil {
		return err
	}
	s.command = func() *exec.Cmd {
		command := exec.Command(path, args...) //nolint:noctx // Kill ends it
		command.Dir = s.folder
		command.Env = append(os.Environ(), "VTDATAROOT="+s.folder, "HOME="+s.folder)
		if os.Getuid() == 0 {
			command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: unprivileged, Gid: unprivileged}}
		}
		return command
	}
	return s.run(ctx)
}

// reachable returns a path of the program that the user of Vitess can reach, because caches are in home
// folders.
func (s *VitessServer) reachable(path string) (string, error) {
	if os.Getuid() != 0 {
		return path, nil
	}
	inside := filepath.Join(s.folder, "vtcombo")
	if os.Link(path, inside) == nil {
		return inside, nil
	}
	program, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(inside, program, 0o755) //nolint:gosec // a program for another user
	}
	if err != nil {
		return "", fmt.Errorf("copy vtcombo: %w", err)
	}
	return inside, nil
}

func (s *VitessServer) schemas() string { return filepath.Join(s.folder, "schema") }

// prepare creates the keyspaces' VSchemas, and makes the folders accessible to the user of Vitess.
func (s *VitessServer) prepare(config VitessConfig) error {
	for _, keyspace := range config.Keyspaces {
		folder := filepath.Join(s.schemas(), keyspace)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("create the folder of a VSchema: %w", err)
		}
		vschema := vitess.VSchema
		if config.Shards == 1 {
			vschema = []byte("{}")
		}
		if err := os.WriteFile(filepath.Join(folder, "vschema.json"), vschema, 0o600); err != nil {
			return fmt.Errorf("write a VSchema: %w", err)
		}
	}
	if os.Getuid() != 0 {
		return nil
	}
	if err := os.Chmod(s.data.folder, 0o711); err != nil { //nolint:gosec // the socket in it is for every user
		return fmt.Errorf("open the data server's folder: %w", err)
	}
	return filepath.Walk(s.folder, func(path string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Chown(path, unprivileged, unprivileged)) //nolint:gosec // no other process knows the folder yet
	})
}

// topology describes the keyspaces as the option --proto-topo takes them.
func topology(config VitessConfig) string {
	var text strings.Builder
	for _, keyspace := range config.Keyspaces {
		fmt.Fprintf(&text, "keyspaces:{name:%q replica_count:1 rdonly_count:-1", keyspace)
		for _, shard := range shardNames[config.Shards] {
			fmt.Fprintf(&text, " shards:{name:%q}", shard)
		}
		text.WriteString("} ")
	}
	return text.String() + `cells:"test"`
}

// PIDs implements Killable.
func (s *VitessServer) PIDs() []int { return append(s.distributed.PIDs(), s.data.PIDs()...) }

// KillData kills the MySQL server that has the data of all shards.
func (s *VitessServer) KillData() error { return s.data.Kill() }

// RestartData runs the MySQL server again.
func (s *VitessServer) RestartData(ctx context.Context) error { return s.data.Restart(ctx) }

// Stop stops the engine and the server that has the data, and removes their folders.
func (s *VitessServer) Stop() error {
	return errors.Join(s.Kill(), s.closeGate(), s.distributed.Stop(), s.data.Stop())
}

func (s *VitessServer) closeGate() error {
	if s.gate == nil {
		return nil
	}
	return s.gate.close()
}

// CutShard closes the connections to the database of one shard of a keyspace and refuses new ones, as if it were on a
// server of its own that was killed. An empty shard restores all. It must be Gated.
func (s *VitessServer) CutShard(keyspace, shard string) {
	if shard == "" {
		s.gate.set("")
		return
	}
	s.gate.set("vt_" + keyspace + "_" + shard)
}

// ShardNames returns the ranges of keyspace ids of a number of shards.
func ShardNames(shards int) []string { return slices.Clone(shardNames[shards]) }
