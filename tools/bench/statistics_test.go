package main

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
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
		require.Equal(t, before, c.values, "the rounds stay in their order")
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()

	require.Zero(t, spreadOf(nil))
	require.Equal(t, spread{Median: 2, Min: 1, Max: 9}, spreadOf([]float64{9, 1, 2}))
}

// TestQuantile holds the nearest rank: the smallest value that the part does not exceed.
func TestQuantile(t *testing.T) {
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
		{hundred[:99], 0.99, 0, false}, // none would be above it
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

func TestAnswerTimes(t *testing.T) {
	t.Parallel()

	took := make([]time.Duration, 1000)
	for i := range took {
		took[len(took)-1-i] = time.Duration(i+1) * time.Millisecond
	}
	require.Equal(t, answerTimes{P50: 500, P99: 990, P999: 999}, answerTimesOf(took))
	require.Equal(t, answerTimes{P50: 993}, answerTimesOf(took[:15]))
	require.Zero(t, answerTimesOf(nil))
}

// TestRatiosAreOfOneRound holds that a round in which the machine was slow changes nothing.
func TestRatiosAreOfOneRound(t *testing.T) {
	t.Parallel()

	require.Equal(t, spread{Median: 2, Min: 2, Max: 2}, ratios([]float64{200, 20, 400}, []float64{100, 10, 200}))
	require.Equal(t, spread{Median: 3, Min: 3, Max: 3}, ratios([]float64{3, 5}, []float64{1, 0}), "nothing to divide by")
	require.Zero(t, ratios(nil, nil))
}

func TestUsage(t *testing.T) {
	t.Parallel()

	from := reading{
		at: time.Unix(100, 0), cpu: map[string]time.Duration{service: time.Second},
		counters: map[string]float64{"Questions": 10, commitCounter: 5}, allocated: 1000, allocations: 10,
	}
	to := reading{
		at: time.Unix(102, 0), cpu: map[string]time.Duration{service: 3 * time.Second},
		counters: map[string]float64{"Questions": 52, commitCounter: 25}, allocated: 3000, allocations: 50,
	}
	var u usage
	require.Zero(t, u.each().Busy)
	u.add(from, to, 10)
	c := u.each()
	require.Equal(t, 4.0, c.Statements, "without those of the reading itself")
	require.Equal(t, 2.0, c.Commits)
	require.Equal(t, 200.0, c.AllocatedBytes)
	require.Equal(t, 4.0, c.Allocations)
	require.Equal(t, 200_000.0, c.CPU[service])
	require.Equal(t, 1.0, c.Busy)
	u.add(from, to, 30)
	require.Equal(t, 1.0, u.each().Commits, "of 40 payments")
}
