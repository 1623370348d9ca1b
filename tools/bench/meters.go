package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// The processes whose time is measured.
const (
	service  = "service"
	database = "database"
	gateway  = "gateway"
	clients  = "bench" // which is the bare loops and the textbook service as well
)

var processes = []string{service, database, gateway, clients}

// counterNames are of the database server's status variables. Both makes have them.
var counterNames = []string{
	"Questions", "Innodb_data_fsyncs", "Innodb_os_log_written", "Bytes_received", "Bytes_sent",
}

// commitCounter is of InnoDB's metrics: transactions that wrote and were committed. (Com_commit
// does not count a statement that is its own transaction, Handler_commit counts reads.)
const commitCounter = "trx_rw_commits"

// statementsOfReading is how many statements a reading of the counters adds to them.
const statementsOfReading = 2

// meters tell what the processes have used so far.
type meters struct {
	db   *sql.DB
	pids map[string]int
	vars string // URL of the service's memory statistics
}

// reading is where the meters stood.
type reading struct {
	at          time.Time
	cpu         map[string]time.Duration
	machine     time.Duration // of all processes
	counters    map[string]float64
	allocated   float64 // bytes, in the life of the service
	allocations float64
}

// read reads all the meters.
func (m meters) read(ctx context.Context) (r reading, err error) {
	r.cpu = make(map[string]time.Duration)
	for name, pid := range m.pids {
		r.cpu[name] = cpuTime(pid)
	}
	r.machine = machineTime()
	if r.counters, err = m.counters(ctx); err != nil {
		return r, fmt.Errorf("read the database's counters: %w", err)
	}
	if r.allocated, r.allocations, err = allocations(ctx, m.vars); err != nil {
		return r, fmt.Errorf("read the memory statistics: %w", err)
	}
	r.at = time.Now()
	return r, nil
}

func (m meters) counters(ctx context.Context) (map[string]float64, error) {
	names := "'" + strings.Join(counterNames, "','") + "'"
	found := make(map[string]float64)
	for _, query := range []string{
		"SHOW GLOBAL STATUS WHERE Variable_name IN (" + names + ")",
		"SELECT NAME, COUNT FROM information_schema.INNODB_METRICS WHERE NAME = '" + commitCounter + "'",
	} {
		if err := m.addCounters(ctx, query, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (m meters) addCounters(ctx context.Context, query string, found map[string]float64) error {
	rows, err := m.db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		var value float64
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		found[name] = value
	}
	return rows.Err()
}

// allocations asks a paymentd for what it has allocated so far.
func allocations(ctx context.Context, url string) (bytes, count float64, err error) {
	var answer struct {
		Memstats struct{ TotalAlloc, Mallocs float64 } `json:"memstats"`
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, 0, err
	}
	return answer.Memstats.TotalAlloc, answer.Memstats.Mallocs, nil
}

// tick is the unit of times in /proc: USER_HZ, on every architecture that Go has.
const tick = time.Second / 100

// cpuTime returns what a process has used of the processors, itself and in the kernel, to a
// hundredth of a second; zero where there is no /proc (proc_pid_stat(5)).
func cpuTime(pid int) time.Duration {
	const utime, stime = 11, 12 // counted from the field after the name
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name may hold anything else
	fields := strings.Fields(rest)
	if len(fields) <= stime {
		return 0
	}
	user, err1 := strconv.ParseInt(fields[utime], 10, 64)
	kernel, err2 := strconv.ParseInt(fields[stime], 10, 64)
	if err1 != nil || err2 != nil {
		return 0
	}
	return time.Duration(user+kernel) * tick
}

// machineTime returns what all processes have used of the processors; zero where there is no
// /proc (proc_stat(5)).
func machineTime() time.Duration {
	const user, system = 1, 3 // and nice between them
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(first)
	if len(fields) <= system {
		return 0
	}
	var sum int64
	for _, field := range fields[user : system+1] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0
		}
		sum += n
	}
	return time.Duration(sum) * tick
}

// forgetPeak has the kernel measure a process's peak memory from now on (proc_pid_clear_refs(5)).
func forgetPeak(pid int) {
	// Where it cannot be forgotten the peak is that of the whole run, which is more, not less.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// peakMemory returns the most memory that a process had at once, in bytes; zero where there is
// no /proc (proc_pid_status(5), VmHWM).
func peakMemory(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			if err != nil {
				return 0
			}
			return kilobytes * 1024
		}
	}
	return 0
}
