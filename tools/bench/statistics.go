package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// spread summarises several rounds.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	return spread{Median: median(values), Min: slices.Min(values), Max: slices.Max(values)}
}

// median returns the middle value, or the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// quantile returns the smallest of the sorted values that is not below the part q of them (the nearest
// rank). It is false if less than one value would lie above the result.
func quantile[T cmp.Ordered](sorted []T, q float64) (value T, ok bool) {
	n := float64(len(sorted))
	if n*(1-q) < 1-1e-9 {
		return value, false
	}
	rank := max(1, int(math.Ceil(n*q-1e-9)))
	return sorted[rank-1], true
}

// latencies are quantiles in milliseconds, zero if there are too few values.
type latencies struct {
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p99_9_ms"`
}

func latenciesOf(took []time.Duration) latencies {
	sorted := slices.Sorted(slices.Values(took))
	milliseconds := func(q float64) float64 {
		t, _ := quantile(sorted, q)
		return float64(t) / float64(time.Millisecond)
	}
	return latencies{P50: milliseconds(0.5), P99: milliseconds(0.99), P999: milliseconds(0.999)}
}

// ratios divides round by round, because the slices of one round ran under the same conditions.
func ratios(over, under []float64) spread {
	var each []float64
	for i, n := range over {
		if i < len(under) && under[i] > 0 {
			each = append(each, n/under[i])
		}
	}
	return spreadOf(each)
}
