package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/process"
)

// Keys of a reading: status variables of the database server, committed transactions that wrote (of
// InnoDB's metrics: Com_commit does not count a statement that is its own transaction), memory
// statistics of the service in bytes or objects, and processor seconds.
const (
	statements  = "Questions"
	flushes     = "Innodb_data_fsyncs"
	logBytes    = "Innodb_os_log_written"
	commits     = "trx_rw_commits"
	allocated   = "TotalAlloc"
	allocations = "Mallocs"
	stackBytes  = "StackInuse"
	cpuService  = "cpu service"
	cpuDatabase = "cpu database"
	cpuGateway  = "cpu gateway"
	cpuClients  = "cpu clients" // and bare, batched and textbook
	cpuAll      = "cpu all"
	cpuMachine  = "cpu machine" // of every process
)

// statementsOfReading is the number of statements by which a reading increases the counters.
const statementsOfReading = 2

// reading is what processes have used so far.
type reading struct {
	at     time.Time
	values map[string]float64
}

// read reads the meters of the system's processes and of the database server.
func (s *system) read(ctx context.Context) (r reading, err error) {
	r.values = make(map[string]float64)
	for key, pid := range map[string]int{
		cpuService: s.replica.PID(), cpuDatabase: s.serverPID, cpuGateway: s.gateway.PID(), cpuClients: os.Getpid(),
	} {
		if p, err := process.NewProcess(int32(pid)); pid != 0 && err == nil { //nolint:gosec // a process id
			if t, err := p.TimesWithContext(ctx); err == nil {
				r.values[key] = t.User + t.System
				r.values[cpuAll] += r.values[key]
			}
		}
	}
	if t, err := cpu.TimesWithContext(ctx, false); err == nil && len(t) > 0 {
		r.values[cpuMachine] = t[0].User + t[0].Nice + t[0].System
	}
	if err := s.readCounters(ctx, r.values); err != nil {
		return r, fmt.Errorf("read the counters of the database: %w", err)
	}
	if err := s.readMemory(ctx, r.values); err != nil {
		return r, fmt.Errorf("read the memory statistics: %w", err)
	}
	r.at = time.Now()
	return r, nil
}

func (h *harness) readCounters(ctx context.Context, into map[string]float64) error {
	names := strings.Join([]string{statements, flushes, logBytes}, "','")
	if err := scanPairs(ctx, h.db, "SHOW GLOBAL STATUS WHERE Variable_name IN ('"+names+"')", into); err != nil {
		return err
	}
	return scanPairs(ctx, h.db, "SELECT NAME, COUNT FROM information_schema.INNODB_METRICS WHERE NAME = '"+commits+"'", into)
}

func scanPairs(ctx context.Context, db *sql.DB, query string, into map[string]float64) error {
	rows, err := db.QueryContext(ctx, query)
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
		into[name] = value
	}
	return rows.Err()
}

func (s *system) readMemory(ctx context.Context, into map[string]float64) error {
	var found struct {
		Memstats struct{ TotalAlloc, Mallocs, StackInuse float64 }
	}
	text, err := get(ctx, s.debug+"/vars", "")
	if err == nil {
		err = json.Unmarshal([]byte(text), &found)
	}
	into[allocated], into[allocations], into[stackBytes] = found.Memstats.TotalAlloc, found.Memstats.Mallocs, found.Memstats.StackInuse
	return err
}

// watchMemory samples the resident memory of a process until the returned function is called, which
// returns the most bytes that were seen.
func watchMemory(ctx context.Context, pid int) (peak func() float64) {
	const every = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(ctx)
	most := make(chan float64, 1)
	go func() {
		bytes := 0.0
		for p, err := process.NewProcess(int32(pid)); err == nil; err = sleep(ctx, every) { //nolint:gosec // a process id
			if m, err := p.MemoryInfo(); err == nil {
				bytes = max(bytes, float64(m.RSS))
			}
		}
		most <- bytes
	}()
	return func() float64 {
		cancel()
		return <-most
	}
}

// usage is what was used in the slices: per payment, and per second with the key "… per second".
func usage(slices []slice) map[string]float64 {
	used, payments, seconds := make(map[string]float64), 0.0, 0.0
	for _, s := range slices {
		payments += float64(len(s.took))
		seconds += s.to.at.Sub(s.from.at).Seconds()
		for key, to := range s.to.values {
			used[key] += to - s.from.values[key]
		}
		used[statements] -= statementsOfReading
	}
	busy := used[cpuAll] / max(seconds, 1e-9)
	elsewhere := max(0, used[cpuMachine]/max(seconds, 1e-9)-busy)
	for key := range used {
		used[key] /= max(payments, 1)
	}
	used["busy"], used["elsewhere"] = busy, elsewhere
	return used
}
