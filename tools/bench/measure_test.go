package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	memoryClients = 1000
	memoryLatency = time.Second
	memoryBursts  = 3
)

// TestMeasure prints what the flags ask for. It fails if a payment is missing or was charged twice.
//
//nolint:paralleltest // it measures
func TestMeasure(t *testing.T) {
	if len(given.measure) == 0 {
		t.Skip("-measure names nothing")
	}
	h := newHarness(t, given)
	h.describe(t)
	measures := map[string]func(*testing.T){
		"table": h.measureTable, "operations": h.measureOperations, "memory": h.measureMemory, "everything": h.measureEverything,
		"rows": h.measureRows, "console": h.measureConsole,
		"version": h.measureVersion,
	}
	for _, name := range h.measure {
		t.Run(name, measures[name])
	}
}

// describe prints what the figures depend on.
func (h *harness) describe(t *testing.T) {
	t.Helper()
	var parts []string
	for _, name := range []string{"innodb_flush_log_at_trx_commit", "innodb_doublewrite", "innodb_flush_method", "innodb_buffer_pool_size", "log_bin", "sync_binlog"} {
		parts = append(parts, "' "+name+"=', @@"+name)
	}
	var server string
	require.NoError(t, h.db.QueryRowContext(t.Context(), "SELECT CONCAT(VERSION(), ':', "+strings.Join(parts, ", ")+")").Scan(&server))
	with := "API keys, limits, metrics scraped every second, traces of 10 %"
	if !h.full {
		with = "its defaults"
	}
	fmt.Printf("%d processors, %s\nserver %s\npaymentd with %s\n%d rounds of %v, order ids %s\n"+
		"ratio: payments/s of the first contender to those of this one, median (least-most) of the rounds; -: not measured, or too few values\n",
		runtime.NumCPU(), runtime.Version(), server, strings.Join(append([]string{with}, h.set...), " "), h.options.rounds, h.slice, map[bool]string{true: "ascending", false: "random"}[h.ascending])
}

// measureTable measures the contenders with each protocol and latency of the gateway.
func (h *harness) measureTable(t *testing.T) {
	t.Helper()
	for i, protocol := range h.gateway {
		names := []string{bare, textbook}
		if i > 0 {
			names = names[:1]
		}
		var rows []row
		for _, latency := range h.latency {
			t.Run(fmt.Sprint(protocol, " ", latency), func(t *testing.T) {
				rows = append(rows, h.rowsOf(t, protocol, latency, names)...)
			})
		}
		writeRows(os.Stdout, "Gateway over "+protocolNames[protocol], rows...)
	}
}

func (h *harness) rowsOf(t *testing.T, protocol string, latency time.Duration, baselines []string) (rows []row) {
	t.Helper()
	name := strings.NewReplacer(".", "_").Replace(protocol + "_" + latency.String())
	s := h.start(t, setup{name: name, latency: latency, protocol: protocol, full: h.full})
	contenders := []*contender{s.service(paymentd)}
	for _, name := range baselines {
		contenders = append(contenders, s.baseline(t, name))
	}
	for _, clients := range h.clients {
		rows = append(rows, h.rounds(t, clients, s, contenders...))
	}
	s.audit(t, 0, contenders...)
	return rows
}

// measureMemory measures a thousand payments at once at a gateway that takes a second, with each
// protocol.
func (h *harness) measureMemory(t *testing.T) {
	t.Helper()
	for _, protocol := range h.gateway {
		t.Run(protocol, func(t *testing.T) {
			s := h.start(t, setup{name: "memory_" + protocol, latency: memoryLatency, protocol: protocol, full: h.full})
			s.measureBursts(t)
		})
	}
}

func (s *system) measureBursts(t *testing.T) {
	t.Helper()
	c, idle := s.service(paymentd), s.read(t)
	var took []float64
	var waiting reading
	for range memoryBursts {
		seconds := make(chan float64)
		go func() { seconds <- c.burst(t.Context(), memoryClients) }()
		require.NoError(t, sleep(t.Context(), memoryLatency*3/4)) // all payments are at the gateway
		waiting = s.read(t)
		took = append(took, <-seconds)
	}
	s.audit(t, 0, c)
	each := func(key string) float64 { return (waiting[key] - idle[key]) / memoryClients }
	writeFigures(os.Stdout, fmt.Sprintf("%d payments at once at a gateway that takes %v, over %s", memoryClients, memoryLatency, protocolNames[s.protocol]),
		figure{"peak resident memory (target: under 120 MB)", peakMemory(s.replica.PID()) / 1e6, "MB"},
		figure{"stacks per waiting payment", each(stackBytes), "B"},
		figure{"goroutines per waiting payment, with that of its client's connection", each(goroutines), ""},
		figure{"time until all are paid", median(took), "s"})
}

// measureVersion compares the service to another version of it, such as the one before a change.
func (h *harness) measureVersion(t *testing.T) {
	t.Helper()
	require.NotEmpty(t, h.other, "-measure=version needs -other, the binary of another version")
	this := h.start(t, setup{name: "this_version", full: h.full})
	other := h.start(t, setup{name: "other_version", full: h.full, binary: h.other})
	contenders := []*contender{this.service("this"), other.service("other")}
	var rows []row
	for _, clients := range h.clients {
		rows = append(rows, h.rounds(t, clients, this, contenders...))
	}
	this.audit(t, 0, contenders...)
	writeRows(os.Stdout, "This version, beside "+h.other, rows...)
}

// measureEverything compares a service with API keys, limits, scraped metrics and traces to one without.
func (h *harness) measureEverything(t *testing.T) {
	t.Helper()
	on, off := h.start(t, setup{name: "everything_on", full: true}), h.start(t, setup{name: "everything_off"})
	contenders := []*contender{on.service("on"), off.service("off")}
	before := h.traceBytes.Load()
	var rows []row
	for _, clients := range []int{64, 256} {
		rows = append(rows, h.rounds(t, clients, on, contenders...))
	}
	on.audit(t, 0, contenders...)
	writeRows(os.Stdout, "API keys, limits, metrics scraped every second and traces of 10 %: on, beside off", rows...)
	writeFigures(os.Stdout, "Of the service with everything on", figure{"traces", float64(h.traceBytes.Load() - before), "B"})
}
