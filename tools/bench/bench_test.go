package bench

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMeasureTable_AllContenders_AreConsistent runs a short benchmark with real processes.
func TestMeasureTable_AllContenders_AreConsistent(t *testing.T) {
	t.Parallel()
	o := defaults()
	o.rounds, o.slice, o.bufferPool = 1, time.Second, "64M"
	o.clients, o.latency = []int{4}, []time.Duration{0}
	h := newHarness(t, o)
	for protocol, want := range map[string][]string{https1: {paymentd, bare, textbook}, https2: {paymentd, bare}, plain: {paymentd, bare}} {
		rows := h.rowsOf(t, protocol, 0, want[1:])
		require.Len(t, rows, 1)
		for i, r := range rows[0].results {
			require.Equal(t, want[i], r.contender)
			require.NoError(t, r.err)
			for _, measured := range []float64{r.perSecond[0], r.p50, r.ratio.median, r.usage[commits], r.usage[statements], r.usage[cpuAll]} {
				require.Positive(t, measured, r.contender)
			}
		}
		require.InDelta(t, 2, rows[0].results[1].usage[commits], 1.5, "an INSERT and an UPDATE, each its own commit, beside those of the replicas")
		var text bytes.Buffer
		writeRows(&text, "title", rows...)
		require.Contains(t, text.String(), "payments/s")
	}
	s := h.start(t, setup{name: "operations", full: true})
	contenders := s.operations(t)
	for _, r := range h.rounds(t, 4, s, contenders...).results {
		require.NoError(t, r.err, r.contender)
		require.Positive(t, r.usage[statements], r.contender)
	}
	s.auditOperations(t, contenders)
}

func TestOptions_InvalidValueIsRefused(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"-clients=0", "-clients=5000", "-latency=1", "-measure=x", "-gateway=tcp", "-set=x"} {
		flags := flag.NewFlagSet("bench", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		o := defaults()
		o.define(flags)
		require.Error(t, flags.Parse([]string{arg}), arg)
	}
}

func TestAudit_InconsistentFiguresFail(t *testing.T) {
	t.Parallel()
	for says, a := range map[string]audit{
		"but 9 payments succeeded":  {paid: 10, succeeded: 9, charges: 10, charged: 10},
		"but 11 payments succeeded": {paid: 10, succeeded: 11, charges: 11, charged: 11},
		"charged twice":             {paid: 10, succeeded: 10, charges: 11, charged: 10},
		"9 charges in the ledger":   {paid: 10, succeeded: 10, charges: 9, charged: 9},
		"11 charges in the ledger":  {paid: 10, succeeded: 10, charges: 11, charged: 11},
		"success and 1 errors":      {paid: 8, errors: 1, succeeded: 10, charges: 10, charged: 10},
		"bare: 5 responses":         {contender: bare, paid: 5, succeeded: 4},
		"":                          {paid: 10, succeeded: 10, charges: 10, charged: 10},
		" ":                         {paid: 8, errors: 2, succeeded: 9, charges: 10, charged: 10}, // a client with an error may have paid
	} {
		a.isService = a.contender != bare
		if strings.TrimSpace(says) == "" {
			require.NoError(t, a.check())
			continue
		}
		require.ErrorContains(t, a.check(), says)
	}
}

// slowPayer takes 10 ms for each payment.
type slowPayer struct {
	fail  error // of the hundredth payment
	count atomic.Int64
}

func (p *slowPayer) pay(context.Context, int, string) error {
	time.Sleep(10 * time.Millisecond)
	if p.count.Add(1) == 100 {
		return p.fail
	}
	return nil
}

func (p *slowPayer) close() {}

func anOrder() string { return "order" }

func TestClosedLoop_CountsMeasuredTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &slowPayer{fail: errors.New("broken")}
		got := closedLoop(t.Context(), p, 3, anOrder, func() (from, to time.Time) {
			time.Sleep(105 * time.Millisecond)
			from = time.Now()
			time.Sleep(time.Second)
			return from, time.Now()
		})
		require.InDelta(t, 299, len(got.took), 1, "without the warm-up and the last payments")
		require.Equal(t, 10*time.Millisecond, got.took[0])
		require.InDelta(t, 1.0, got.seconds, 1e-9)
		require.InDelta(t, 331, got.paid, 1, "of the whole time")
		require.Equal(t, 1, got.errors)
		require.ErrorIs(t, got.err, p.fail)
	})
}

func TestBurst_PaysForEachClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got := burst(t.Context(), &slowPayer{}, 5, anOrder)
		require.Equal(t, 5, got.paid)
		require.InDelta(t, 0.01, got.seconds, 1e-9)
	})
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	require.Zero(t, median(nil))
	require.Equal(t, 2.0, median([]float64{3, 1}))
	require.Equal(t, 5.0, median([]float64{9, 1, 5}))
	var took []time.Duration
	for n := range 100 {
		took = append(took, time.Duration(100-n)*time.Millisecond)
	}
	require.Equal(t, 50.0, quantile(took, 0.5))
	require.Equal(t, 99.0, quantile(took, 0.99))
	require.Zero(t, quantile(took[:99], 0.99), "no value would lie above it")
	require.Zero(t, quantile(nil, 0.5))
	// A round in which the machine was slow does not change a ratio.
	require.Equal(t, spread{2, 2, 2}, ratios([]float64{200, 20, 400}, []float64{100, 10, 200}))
	require.Equal(t, spread{3, 3, 3}, ratios([]float64{3, 5}, []float64{1, 0}), "a division by zero is left out")
}

func TestUsage_PerPayment(t *testing.T) {
	t.Parallel()
	s := slice{
		outcome: outcome{took: make([]time.Duration, 10)},
		from:    reading{statements: 10, commits: 5, cpuService: 100}, to: reading{statements: 52, commits: 25, cpuService: 300},
	}
	require.Equal(t, reading{statements: 4, commits: 2, cpuService: 20}, usage([]slice{s, s}))
	require.Positive(t, peakMemory(os.Getpid()))
}
