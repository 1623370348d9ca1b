package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// spread is what came out of several rounds.
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

// median returns the middle value, or what lies between the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// quantile returns the smallest of the sorted values that at least the part q of them does not
// exceed (the nearest rank). It is false where so few values say nothing: less than one would
// lie above it.
func quantile[T cmp.Ordered](sorted []T, q float64) (value T, ok bool) {
	n := float64(len(sorted))
	if n*(1-q) < 1-1e-9 {
		return value, false
	}
	rank := max(1, int(math.Ceil(n*q-1e-9)))
	return sorted[rank-1], true
}

// answerTimes are quantiles in milliseconds; zero where there were too few answers to tell.
type answerTimes struct {
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p99_9_ms"`
}

func answerTimesOf(took []time.Duration) answerTimes {
	sorted := slices.Sorted(slices.Values(took))
	milliseconds := func(q float64) float64 {
		t, _ := quantile(sorted, q)
		return float64(t) / float64(time.Millisecond)
	}
	return answerTimes{P50: milliseconds(0.5), P99: milliseconds(0.99), P999: milliseconds(0.999)}
}

// ratios divides round by round: the slices of one round had the same machine.
func ratios(over, under []float64) spread {
	var each []float64
	for i, n := range over {
		if i < len(under) && under[i] > 0 {
			each = append(each, n/under[i])
		}
	}
	return spreadOf(each)
}
