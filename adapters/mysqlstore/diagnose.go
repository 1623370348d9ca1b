package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/internal/doctor"
)

// server is what is asked of a server once, to be judged by the checks.
type server struct {
	// variables are the server's own (SHOW GLOBAL VARIABLES and STATUS), by their names in lower
	// case. What one of the servers does not have is not there.
	variables map[string]string
	// session is what the service's own connections have of those that it sets.
	session map[string]string
	version string
	// ahead is how far the database's clock is ahead of ours, give or take half of roundTrip.
	ahead, roundTrip time.Duration
	replicas         int // that beat
	otherEngines     []string
}

// Diagnose looks at the server and at how it is reached, and says what the promise does not find
// as it should be. replicas is how many are planned; those that are alive count, if they are more.
// It changes nothing: the write that it tries is rolled back.
func (s *Payments) Diagnose(ctx context.Context, replicas int) []doctor.Finding {
	findings := []doctor.Finding{s.encryption()}
	seen, err := s.look(ctx)
	if err != nil {
		return append(findings, doctor.Of("database", err.Error(), false, doctor.Fail,
			"The database cannot be asked. See that it runs, that its address, user, password and database are "+
				"right, and that the user may read there."))
	}
	seen.replicas = max(seen.replicas, replicas, 1)
	schema := s.schemaFinding(ctx)
	findings = append(findings, doctor.Good("database", "answers"), schema)
	if schema.Level == doctor.OK {
		findings = append(findings, doctor.Write(s.TryWrite(ctx),
			"No payment is taken as long as this is so. Give the user SELECT, INSERT, UPDATE and DELETE on all tables of the "+
				"database, name the server that takes writes, or make room on its disk."))
	}
	for _, check := range []func(server) []doctor.Finding{
		versions, durability, writable, isolation, sessions, clock, s.connections, engines, group, galera,
	} {
		findings = append(findings, check(seen)...)
	}
	return findings
}

func (s *Payments) schemaFinding(ctx context.Context) doctor.Finding {
	status, err := s.SchemaStatus(ctx)
	if err != nil {
		return doctor.Of("schema", err.Error(), false, doctor.Fail, "The schema's version cannot be read.")
	}
	return status.Finding()
}

// encryption judges how the server is reached, which the URL says.
func (s *Payments) encryption() doctor.Finding {
	host, _, err := net.SplitHostPort(s.config.Addr)
	ip := net.ParseIP(host)
	switch local := host == "localhost" || ip.IsLoopback(); {
	case err == nil && local:
		return doctor.Good("tls", "the database is on this machine")
	case s.config.TLSConfig == "true":
		return doctor.Good("tls", "on, and the server's certificate is checked")
	case s.config.TLSConfig == "":
		return doctor.Of("tls", "off, and "+host+" is not this machine", false, doctor.Warn,
			"Put ?tls=true into PAYMENTD_DATABASE: without it whoever is on the way reads and changes payments.")
	}
	return doctor.Of("tls", s.config.TLSConfig, false, doctor.Warn,
		"Put ?tls=true into PAYMENTD_DATABASE: otherwise nobody checks that this is your server.")
}

// look asks the server.
func (s *Payments) look(ctx context.Context) (seen server, err error) {
	err = s.once(ctx, ctx, func(ctx context.Context, conn *sql.Conn) error {
		seen = server{variables: make(map[string]string), session: make(map[string]string)}
		for _, ask := range []func(context.Context, *sql.Conn) error{
			seen.askVariables, seen.askSession, seen.askClock, seen.askTables,
		} {
			if err := ask(ctx, conn); err != nil {
				return err
			}
		}
		return nil
	})
	if cause, ok := errors.AsType[*unconnectedError](err); ok {
		return seen, cause.error
	}
	return seen, err
}

// askVariables reads what is there of the variables that the checks are about. A name that the
// server does not know is no error in SHOW, as it would be after @@.
func (v *server) askVariables(ctx context.Context, conn *sql.Conn) error {
	for _, show := range []string{
		`SHOW GLOBAL VARIABLES WHERE Variable_name IN (
			'innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog', 'binlog_format',
			'innodb_flush_method', 'innodb_doublewrite', 'innodb_force_recovery',
			'transaction_isolation', 'tx_isolation', 'transaction_read_only', 'tx_read_only',
			'read_only', 'super_read_only', 'innodb_read_only', 'max_connections',
			'tidb_txn_mode', 'wsrep_on', 'wsrep_sync_wait', 'version', 'version_comment')
			OR Variable_name LIKE 'group_replication%'`,
		`SHOW GLOBAL STATUS WHERE Variable_name IN (
			'innodb_redo_log_enabled', 'wsrep_ready', 'wsrep_cluster_status')`,
	} {
		if err := pairs(ctx, conn, show, v.variables); err != nil {
			return fmt.Errorf("read the server's settings: %w", err)
		}
	}
	v.version = v.variables["version"]
	return nil
}

func (v *server) askSession(ctx context.Context, conn *sql.Conn) error {
	const show = `SHOW SESSION VARIABLES WHERE Variable_name IN (
		'innodb_lock_wait_timeout', 'time_zone', 'sql_mode', 'autocommit', 'wait_timeout')`
	if err := pairs(ctx, conn, show, v.session); err != nil {
		return fmt.Errorf("read the session's settings: %w", err)
	}
	return nil
}

// pairs adds the rows of a SHOW to the map.
func pairs(ctx context.Context, conn *sql.Conn, show string, into map[string]string) (err error) {
	rows, err := conn.QueryContext(ctx, show)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		into[strings.ToLower(name)] = value
	}
	return rows.Err()
}

// askClock compares the clocks: the database's is taken to be read in the middle of the way there
// and back.
func (v *server) askClock(ctx context.Context, conn *sql.Conn) error {
	var there time.Time
	asked := time.Now()
	if err := conn.QueryRowContext(ctx, "SELECT SYSDATE(6)").Scan(&there); err != nil {
		return fmt.Errorf("read the database's clock: %w", err)
	}
	v.roundTrip = time.Since(asked)
	v.ahead = there.Sub(asked.Add(v.roundTrip / 2))
	return nil
}

// askTables reads which of the tables are not InnoDB's, and how many replicas beat. There may be
// no tables yet.
func (v *server) askTables(ctx context.Context, conn *sql.Conn) (err error) {
	rows, err := conn.QueryContext(ctx, `SELECT table_name, COALESCE(engine, 'none')
		FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'`)
	if err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var table, engine string
		if err := rows.Scan(&table, &engine); err != nil {
			return fmt.Errorf("list the tables: %w", err)
		}
		if !strings.EqualFold(engine, "InnoDB") {
			v.otherEngines = append(v.otherEngines, table+" ("+engine+")")
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	alive, err := queries.New(conn).CountReplicas(ctx)
	if hasNumber(err, errNoSuchTable) {
		return nil
	}
	v.replicas = int(alive)
	return err
}

// on reports whether a switch of the server is on, which each of them writes in its own way.
func (v server) on(name string) bool {
	value := strings.ToUpper(v.variables[name])
	return value != "" && value != "0" && value != "OFF" && value != "NO"
}

func (v server) number(name string) int {
	n, _ := strconv.Atoi(v.variables[name])
	return n
}
