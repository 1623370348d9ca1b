package main

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMedian_MiddleOfSortedValues(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{7}, 7},
		{[]float64{3, 1}, 2},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 100, 2, 3}, 3.5},
	} {
		before := slices.Clone(c.values)
		require.Equal(t, c.want, median(c.values), "%v", c.values)
		require.Equal(t, before, c.values, "the input keeps its order")
	}
}

func TestSpread_MedianAndExtremes(t *testing.T) {
	t.Parallel()

	require.Zero(t, spreadOf(nil))
	require.Equal(t, spread{Median: 2, Min: 1, Max: 9}, spreadOf([]float64{9, 1, 2}))
}

func TestQuantile_NearestRank(t *testing.T) {
	t.Parallel()

	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	for _, c := range []struct {
		values []int
		q      float64
		want   int
		ok     bool
	}{
		{hundred, 0.5, 50, true},
		{hundred, 0.99, 99, true},
		{hundred[:99], 0.99, 0, false}, // no value would lie above it
		{hundred, 0.999, 0, false},
		{hundred[:2], 0.5, 1, true},
		{hundred[:3], 0.5, 2, true},
		{hundred[:1], 0.5, 0, false},
		{nil, 0.5, 0, false},
	} {
		got, ok := quantile(c.values, c.q)
		require.Equal(t, c.ok, ok, "%v of %d values", c.q, len(c.values))
		require.Equal(t, c.want, got, "%v of %d values", c.q, len(c.values))
	}
}

func TestLatencies_ZeroIfTooFewValues(t *testing.T) {
	t.Parallel()

	took := make([]time.Duration, 1000)
	for i := range took {
		took[len(took)-1-i] = time.Duration(i+1) * time.Millisecond
	}
	require.Equal(t, latencies{P50: 500, P99: 990, P999: 999}, latenciesOf(took))
	require.Equal(t, latencies{P50: 993}, latenciesOf(took[:15]))
	require.Zero(t, latenciesOf(nil))
}

// A round in which the machine was slow does not change a ratio.
func TestRatios_DivideRoundByRound(t *testing.T) {
	t.Parallel()

	require.Equal(t, spread{Median: 2, Min: 2, Max: 2}, ratios([]float64{200, 20, 400}, []float64{100, 10, 200}))
	require.Equal(t, spread{Median: 3, Min: 3, Max: 3}, ratios([]float64{3, 5}, []float64{1, 0}), "a division by zero is left out")
	require.Zero(t, ratios(nil, nil))
}

func TestUsage_PerPayment(t *testing.T) {
	t.Parallel()

	from := reading{at: time.Unix(100, 0), values: map[string]float64{
		statements: 10, commits: 5, allocated: 1000, cpuService: 1, cpuAll: 1, cpuMachine: 10,
	}}
	to := reading{at: time.Unix(102, 0), values: map[string]float64{
		statements: 52, commits: 25, allocated: 3000, cpuService: 3, cpuAll: 3, cpuMachine: 15,
	}}
	ten := slice{outcome: outcome{took: make([]time.Duration, 10)}, from: from, to: to}
	thirty := slice{outcome: outcome{took: make([]time.Duration, 30)}, from: from, to: to}

	require.Zero(t, usage(nil)["busy"])
	used := usage([]slice{ten})
	require.Equal(t, 4.0, used[statements], "without those of the reading itself")
	require.Equal(t, 2.0, used[commits])
	require.Equal(t, 200.0, used[allocated])
	require.Equal(t, 0.2, used[cpuService])
	require.Equal(t, 1.0, used["busy"])
	require.Equal(t, 1.5, used["elsewhere"])
	require.Equal(t, 1.0, usage([]slice{ten, thirty})[commits], "of 40 payments")
}
