package bench

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

// maxRecovery is how long after its recovery a gateway is used again at the latest.
const maxRecovery = 10 * time.Second

// outage is what the clients and the gateways saw of an outage.
type outage struct {
	start         time.Time
	before, lasts time.Duration // the load before the outage, and the outage
	recoveryBegan atomic.Pointer[time.Time]
	recovery      time.Duration  // until the gateway is used again; -1 if it was not
	charges       map[string]int // by order

	mu      sync.Mutex
	answers []answer
}

// answer is what a client got. The code is 0 if there was no answer.
type answer struct {
	route, order string
	at           time.Time // at which the request was due
	took         time.Duration
	code         int
}

func (o *outage) add(a answer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers = append(o.answers, a)
}

// phase is a period of the run, in which the requests were due.
type phase struct{ from, to time.Duration }

// counts are the answers of a route in a phase.
type counts struct {
	ok, later, unavailable, failed int
	took                           []time.Duration
}

func (o *outage) count(route string, p phase) (c counts) {
	for _, a := range o.answers {
		if due := a.at.Sub(o.start); a.route != route || due < p.from || due >= p.to {
			continue
		}
		c.took = append(c.took, a.took)
		switch a.code {
		case http.StatusOK:
			c.ok++
		case http.StatusAccepted:
			c.later++
		case http.StatusServiceUnavailable:
			c.unavailable++
		default:
			c.failed++
		}
	}
	return c
}

// ends returns the time of the last request.
func (o *outage) ends() (last time.Duration) {
	for _, a := range o.answers {
		last = max(last, a.at.Sub(o.start))
	}
	return last
}

// report returns a table with a line for each second. Times are in milliseconds.
func (o *outage) report() string {
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	routes := []string{routeOutage, routeOther}
	for _, route := range routes {
		_, _ = fmt.Fprintf(w, "\t%s\t\t\t\t\t", route)
	}
	_, _ = fmt.Fprint(w, "\t\nsecond")
	for range routes {
		_, _ = fmt.Fprint(w, "\tok\tlater\t503\tfailed\tp50\tp99")
	}
	_, _ = fmt.Fprintln(w, "\t")
	for from := time.Duration(0); from <= o.ends(); from += time.Second {
		_, _ = fmt.Fprintf(w, "%.0f\t", from.Seconds())
		for _, route := range routes {
			c := o.count(route, phase{from, from + time.Second})
			_, _ = fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%.1f\t%.1f\t", c.ok, c.later, c.unavailable, c.failed, quantile(c.took, 0.5), quantile(c.took, 0.99))
		}
		if from >= o.before && from < o.before+o.lasts {
			_, _ = fmt.Fprint(w, " first refuses")
		}
		_, _ = fmt.Fprintln(w)
	}
	_ = w.Flush() // a buffer
	return text.String()
}

const (
	// usual is a p99 of the other route that is accepted even if that before the outage was lower.
	usual = 250 * time.Millisecond
	// busy is the p99 before the outage above which the machine is too busy to measure.
	busy = time.Second
)

// medianSecond returns the median of the 99th percentiles of the seconds of a phase, in milliseconds. A second in
// which another program slows the machine down does not change it.
func (o *outage) medianSecond(route string, p phase) float64 {
	var all []float64
	for from := p.from; from < p.to; from += time.Second {
		all = append(all, quantile(o.count(route, phase{from, from + time.Second}).took, 0.99))
	}
	return median(all)
}

// check returns which claims do not hold:
//
//   - Payments of the other route are all paid at once, as fast as before: in the median second of the outage, their
//     99th percentile is at most twice that of the median second before, or 250 ms.
//   - Payments of the route go on over its second gateway: all are paid at once, except those whose outcome at the first
//     gateway was unknown when it stopped answering, in the first second. Those may get 202.
//   - The first gateway is used again within ten seconds of its recovery.
//   - No order is charged twice, and every order that was answered with success is charged once.
//
// If the payments before the outage are slow, the machine is too busy for this, and that is the only violation.
func (o *outage) check() (violations []string) {
	fail := func(format string, values ...any) { violations = append(violations, fmt.Sprintf(format, values...)) }
	all := phase{0, o.ends() + 1}
	during := phase{o.before, o.before + o.lasts}
	before := o.medianSecond(routeOther, phase{0, o.before})
	if before > float64(busy.Milliseconds()) {
		return []string{fmt.Sprintf("nothing is measured, because the machine is too busy: the p99 is %.0f ms before the outage; "+
			"stop other programs, and run this again", before)}
	}
	other := o.count(routeOther, all)
	if n := other.later + other.unavailable + other.failed; n > 0 || other.ok == 0 {
		fail("the other route: %d payments were not paid at once, and %d were", n, other.ok)
	}
	if got := o.medianSecond(routeOther, during); got > max(2*before, float64(usual.Milliseconds())) {
		fail("the other route: the p99 is %.0f ms during the outage, and was %.0f ms before", got, before)
	}
	route := o.count(routeOutage, all)
	if n := route.unavailable + route.failed; n > 0 || route.ok == 0 {
		fail("the route of the outage: %d payments were refused or failed, and %d were paid", n, route.ok)
	}
	atOnset := o.count(routeOutage, phase{o.before - time.Second, o.before + time.Second})
	if n := route.later - atOnset.later; n > 0 {
		fail("the route of the outage: %d payments were not paid at once, which began after its first second", n)
	}
	if o.recovery < 0 || o.recovery > maxRecovery {
		fail("the first gateway was used again %v after its recovery, not within %v", o.recovery, maxRecovery)
	}
	for _, a := range o.answers {
		switch n := o.charges[a.order]; {
		case n > 1:
			fail("order %s was charged %d times", a.order, n)
		case n == 0 && a.code == http.StatusOK:
			fail("order %s succeeded and was not charged", a.order)
		}
	}
	return violations
}

// anOutage returns one in which every claim holds.
func anOutage() *outage {
	o := &outage{start: time.Now(), before: 2 * time.Second, lasts: 3 * time.Second, recovery: time.Second, charges: map[string]int{}}
	for i := range 7 * outageRate {
		a := answer{
			route: routeOutage, order: strconv.Itoa(i), at: o.start.Add(time.Duration(i) * time.Second / outageRate),
			took: 5 * time.Millisecond, code: http.StatusOK,
		}
		o.charges[a.order] = 1
		if i%2 == 1 {
			a.route = routeOther
		}
		o.add(a)
	}
	return o
}

func TestOutageCheck_BrokenClaimsFail(t *testing.T) {
	t.Parallel()
	at := func(o *outage, second int, route string) *answer {
		for i := second * outageRate; ; i++ {
			if o.answers[i].route == route {
				return &o.answers[i]
			}
		}
	}
	for want, change := range map[string]func(*outage){
		"":  func(*outage) {},
		" ": func(o *outage) { at(o, 2, routeOutage).code = http.StatusAccepted }, // in flight at the onset
		"the other route: 1 payments were not paid":              func(o *outage) { at(o, 3, routeOther).code = http.StatusAccepted },
		"the other route: the p99":                               func(o *outage) { slowDown(o.answers[2*outageRate:]) },
		"nothing is measured, because the machine is too busy":   func(o *outage) { slowDown(o.answers[:2*outageRate]) },
		"the route of the outage: 1 payments were refused":       func(o *outage) { at(o, 3, routeOutage).code = http.StatusServiceUnavailable },
		"the route of the outage: 1 payments were not paid":      func(o *outage) { at(o, 4, routeOutage).code = http.StatusAccepted },
		"used again 11s after":                                   func(o *outage) { o.recovery = 11 * time.Second },
		"used again -1ns after":                                  func(o *outage) { o.recovery = -1 },
		"order 7 was charged 2 times":                            func(o *outage) { o.charges["7"]++ },
		"order 7 succeeded and was not charged":                  func(o *outage) { o.charges["7"]-- },
		"the route of the outage: 1 payments were refused or fa": func(o *outage) { at(o, 0, routeOutage).code = 0 },
	} {
		o := anOutage()
		change(o)
		violations := o.check()
		if len(want) <= 1 {
			require.Empty(t, violations)
			continue
		}
		require.Len(t, violations, 1, want)
		require.Contains(t, violations[0], want)
	}
	require.Contains(t, anOutage().report(), "first refuses")
}

func slowDown(answers []answer) {
	for i := range answers {
		answers[i].took = 2 * time.Second
	}
}
