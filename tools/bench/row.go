package main

import (
	"time"
)

// row is what a number of clients and a gateway's latency came to.
type row struct {
	Clients   int                `json:"clients"`
	GatewayMS float64            `json:"gateway_ms"`
	Ways      map[string]*result `json:"ways"`
	// Ratios are payments per second of ours to those of each other way, round by round.
	Ratios map[string]spread `json:"ratios"`
}

// result is what one way came to.
type result struct {
	PerSecond  spread `json:"payments_per_second"`
	Payments   int    `json:"payments"` // that were measured
	Errors     int    `json:"errors"`
	FirstError string `json:"first_error,omitempty"`
	answerTimes
	Cost cost `json:"cost"`
	// PeakBytes is the most memory of the service at once; of ours alone.
	PeakBytes float64 `json:"peak_bytes,omitempty"`

	perSecond []float64 // of each round
}

func newRow(clients int, latency time.Duration, taken map[string][]turn) row {
	r := row{
		Clients: clients, GatewayMS: float64(latency) / float64(time.Millisecond),
		Ways: make(map[string]*result), Ratios: make(map[string]spread),
	}
	for way, turns := range taken {
		r.Ways[way] = newResult(way, turns)
	}
	for way, other := range r.Ways {
		if mine := r.Ways[ours]; mine != nil && way != ours {
			r.Ratios[way] = ratios(mine.perSecond, other.perSecond)
		}
	}
	return r
}

func newResult(way string, turns []turn) *result {
	r := &result{}
	var used usage
	var took []time.Duration
	for _, t := range turns {
		r.perSecond = append(r.perSecond, t.perSecond())
		r.Payments += len(t.took)
		r.Errors += t.errors
		if t.err != nil && r.FirstError == "" {
			r.FirstError = t.err.Error()
		}
		if way != ours { // the service was idle
			t.from.allocated, t.to.allocated = 0, 0
			t.from.allocations, t.to.allocations = 0, 0
		} else {
			r.PeakBytes = max(r.PeakBytes, t.peak)
		}
		used.add(t.from, t.to, len(t.took))
		took = append(took, t.took...)
	}
	r.PerSecond = spreadOf(r.perSecond)
	r.answerTimes = answerTimesOf(took)
	r.Cost = used.each()
	return r
}
