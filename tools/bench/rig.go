package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"paymentd/adapters/mysqlstore/mysqltest"
)

// rig is what is measured on: a database server, a folder, and the binary.
type rig struct {
	options  options
	orders   *orders
	binary   string
	folder   string
	server   *mysqltest.Server
	db       *sql.DB // for the meters and the audits
	pid      int     // of the server; 0 where it cannot be known
	progress io.Writer
}

// newRig builds the binary, unless there is one, and starts the database server.
func newRig(ctx context.Context, o options, progress io.Writer) (r *rig, err error) {
	r = &rig{options: o, orders: newOrders(o.IDs), binary: o.Binary, progress: progress}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if r.folder, err = os.MkdirTemp("", "paymentd-bench-"); err != nil {
		return r, fmt.Errorf("make a folder: %w", err)
	}
	if err := r.findBinary(ctx); err != nil {
		return r, err
	}
	r.say("starting a database server")
	if err := r.startServer(ctx); err != nil {
		return r, err
	}
	return r, nil
}

func (r *rig) say(format string, values ...any) {
	_, _ = fmt.Fprintf(r.progress, "bench: "+format+"\n", values...)
}

func (r *rig) close() error {
	var errs []error
	if r.db != nil {
		errs = append(errs, r.db.Close())
	}
	if r.server != nil {
		errs = append(errs, r.server.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(r.folder))...)
}

// findBinary makes bin/paymentd, as `make build` does, unless there is another one to measure.
func (r *rig) findBinary(ctx context.Context) (err error) {
	given := r.binary != ""
	if !given {
		r.binary = "bin/paymentd"
	}
	if r.binary, err = filepath.Abs(r.binary); err != nil || given {
		return err
	}
	r.say("building bin/paymentd")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", r.binary, "paymentd/app/paymentd") //nolint:gosec // our own path
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build paymentd: %w\n%s", err, out)
	}
	return nil
}

// startServer starts a server that flushes its log at every commit. It has more memory than a
// test's, and a longer log, or it would write out its pages all the time.
func (r *rig) startServer(ctx context.Context) (err error) {
	args := []string{
		"--innodb-buffer-pool-size=" + r.options.BufferPool,
		"--loose-innodb-log-file-size=512M",      // of MariaDB
		"--loose-innodb-redo-log-capacity=512M",  // of MySQL
		"--innodb-monitor-enable=trx_rw_commits", // see commitCounter
	}
	if r.server, err = mysqltest.Start(ctx, mysqltest.Config{Args: append(args, r.options.ServerArg...)}); err != nil {
		return err
	}
	if r.db, err = openDatabase(r.server.URL("")); err != nil {
		return err
	}
	r.pid = r.serverPID(ctx)
	return nil
}

// serverPID is the server's own word for its number, unless it is one of a container, where
// the numbers are others.
func (r *rig) serverPID(ctx context.Context) int {
	var file string
	if err := r.db.QueryRowContext(ctx, "SELECT @@pid_file").Scan(&file); err != nil {
		return 0
	}
	text, err := os.ReadFile(file) //nolint:gosec // the server names it
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || !strings.HasPrefix(string(name), "mariadbd") && !strings.HasPrefix(string(name), "mysqld") {
		return 0
	}
	return pid
}

// openDatabase opens the database of a URL as mysqltest returns it. A statement takes one round
// trip: the driver puts the values in.
func openDatabase(databaseURL string) (*sql.DB, error) { return openTuned(databaseURL, true) }

// openTuned opens it as openDatabase does or, not tuned, as the driver does by default: it prepares
// each statement before, and closes it after.
func openTuned(databaseURL string, tuned bool) (*sql.DB, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, errors.New("the server's URL cannot be read") // it holds a password
	}
	config := mysql.NewConfig()
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Net, config.Addr = "tcp", u.Host
	config.DBName = strings.TrimPrefix(u.Path, "/")
	config.InterpolateParams, config.ClientFoundRows, config.ParseTime = tuned, true, true
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("configure the connections: %w", err)
	}
	return sql.OpenDB(connector), nil
}

// startGateway starts a sandbox gateway that takes so long for a charge.
func (r *rig) startGateway(ctx context.Context, latency time.Duration) (*child, error) {
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	name := "gateway-" + strings.ReplaceAll(addr, ":", "-")
	c, err := startChild(r.folder, name, r.binary, "http://"+addr, []string{
		"PAYMENTD_SANDBOX_ADDR=" + addr, "PAYMENTD_SANDBOX_LATENCY=" + latency.String(),
		"PAYMENTD_SANDBOX_LEDGER=" + filepath.Join(r.folder, name+".ledger"),
	}, "sandbox")
	if err != nil {
		return nil, err
	}
	if err := c.ready(ctx, "/healthz"); err != nil {
		c.kill()
		return nil, err
	}
	return c, nil
}

// replica is a service that takes payments.
type replica struct {
	*child
	vars string // URL of its memory statistics
}

// startReplica starts a service on the database, with more settings such as PAYMENTD_WAIT=1s.
func (r *rig) startReplica(ctx context.Context, databaseURL string, at *child, more ...string) (*replica, error) {
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	profiles, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	env := append([]string{
		"PAYMENTD_ADDR=" + addr, "PAYMENTD_PPROF_ADDR=" + profiles,
		"PAYMENTD_DATABASE=" + databaseURL, "PAYMENTD_GATEWAY=" + at.url,
	}, more...)
	c, err := startChild(r.folder, "service-"+strings.ReplaceAll(addr, ":", "-"), r.binary, "http://"+addr,
		append(env, r.options.Set...), "serve")
	if err != nil {
		return nil, err
	}
	if err := c.ready(ctx, "/readyz"); err != nil {
		c.kill()
		return nil, err
	}
	return &replica{child: c, vars: "http://" + profiles + "/debug/vars"}, nil
}

// system is a replica with its gateway and its database.
type system struct {
	gateway  *child
	replica  *replica
	database string // its URL
	key      string // that callers show; empty where none is needed
}

// newSystem starts a gateway that takes so long for a charge, and a replica on a new database
// of the server.
func (r *rig) newSystem(ctx context.Context, name string, latency time.Duration, more ...string) (*system, error) {
	databaseURL, err := r.server.CreateDatabase(ctx, name)
	if err != nil {
		return nil, err
	}
	return r.newSystemOn(ctx, databaseURL, latency, more...)
}

func (r *rig) newSystemOn(
	ctx context.Context, databaseURL string, latency time.Duration, more ...string,
) (s *system, err error) {
	s = &system{database: databaseURL}
	if s.gateway, err = r.startGateway(ctx, latency); err != nil {
		return nil, err
	}
	if s.replica, err = r.startReplica(ctx, databaseURL, s.gateway, more...); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// stop stops the processes, the replica first.
func (s *system) stop() error {
	var errs []error
	if s.replica != nil {
		errs = append(errs, s.replica.stop())
	}
	return errors.Join(append(errs, s.gateway.stop())...)
}

// meters returns those of a system and of the server.
func (r *rig) meters(s *system) meters {
	return meters{db: r.db, vars: s.replica.vars, pids: map[string]int{
		service: s.replica.pid(), database: r.pid, gateway: s.gateway.pid(), clients: os.Getpid(),
	}}
}
