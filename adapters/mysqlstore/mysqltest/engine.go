package mysqltest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
)

// Engine is a database engine that speaks the MySQL protocol.
type Engine string

// The engines that the tests know. MySQL includes MariaDB.
const (
	MySQL  Engine = "mysql"
	TiDB   Engine = "tidb"
	Vitess Engine = "vitess"
)

// EngineVariable names the environment variable with the engine of the server that URLVariable names;
// MySQL if it is not set.
const EngineVariable = "TEST_MYSQL_ENGINE"

// TestedEngine returns the engine of the server that Database uses.
func TestedEngine() Engine { return cmp.Or(Engine(os.Getenv(EngineVariable)), MySQL) }

// NotOn skips a test on engines, for a reason that the source states.
func NotOn(t testing.TB, reason string, engines ...Engine) {
	t.Helper()
	if on := TestedEngine(); slices.Contains(engines, on) {
		t.Skipf("not on %s: %s", on, reason)
	}
}

// distributed is a private instance of an engine other than MySQL.
type distributed struct {
	folder  string
	reaper  *reaper
	address address
	command func() *exec.Cmd // of a new run
	process *process         // the latest run
	starts  int
}

// URL returns mysql://user:password@127.0.0.1:port/database, which Restart does not change.
func (d *distributed) URL(database string) string { return d.address.url(database) }

// Kill kills the engine like kill -9, and returns when it has ended.
func (d *distributed) Kill() error {
	if err := d.process.kill(); err != nil {
		return fmt.Errorf("kill the engine: %w", err)
	}
	return nil
}

// Restart runs the engine again, on the same port and data folder, and returns when it answers. It first
// kills an engine that runs.
func (d *distributed) Restart(ctx context.Context) error {
	if err := d.Kill(); err != nil {
		return err
	}
	if err := d.run(ctx); err != nil {
		return fmt.Errorf("restart the engine: %w", err)
	}
	return nil
}

// Stop stops the engine and removes its folder.
func (d *distributed) Stop() error { return errors.Join(d.Kill(), d.reaper.reap()) }

// PIDs implements Killable.
func (d *distributed) PIDs() []int { return []int{d.process.command.Process.Pid} }

// run starts one process and waits until it answers.
func (d *distributed) run(ctx context.Context) error {
	d.starts++
	running, err := startCommand(d.command(), d.reaper, d.folder, fmt.Sprintf("run-%d", d.starts))
	if err != nil {
		return err
	}
	d.process = running
	return running.waitReady(ctx, d.address)
}

// engineProgram returns the path that a variable names.
func engineProgram(variable, target string) (string, error) {
	path := os.Getenv(variable)
	if path == "" {
		return "", fmt.Errorf("%s is not set: run the tests by `make %s`, which builds the engine", variable, target)
	}
	if _, err := os.Stat(path); err != nil { //nolint:gosec // the variable names the program to run
		return "", fmt.Errorf("%s: %w", variable, err)
	}
	return path, nil
}

// Killable is a private server that can be killed and run again, as [Server.Kill] describes.
type Killable interface {
	Kill() error
	Restart(ctx context.Context) error
	Stop() error
	// PIDs are the ids of its processes.
	PIDs() []int
}

// ShardsVariable names the environment variable with the number of shards of Vitess; 1 if it is not set.
const ShardsVariable = "TEST_VITESS_SHARDS"

// StartTested runs a private server of TestedEngine, and returns the URL of an empty database of the name.
func StartTested(ctx context.Context, database string, config Config) (server Killable, url string, err error) {
	switch TestedEngine() {
	case TiDB:
		s, err := StartTiDB(ctx)
		if err != nil {
			return nil, "", err
		}
		url, err = s.CreateDatabase(ctx, database)
		return s, url, err
	case Vitess:
		shards, err := strconv.Atoi(cmp.Or(os.Getenv(ShardsVariable), "1"))
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", ShardsVariable, err)
		}
		s, err := StartVitess(ctx, VitessConfig{Shards: shards, Keyspaces: []string{database}, Relaxed: config.Relaxed})
		if err != nil {
			return nil, "", err
		}
		url = s.URL(database)
		return s, url, nil
	case MySQL:
	}
	s, err := Start(ctx, config)
	if err != nil {
		return nil, "", err
	}
	url, err = s.CreateDatabase(ctx, database)
	return s, url, err
}
