package bench

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// row has contenders that were measured against each other.
type row struct {
	clients int
	gateway string // protocol and latency
	results []*result
}

// result is what one contender did in all rounds of a row.
type result struct {
	contender string
	perSecond []float64 // of each round
	// ratio is the payments per second of the first contender of the row to those of this one, round
	// by round.
	ratio    spread
	p50, p99 float64 // in milliseconds; 0 if there are too few values
	errors   int
	err      error // the first one
	usage    reading
}

func newResult(c *contender, all []slice) *result {
	r := &result{contender: c.name, usage: usage(all)}
	var took []time.Duration
	for _, s := range all {
		r.perSecond = append(r.perSecond, float64(len(s.took))/s.seconds)
		r.errors += s.errors
		r.err = cmp.Or(r.err, s.err)
		took = append(took, s.took...)
	}
	r.p50, r.p99 = quantile(took, 0.5), quantile(took, 0.99)
	return r
}

// usageColumns are the columns of what a payment takes.
var usageColumns = []struct {
	title, key string
	decimals   int
}{
	{"commits", commits, 2},
	{"statements", statements, 2},
	{"flushes", flushes, 2},
	{"log B", logBytes, 0},
	{"allocs", allocations, 0},
	{"alloc B", allocBytes, 0},
	{"service µs", cpuService, 0},
	{"database µs", cpuDatabase, 0},
	{"gateway µs", cpuGateway, 0},
	{"clients µs", cpuClients, 0},
	{"all µs", cpuAll, 0},
}

// writeRows prints the results of rows, and then what a payment takes of each resource.
func writeRows(w io.Writer, title string, rows ...row) {
	const columns = "clients\tgateway\tcontender\t"
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	var used, errs strings.Builder
	for _, c := range usageColumns {
		used.WriteString(c.title + "\t")
	}
	_, _ = fmt.Fprintf(t, "\n%s\n\n%spayments/s\tratio\tp50 ms\tp99 ms\terrors\t\n", title, columns)
	for _, r := range rows {
		for _, x := range r.results {
			head := fmt.Sprintf("%d\t%s\t%s\t", r.clients, r.gateway, x.contender)
			_, _ = fmt.Fprintf(t, "%s%.0f\t%.2f (%.2f-%.2f)\t%s\t%s\t%d\t\n", head, median(x.perSecond),
				x.ratio.median, x.ratio.least, x.ratio.most, number(x.p50, 1), number(x.p99, 1), x.errors)
			used.WriteString("\n" + head)
			for _, c := range usageColumns {
				used.WriteString(number(x.usage[c.key], c.decimals) + "\t")
			}
			if x.err != nil {
				fmt.Fprintf(&errs, "%d clients, %s: the first error: %v\n", r.clients, x.contender, x.err)
			}
		}
	}
	_, _ = fmt.Fprintf(t, "\nPer payment, with the processor time of each process\n\n%s%s\n%s", columns, used.String(), errs.String())
	_ = t.Flush()
}

// figure is one measured value.
type figure struct {
	name  string
	value float64
	unit  string
}

func writeFigures(w io.Writer, title string, figures ...figure) {
	_, _ = fmt.Fprintf(w, "\n%s\n\n", title)
	for _, f := range figures {
		_, _ = fmt.Fprintf(w, "%s: %.1f %s\n", f.name, f.value, f.unit)
	}
}

// number prints zero, which stands for "not measured", as a dash.
func number(n float64, decimals int) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatFloat(n, 'f', decimals, 64)
}

// spread summarises several rounds.
type spread struct{ median, least, most float64 }

// ratios divides round by round, because the slices of one round ran under the same conditions.
func ratios(over, under []float64) spread {
	var each []float64
	for i, n := range over {
		if under[i] > 0 {
			each = append(each, n/under[i])
		}
	}
	if len(each) == 0 {
		return spread{}
	}
	return spread{median(each), slices.Min(each), slices.Max(each)}
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

// quantile returns the smallest duration that is not below the part q of them (the nearest rank), in
// milliseconds. It is 0 if less than one duration would lie above it.
func quantile(took []time.Duration, q float64) float64 {
	n := float64(len(took))
	if n*(1-q) < 1-1e-9 {
		return 0
	}
	rank := int(math.Ceil(n*q - 1e-9))
	return float64(slices.Sorted(slices.Values(took))[rank-1]) / float64(time.Millisecond)
}
