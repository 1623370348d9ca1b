package bench

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Keys of a reading: status variables of the database server, committed transactions that wrote (of
// InnoDB's metrics: Com_commit does not count a statement that is its own transaction), metrics of the
// service, and processor microseconds of processes.
const (
	statements  = "Questions"
	flushes     = "Innodb_data_fsyncs"
	logBytes    = "Innodb_os_log_written"
	dirtyPages  = "Innodb_buffer_pool_pages_dirty"
	commits     = "trx_rw_commits"
	stackBytes  = "go_memstats_stack_inuse_bytes"
	goroutines  = "go_goroutines"
	allocations = "go_memstats_mallocs_total"     // of the service, with those for the scraped metrics
	allocBytes  = "go_memstats_alloc_bytes_total" // the same
	cpuService  = "cpu service"
	cpuDatabase = "cpu database"
	cpuGateway  = "cpu gateway"
	cpuClients  = "cpu clients" // and bare and textbook
	cpuAll      = "cpu all"
)

// statementsOfReading is the number of statements by which a reading increases the counters.
const statementsOfReading = 2

// reading is what processes have used so far.
type reading map[string]float64

// read reads the meters of the system's processes and of the database server.
func (s *system) read(t *testing.T) reading {
	t.Helper()
	r := make(reading)
	for key, pid := range map[string]int{
		cpuService: s.replica.PID(), cpuDatabase: s.serverPID, cpuGateway: s.gateway.PID(), cpuClients: os.Getpid(),
	} {
		r[key] = processorTime(pid)
		r[cpuAll] += r[key]
	}
	s.readCounters(t, r)
	for line := range strings.Lines(s.get(t.Context(), s.replica.URL+"/metrics").Raw) {
		var name string
		var value float64
		if _, err := fmt.Sscan(line, &name, &value); err == nil && strings.HasPrefix(name, "go_") {
			r[name] = value
		}
	}
	return r
}

// processorTime returns the microseconds that a process has used, or 0 if they are not known. Linux has
// the user and the system time as the 14th and 15th fields of /proc/pid/stat, in hundredths of a second
// (proc_pid_stat(5)).
func processorTime(pid int) float64 {
	const microseconds = 10_000
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, found := bytes.Cut(stat, []byte(") ")) // after the name, which may have spaces
	fields := strings.Fields(string(rest))
	var user, system float64
	if err != nil || !found || len(fields) < 13 {
		return 0
	}
	_, _ = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	return (user + system) * microseconds
}

// peakMemory returns the most resident bytes that a process has had (VmHWM of proc_pid_status(5)), or 0
// if they are not known.
func peakMemory(pid int) (most float64) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	_, _ = fmt.Sscan(rest, &most)
	return most * 1024
}

// readCounters reads the counters of the database server, with two statements.
func (h *harness) readCounters(t *testing.T, into reading) {
	t.Helper()
	for _, query := range []string{
		"SHOW GLOBAL STATUS WHERE Variable_name IN ('" + strings.Join([]string{statements, flushes, logBytes, dirtyPages}, "','") + "')",
		"SELECT NAME, COUNT FROM information_schema.INNODB_METRICS WHERE NAME = '" + commits + "'",
	} {
		h.scanPairs(t, query, into)
	}
}

// scanPairs reads rows of a name and a value.
func (h *harness) scanPairs(t *testing.T, query string, into reading) {
	t.Helper()
	rows, err := h.db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		var value float64
		require.NoError(t, rows.Scan(&name, &value))
		into[name] = value
	}
	require.NoError(t, rows.Err())
}

// usage is what a payment used in the slices.
func usage(slices []slice) reading {
	used, payments := make(reading), 0.0
	for _, s := range slices {
		payments += float64(len(s.took))
		for key, to := range s.to {
			used[key] += to - s.from[key]
		}
		used[statements] -= statementsOfReading
	}
	for key := range used {
		used[key] /= max(payments, 1)
	}
	return used
}
