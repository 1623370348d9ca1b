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

// server is what the checks are about, read from the server once.
type server struct {
	// variables are from SHOW GLOBAL VARIABLES and STATUS, by their names in lower case. A variable that
	// the server does not have is missing.
	variables map[string]string
	// session has the session variables that the service sets, as its connections have them.
	session map[string]string
	version string
	// ahead is how far the database's clock is ahead of this machine's, ± half of roundTrip.
	ahead, roundTrip time.Duration
	replicas         int // with a heartbeat
	otherEngines     []string
	vtgate           vtgate
}

// Doctor checks the server, and the connection to it, for what the guarantees of the service depend
// on. replicas is how many are planned; the larger of it and the number of live replicas counts. It
// changes nothing: the write that it tries is rolled back.
func (s *Payments) Doctor(ctx context.Context, replicas int) []doctor.Finding {
	findings := []doctor.Finding{s.encryption()}
	seen, err := s.inspect(ctx)
	if err != nil {
		return append(findings, doctor.Of("database", err.Error(), false, doctor.Fail,
			"The database cannot be reached. Check that it runs, that its address, user, password and database are "+
				"right, and that the user may read there."))
	}
	seen.replicas = max(seen.replicas, replicas, 1)
	schema := s.schemaFinding(ctx)
	findings = append(findings, doctor.Good("database", "answers"), schema)
	if schema.Level == doctor.OK {
		findings = append(findings, doctor.Write(s.TryWrite(ctx),
			"No payment is taken until this is fixed. Give the user SELECT, INSERT, UPDATE and DELETE on all tables of the "+
				"database, name the server that takes writes, or free space on its disk."))
	}
	for _, check := range []func(server) []doctor.Finding{
		versions, vitess, tidb, durability, writable, isolation, sessions, clock, s.connections, engines, group, galera,
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

// encryption checks the TLS mode of the URL.
func (s *Payments) encryption() doctor.Finding {
	if s.config.Net == "unix" {
		return doctor.Good("tls", "the database is on this machine, behind a Unix socket")
	}
	host, _, err := net.SplitHostPort(s.config.Addr)
	ip := net.ParseIP(host)
	switch local := host == "localhost" || ip.IsLoopback(); {
	case err == nil && local:
		return doctor.Good("tls", "the database is on this machine")
	case s.config.TLSConfig == "true":
		return doctor.Good("tls", "on, and the server's certificate is checked")
	case s.config.TLSConfig == "":
		return doctor.Of("tls", "off, and "+host+" is not this machine", false, doctor.Warn,
			"Put ?tls=true into PAYMENTD_DATABASE: without TLS, payments can be read and changed on the network.")
	}
	return doctor.Of("tls", s.config.TLSConfig, false, doctor.Warn,
		"Put ?tls=true into PAYMENTD_DATABASE: this mode does not verify the server's certificate.")
}

// inspect reads the server.
func (s *Payments) inspect(ctx context.Context) (seen server, err error) {
	err = s.onConn(ctx, ctx, func(ctx context.Context, conn *sql.Conn) error {
		seen = server{variables: make(map[string]string), session: make(map[string]string)}
		for _, read := range []func(context.Context, *sql.Conn) error{
			seen.readVariables, seen.readSession, seen.readClock, seen.readTables,
		} {
			if err := read(ctx, conn); err != nil {
				return err
			}
		}
		return s.readVTGate(ctx, conn, &seen)
	})
	if cause, ok := errors.AsType[*noConnError](err); ok {
		return seen, cause.error
	}
	return seen, err
}

// readVariables reads the variables that the checks are about. SHOW, unlike @@, takes names that the
// server does not know.
func (v *server) readVariables(ctx context.Context, conn *sql.Conn) error {
	for _, show := range []string{
		`SHOW GLOBAL VARIABLES WHERE Variable_name IN (
			'innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog', 'binlog_format',
			'innodb_flush_method', 'innodb_doublewrite', 'innodb_force_recovery',
			'transaction_isolation', 'tx_isolation', 'transaction_read_only', 'tx_read_only',
			'read_only', 'super_read_only', 'innodb_read_only', 'max_connections',
			'tidb_txn_mode', 'tidb_replica_read', 'tidb_read_staleness', 'wsrep_on', 'wsrep_sync_wait', 'version', 'version_comment')
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

// readSession selects the variables, because VTGate answers SHOW from a connection of a tablet.
func (v *server) readSession(ctx context.Context, conn *sql.Conn) error {
	for _, name := range []string{"innodb_lock_wait_timeout", "time_zone", "sql_mode", "autocommit"} {
		var value string
		if err := conn.QueryRowContext(ctx, "SELECT @@SESSION."+name).Scan(&value); err != nil {
			return fmt.Errorf("read the session's %s: %w", name, err)
		}
		v.session[name] = value
	}
	return nil
}

// pairs adds the rows of a SHOW statement to the map.
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

// readClock compares the clocks. It assumes that the database's was read in the middle of the round
// trip.
func (v *server) readClock(ctx context.Context, conn *sql.Conn) error {
	var there time.Time
	asked := time.Now()
	if err := conn.QueryRowContext(ctx, "SELECT SYSDATE(6)").Scan(&there); err != nil {
		return fmt.Errorf("read the database's clock: %w", err)
	}
	v.roundTrip = time.Since(asked)
	v.ahead = there.Sub(asked.Add(v.roundTrip / 2))
	return nil
}

// readTables reads which tables are not InnoDB's, and how many replicas have a heartbeat. There may be
// no tables yet.
func (v *server) readTables(ctx context.Context, conn *sql.Conn) (err error) {
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

// on reports whether a boolean variable is on; its spelling differs between servers.
func (v server) on(name string) bool {
	value := strings.ToUpper(v.variables[name])
	return value != "" && value != "0" && value != "OFF" && value != "NO"
}

func (v server) number(name string) int {
	n, _ := strconv.Atoi(v.variables[name])
	return n
}
