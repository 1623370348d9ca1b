package mysqlstore

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"paymentd/internal/doctor"
)

// The checks of a server, in the order of docs/install.md. The meaning of a setting is from the
// manuals of MySQL ("InnoDB Startup Options and System Variables", "Binary Logging Options and
// Variables") and of MariaDB ("InnoDB System Variables").

var versionNumber = regexp.MustCompile(`^(\d+)\.(\d+)`)

// versions checks the server's kind and version.
func versions(v server) []doctor.Finding {
	const check = "version"
	number := versionNumber.FindStringSubmatch(strings.TrimPrefix(v.version, "5.5.5-")) // MariaDB's prefix in the replication protocol
	if number == nil {
		return one(doctor.Of(check, v.version, false, doctor.Warn,
			"This server is not known. Run the tests of docs/mysql.md, \"Another cluster\", on it first."))
	}
	major, _ := strconv.Atoi(number[1])
	minor, _ := strconv.Atoi(number[2])
	atLeast := func(m, n int) bool { return major > m || major == m && minor >= n }
	switch v.engine() {
	case engineTiDB:
		_, release, _ := strings.Cut(v.version, "TiDB-v")
		return one(doctor.Of(check, v.version, strings.HasPrefix(release, "8.4."), doctor.Warn,
			"TiDB 8.4 was tested, on one node: run `make test/tidb` with this version (tools/engines), and read "+
				"docs/scale.md."))
	case engineVitess:
		return one(doctor.Of(check, v.version+", "+v.vtgate.version, strings.HasPrefix(v.vtgate.version, "Version: 24."), doctor.Warn,
			"Vitess 24 was tested: run `make test/vitess` with this version (tools/engines), and read docs/scale.md."))
	case engineMariaDB:
		return one(checkVersion(v.version, atLeast(10, 11), atLeast(10, 6), "MariaDB 10.11"))
	case engineMySQL:
	}
	return one(checkVersion(v.version, atLeast(8, 4), atLeast(8, 0), "MySQL 8.4"))
}

func (v server) engine() engine { return engineOf(v.version + " " + v.variables["version_comment"]) }

// checkVersion fails servers without SKIP LOCKED (MySQL before 8.0, MariaDB before 10.6), by which
// workers of the queue avoid each other's rows.
func checkVersion(version string, tried, works bool, least string) doctor.Finding {
	if !works {
		return doctor.Of("version", version, false, doctor.Fail,
			"Use "+least+" or later: this version has no SKIP LOCKED, which the queue needs.")
	}
	return doctor.Of("version", version, tried, doctor.Warn,
		"Use "+least+" or later: older servers were not tested.")
}

// durability checks whether a commit survives a crash of the machine. A claim must be durable before
// the gateway is called: after a lost one, a repeated request charges the order again, with a new
// gateway key.
func durability(v server) (found []doctor.Finding) {
	if v.engine() == engineTiDB {
		return nil // it has these settings by name, for another engine
	}
	const lost = "a crash of the machine loses payments that are being charged, and they are charged again"
	flush := v.variables["innodb_flush_log_at_trx_commit"]
	found = append(found, doctor.Of("innodb_flush_log_at_trx_commit", flush,
		flush == "1" || flush == "3" && v.engine() == engineMariaDB, doctor.Fail,
		"Set it to 1: without it "+lost+"."))
	if v.on("log_bin") {
		sync := v.variables["sync_binlog"]
		found = append(found, doctor.Of("sync_binlog", sync, sync == "1", doctor.Fail,
			"Set it to 1: after a crash, transactions that are not in the binary log are rolled back, so that "+lost+"."))
		format := v.variables["binlog_format"]
		found = append(found, doctor.Of("binlog_format", format, !strings.EqualFold(format, "STATEMENT"), doctor.Fail,
			"Set it to ROW (or MIXED): the server refuses the service's READ COMMITTED transactions with STATEMENT."))
	} else {
		found = append(found, doctor.Of("log_bin", "OFF", false, doctor.Warn,
			"Enable the binary log (with sync_binlog=1) and store it apart from the data: with a backup alone, later "+
				"payments can only be found at the gateway. See docs/backup.md."))
	}
	if method := v.variables["innodb_flush_method"]; method != "" {
		found = append(found, flushMethod(method))
	}
	found = append(found, doublewrite(v.variables["innodb_doublewrite"]))
	if redo, known := v.variables["innodb_redo_log_enabled"]; known && !v.on("innodb_redo_log_enabled") {
		found = append(found, doctor.Of("innodb_redo_log_enabled", redo, false, doctor.Fail,
			"Run ALTER INSTANCE ENABLE INNODB REDO_LOG: without the log no commit survives a crash."))
	}
	return found
}

func flushMethod(method string) doctor.Finding {
	const check = "innodb_flush_method"
	switch strings.ToLower(method) {
	case "nosync", "littlesync":
		return doctor.Of(check, method, false, doctor.Fail,
			"Set it to fsync or O_DIRECT: this method does not wait for the disk, and is for benchmarks.")
	case "o_direct_no_fsync":
		return doctor.Of(check, method, false, doctor.Warn,
			"Set it to O_DIRECT, unless the disk's cache survives a loss of power.")
	}
	return doctor.Good(check, method)
}

func doublewrite(value string) doctor.Finding {
	const check = "innodb_doublewrite"
	switch strings.ToUpper(value) {
	case "OFF", "0", "DETECT_ONLY":
		return doctor.Of(check, value, false, doctor.Warn,
			"Set it to ON, unless the file system writes pages atomically: a loss of power during a page write leaves a "+
				"table that only a backup can restore.")
	}
	return doctor.Good(check, value)
}

// readOnlySwitches returns the names of the settings that make the server read-only.
func readOnlySwitches(v server) (held []string) {
	for _, name := range []string{
		"read_only", "super_read_only", "innodb_read_only", "transaction_read_only", "tx_read_only",
	} {
		if v.on(name) {
			held = append(held, name)
		}
	}
	if level := v.number("innodb_force_recovery"); level > 0 {
		held = append(held, "innodb_force_recovery="+strconv.Itoa(level))
	}
	return held
}

// writable checks whether the server takes writes.
func writable(v server) []doctor.Finding {
	held := readOnlySwitches(v)
	if held == nil {
		return one(doctor.Good("read_only", "OFF"))
	}
	return one(doctor.Of("read_only", strings.Join(held, ", ")+" on", false, doctor.Fail,
		"Name the server that takes writes in PAYMENTD_DATABASE, or switch that off: this server is a replica, a demoted "+
			"primary, or under repair."))
}

// isolation checks the default isolation level. The service sets its own for each transaction of more
// than one statement; the default applies to single reads.
func isolation(v server) []doctor.Finding {
	const check = "transaction_isolation"
	level := v.variables["transaction_isolation"]
	if level == "" {
		level = v.variables["tx_isolation"] // MariaDB before 11.1
	}
	switch strings.ToUpper(level) {
	case "READ-UNCOMMITTED":
		return one(doctor.Of(check, level, false, doctor.Fail,
			"Set it to READ-COMMITTED or REPEATABLE-READ: a client could get a success that is not committed yet."))
	case "SERIALIZABLE":
		return one(doctor.Of(check, level, false, doctor.Warn,
			"Set it to READ-COMMITTED or REPEATABLE-READ: this level was not tested, and Group Replication refuses it in part."))
	}
	return one(doctor.Good(check, level+"; the service sets READ COMMITTED where it matters"))
}

// sessions checks the session variables that the service sets on each connection. A proxy that shares
// connections may lose them.
func sessions(v server) []doctor.Finding {
	var lost []string
	if zone := v.session["time_zone"]; zone != "+00:00" && !strings.EqualFold(zone, "UTC") {
		lost = append(lost, "time_zone is "+zone)
	}
	if mode := v.session["sql_mode"]; !strings.Contains(mode, "STRICT_ALL_TABLES") {
		lost = append(lost, "sql_mode is "+mode)
	}
	if v.session["autocommit"] != "1" {
		lost = append(lost, "autocommit is off")
	}
	if wait, _ := strconv.Atoi(v.session["innodb_lock_wait_timeout"]); wait > maxLockWait {
		lost = append(lost, fmt.Sprintf("innodb_lock_wait_timeout is %d s", wait))
	}
	if lost == nil {
		return one(doctor.Good("session", "has what the service sets: time zone, sql_mode, autocommit, lock timeouts"))
	}
	return one(doctor.Of("session", strings.Join(lost, ", "), false, doctor.Fail,
		"Make the proxy keep session variables, or connect to the server without it: the service sets these for each "+
			"of its connections, and depends on them."))
}

// maxLockWait is in seconds. A lock wait must end before Options.Timeout, the limit of its statement.
const maxLockWait = 30

// maxAhead is how far apart the clocks may be: heartbeats and leases are some seconds long.
const maxAhead = time.Second

// clock checks how far apart the clocks are. The machine's decides nothing, but a failover to a server
// with another clock moves every lease.
func clock(v server) []doctor.Finding {
	apart := v.ahead.Abs()
	direction := "ahead of"
	if v.ahead < 0 {
		direction = "behind"
	}
	found := fmt.Sprintf("the database's is %v %s this machine's, ± %v",
		apart.Round(time.Millisecond), direction, (v.roundTrip / 2).Round(time.Millisecond/10))
	return one(doctor.Of("clock", found, apart <= maxAhead+v.roundTrip/2, doctor.Warn,
		"Synchronize both by NTP: times in the log and in the payments disagree, and after a failover to a server with "+
			"another clock leases end early (which is safe) or late (which delays takeovers)."))
}

// connections checks whether the server permits as many as all replicas together may open.
func (s *Payments) connections(v server) []doctor.Finding {
	const check, forPeople = "max_connections", 10
	limit, each := v.number(check), s.db.Stats().MaxOpenConnections
	all := v.replicas * each
	found := fmt.Sprintf("%d, and %d replicas with %d connections each may open %d", limit, v.replicas, each, all)
	if v.replicas == 1 {
		found = fmt.Sprintf("%d, and a replica may open %d", limit, all)
	}
	switch {
	case v.engine() == engineVitess:
		return nil // it is the limit of one shard's server, which tablets connect to, and not the service
	case limit == 0, 2*all+forPeople <= limit: // 0: not known
		return one(doctor.Good(check, found))
	case all+forPeople <= limit:
		return one(doctor.Of(check, found, false, doctor.Warn,
			fmt.Sprintf("Set it to %d or more, or PAYMENTD_DATABASE_CONNECTIONS lower: during a rolling upgrade there may be "+
				"twice as many replicas.", 2*all+forPeople)))
	}
	return one(doctor.Of(check, found, false, doctor.Fail,
		fmt.Sprintf("Set it to %d or more, or PAYMENTD_DATABASE_CONNECTIONS lower: under load the server refuses "+
			"connections, and requests are answered 503.", 2*all+forPeople)))
}

// engines checks whether every table is transactional.
func engines(v server) []doctor.Finding {
	if v.otherEngines == nil {
		return one(doctor.Good("engine", "InnoDB"))
	}
	return one(doctor.Of("engine", strings.Join(v.otherEngines, ", "), false, doctor.Fail,
		"Run ALTER TABLE … ENGINE=InnoDB: other engines have no row locks and no transactions."))
}

// one returns the findings of a check that has one.
func one(f doctor.Finding) []doctor.Finding { return []doctor.Finding{f} }
