package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	gopsutil "github.com/shirou/gopsutil/v4/process"
	_ "modernc.org/sqlite" // the audit of the SQLite row

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
	"paymentd/app/apptest/process"
)

// harness is the environment of a run: a database server, a collector of traces, a folder and the
// binaries.
type harness struct {
	options    options
	orders     *orders
	binary     string
	folder     string
	certFile   string
	keyFile    string
	server     *mysqltest.Server
	db         *sql.DB          // for meters and audits
	serverPID  int              // 0 if it is not known
	collector  *httptest.Server // of traces; it discards them, because it shares the processors with what is measured
	traceBytes atomic.Int64
	progress   io.Writer
	removal    *process.ExitHook
}

// newHarness builds paymentd, unless a binary is given, and starts the database server.
func newHarness(ctx context.Context, o options, progress io.Writer) (h *harness, err error) {
	h = &harness{options: o, orders: newOrders(o.IDs), binary: o.Binary, progress: progress}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.folder, err = os.MkdirTemp("", "paymentd-bench-"); err != nil {
		return h, fmt.Errorf("make a folder: %w", err)
	}
	if h.removal, err = process.RemoveOnExit(h.folder); err != nil {
		return h, err
	}
	if h.binary == "" {
		h.binary = "bin/paymentd"
		h.say("building bin/paymentd")
		if err := process.Build(ctx, h.binary); err != nil {
			return h, err
		}
	}
	if h.binary, err = filepath.Abs(h.binary); err != nil {
		return h, err
	}
	if h.certFile, h.keyFile, err = process.Certify(h.folder, time.Now().Add(24*time.Hour)); err != nil {
		return h, fmt.Errorf("make a certificate: %w", err)
	}
	h.collector = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		h.traceBytes.Add(n)
	}))
	h.say("starting a database server")
	err = h.startServer(ctx)
	return h, err
}

func (h *harness) say(format string, values ...any) {
	_, _ = fmt.Fprintf(h.progress, "bench: "+format+"\n", values...)
}

func (h *harness) close() error {
	var errs []error
	if h.db != nil {
		errs = append(errs, h.db.Close())
	}
	if h.server != nil {
		errs = append(errs, h.server.Stop())
	}
	if h.collector != nil {
		h.collector.Close()
	}
	errs = append(errs, os.RemoveAll(h.folder))
	if h.removal != nil {
		h.removal.Cancel()
	}
	return errors.Join(errs...)
}

// startServer starts a server that flushes its log at every commit. It has more memory and a longer
// log than a test's server, which would write pages all the time.
func (h *harness) startServer(ctx context.Context) (err error) {
	args := []string{
		"--innodb-buffer-pool-size=" + h.options.BufferPool,
		"--loose-innodb-log-file-size=512M",      // of MariaDB
		"--loose-innodb-redo-log-capacity=512M",  // of MySQL
		"--innodb-monitor-enable=trx_rw_commits", // see commitCounter
	}
	if h.server, err = mysqltest.Start(ctx, mysqltest.Config{Args: append(args, h.options.ServerArg...)}); err != nil {
		return err
	}
	if h.db, err = openDatabase(h.server.URL(""), true); err != nil {
		return err
	}
	h.serverPID = h.findServer(ctx)
	return nil
}

// findServer returns the process id that the server reports, or 0 if that is not a database server
// here: in a container, ids are others.
func (h *harness) findServer(ctx context.Context) int {
	var file string
	var pid int32
	if err := h.db.QueryRowContext(ctx, "SELECT @@pid_file").Scan(&file); err != nil {
		return 0
	}
	text, err := os.ReadFile(file) //nolint:gosec // the server reports it
	if _, scanErr := fmt.Sscan(string(text), &pid); err != nil || scanErr != nil {
		return 0
	}
	if p, err := gopsutil.NewProcess(pid); err == nil {
		if name, err := p.Name(); err == nil && (strings.HasPrefix(name, "mariadbd") || strings.HasPrefix(name, "mysqld")) {
			return int(pid)
		}
	}
	return 0
}

// openDatabase opens the database of a URL. If tuned, the driver inserts values into statements, which
// then take one round trip; otherwise it prepares and closes each statement, its default.
func openDatabase(databaseURL string, tuned bool) (*sql.DB, error) {
	if file, isSQLite := strings.CutPrefix(databaseURL, "sqlite:"); isSQLite {
		return sql.Open("sqlite", file)
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, errors.New("the database URL cannot be parsed") // it holds a password
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

// execute runs statements on a database.
func execute(ctx context.Context, databaseURL string, statements ...string) (err error) {
	db, err := openDatabase(databaseURL, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// get returns the body of a response with status 200. It sends the API key unless that is empty.
func get(ctx context.Context, address, apiKey string) (string, error) {
	var headers []string
	if apiKey != "" {
		headers = []string{"Authorization", "Bearer " + apiKey}
	}
	a := apptest.Get(ctx, address, "", headers...)
	if a.Err == nil && a.Code != http.StatusOK {
		a.Err = fmt.Errorf("GET %s: status %d", address, a.Code)
	}
	return a.Raw, a.Err
}
