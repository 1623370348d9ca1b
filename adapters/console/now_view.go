package console

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// Watched is what the first page shows.
type Watched struct {
	// Work sums up what is outstanding, for all replicas.
	Work ports.OutstandingWork
	// Traffic is that of this process.
	Traffic *Traffic
	// Gateways returns the gateways of the service, and Replicas the replicas, as this process sees them.
	Gateways func() []GatewayStatus
	Replicas func() []core.ReplicaStatus
	// HeartbeatTimeout is the age of a heartbeat at which the claims of its replica are released.
	HeartbeatTimeout time.Duration
}

// GatewayStatus is a gateway as this process sees it.
type GatewayStatus struct {
	Name         string
	Kind         string
	Capabilities payment.Capabilities
	Breaker      string        // closed, open or half_open
	RetryIn      time.Duration // zero if an attempt can be made now
	InFlight     int           // attempts
	MaxInFlight  int
	Calls        core.GatewayCalls
}

// nowView is the first page.
type nowView struct {
	At      time.Time
	Live    bool // the page is updated while it is open
	Pace    []figure
	Charts  []chartView
	Risk    []riskRow
	Total   string // the money in doubt, by currency
	Next    []nextRow
	More    bool // there is more than was summed
	Stale   string
	Known   bool // what is outstanding could be read
	Gates   []gatewayRow
	Fleet   []replicaRow
	Replica string
}

// figure is a number with its name.
type figure struct {
	Name, Value, Note string
	Tone              string
}

// chartView is a chart with its legend, which has its numbers.
type chartView struct {
	ID, Title string
	Span      string // how far back it goes
	drawing
	Legend []legendItem
	Empty  bool
	Note   string
}

type legendItem struct{ Class, Name, Value string }

// riskRow is the money in doubt at one gateway, in one currency.
type riskRow struct {
	Gateway  string
	What     string // payments or refunds
	Sum      string // with the currency
	Count    int
	Detail   string // what the operations are doing
	Oldest   payment.OrderID
	Age      time.Duration
	ListPath string
}

// nextRow is what the service will do to one kind of outstanding work.
type nextRow struct {
	Does     string
	Why      string
	Count    int
	Order    payment.OrderID
	When     string
	Late     bool // it has been due for a while
	State    payment.State
	ListPath string
}

// newNowView describes what a sample and the memory of this process show.
func newNowView(w Watched, s sample, now time.Time) nowView {
	gateways := w.Gateways()
	v := nowView{At: now, More: s.More, Known: !s.At.IsZero()}
	switch {
	case s.Err != nil && s.At.IsZero():
		v.Stale = "The database did not answer, so that what is outstanding is not known."
	case s.Err != nil:
		v.Stale = "The database does not answer. What is outstanding is of " + brief(now.Sub(s.At)) + " ago."
	}
	elapsed := max(0, now.Sub(s.At)) // since the sample
	names := make(map[payment.GatewayID]string)
	for _, g := range gateways {
		names[g.Capabilities.Gateway] = g.Name
	}
	v.Risk = riskRows(s.Groups, names, elapsed)
	v.Total = totalInDoubt(s.Groups)
	v.Next = nextRows(s.Groups, elapsed)
	v.Pace, v.Charts = trafficViews(w.Traffic, v, now)
	for _, g := range gateways {
		v.Gates = append(v.Gates, newGatewayRow(g, now))
	}
	for _, r := range w.Replicas() {
		v.Fleet = append(v.Fleet, newReplicaRow(r, w.HeartbeatTimeout))
	}
	return v
}

// trafficViews returns the figures and the charts of this process's traffic.
func trafficViews(t *Traffic, v nowView, now time.Time) ([]figure, []chartView) {
	all, length := t.last(now, keptSeconds), chartPeriod
	if all == t.last(now, chartPeriods*int64(shortPeriod/time.Second)) {
		length = shortPeriod
	}
	periods := t.periods(now, chartPeriods, length)
	span := fmt.Sprintf("%d min", int((chartPeriods * length).Minutes()))
	recent := t.last(now, 10)
	paid := all.Outcomes[0] + all.Outcomes[1]
	share := "–"
	if settled := all.settled(); settled > 0 {
		share = fmt.Sprintf("%.1f %%", math.Floor(float64(paid)/float64(settled)*1000)/10)
	}
	figures := []figure{
		{Name: "Payments a second", Value: number(float64(recent.settled()) / 10), Note: "in the last 10 s"},
		{Name: "Succeeded", Value: share, Note: "in the last 15 min"},
		{Name: "95 % answered within", Value: durationOrDash(all.quantile(.95)), Note: "in the last 15 min"},
		riskFigure(v),
	}
	outcomeChart := chartView{
		ID: "outcomes", Title: "Outcomes", Span: span, drawing: drawOutcomes(periods, length), Empty: all.settled() == 0,
		Note: "No payment was made in the last 15 minutes.",
	}
	for i, n := range all.Outcomes {
		if n > 0 {
			outcomeChart.Legend = append(outcomeChart.Legend, legendItem{outcomeClass(i), string(outcomes[i]), strconv.FormatUint(uint64(n), 10)})
		}
	}
	latencyChart := chartView{
		ID: "latency", Title: "Time to answer", Span: span, drawing: drawLatency(periods), Empty: all.requests() == 0,
		Note: "No request to pay was answered in the last 15 minutes.",
		Legend: []legendItem{
			{"line-median", "half within", durationOrDash(all.quantile(.5))},
			{"line-high", "95 % within", durationOrDash(all.quantile(.95))},
		},
	}
	return figures, []chartView{outcomeChart, latencyChart}
}

func durationOrDash(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return brief(d)
}

func riskFigure(v nowView) figure {
	f := figure{Name: "Money in doubt", Value: v.Total, Note: "of all replicas"}
	switch {
	case !v.Known:
		f.Value, f.Note, f.Tone = "not known", "the database does not answer", "bad"
	case len(v.Risk) > 0:
		f.Tone = "doubt"
		if v.More {
			f.Note = "or more, of all replicas"
		}
	}
	return f
}

// totalInDoubt returns the sums in doubt by currency.
func totalInDoubt(groups []ports.OutstandingGroup) string {
	sums := make(map[string]int64)
	var currencies []string
	for _, g := range groups {
		if !atRisk(g) {
			continue
		}
		if _, known := sums[g.Currency]; !known {
			currencies = append(currencies, g.Currency)
		}
		sums[g.Currency] = ports.AddMinor(sums[g.Currency], g.Minor)
	}
	if len(currencies) == 0 {
		return "none"
	}
	slices.Sort(currencies)
	texts := make([]string, 0, len(currencies))
	for _, c := range currencies {
		texts = append(texts, amount(sums[c], c))
	}
	return strings.Join(texts, ", ")
}

// atRisk reports whether the group's money may have moved without proof.
func atRisk(g ports.OutstandingGroup) bool {
	return g.InDoubt && g.State != ports.Unreadable && g.Currency != ""
}

// amount formats minor units of a currency, with thousands apart.
func amount(minor int64, currency string) string {
	m, err := payment.StoredMoney("", 1, currency)
	if err != nil {
		return fmt.Sprintf("%d minor units of %s", minor, currency)
	}
	whole, decimals, _ := strings.Cut(m.Currency().Decimal(minor), ".")
	var grouped strings.Builder
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			grouped.WriteRune('\u202f') // a narrow space that does not break
		}
		grouped.WriteRune(digit)
	}
	if decimals != "" {
		grouped.WriteString("." + decimals)
	}
	return grouped.String() + " " + currency
}

// riskRows returns the money in doubt, the largest age first.
func riskRows(groups []ports.OutstandingGroup, names map[payment.GatewayID]string, elapsed time.Duration) []riskRow {
	type place struct {
		gateway  payment.GatewayID
		currency string
		kind     payment.Kind
	}
	sums := make(map[place]ports.OutstandingGroup)
	details := make(map[place][]string)
	var places []place
	for _, g := range groups {
		if !atRisk(g) {
			continue
		}
		at := place{g.Gateway, g.Currency, g.Kind}
		details[at] = append(details[at], fmt.Sprintf("%d %s", g.Operations, doubtOf(g.State)))
		sum, known := sums[at]
		if !known {
			places, sum = append(places, at), g
		} else {
			sum.Merge(g)
		}
		sums[at] = sum
	}
	rows := make([]riskRow, 0, len(places))
	for _, at := range places {
		sum := sums[at]
		rows = append(rows, riskRow{
			Gateway: gatewayName(at.gateway, names), What: plural(sum.Operations, kindName(at.kind)),
			Sum: amount(sum.Minor, at.currency), Count: sum.Operations, Detail: strings.Join(details[at], ", "),
			Oldest: sum.OldestOrder, Age: sum.Age + elapsed,
			ListPath: listPath(url.Values{"gateway": {string(at.gateway)}}),
		})
	}
	slices.SortStableFunc(rows, func(a, b riskRow) int { return cmp.Compare(b.Age, a.Age) })
	return rows
}

// listPath returns the path of the list of what waits, with a filter.
func listPath(filter url.Values) string { return Root + "/waiting?" + filter.Encode() }

// gatewayName returns the name of a gateway in the settings.
func gatewayName(id payment.GatewayID, names map[payment.GatewayID]string) string {
	switch name, configured := names[id]; {
	case configured:
		return name
	case id == "":
		return "not chosen yet"
	}
	return string(id) + " (not configured)"
}

// doubtOf says what an operation in doubt is doing, in a state.
func doubtOf(s payment.State) string {
	switch s {
	case payment.StateProcessing:
		return "being retried or taken over"
	case payment.StateScheduled:
		return "waiting for a retry"
	default:
		return string(s)
	}
}

func kindName(k payment.Kind) string { return cmp.Or(string(k), "payment") }

func plural(n int, name string) string {
	if n == 1 {
		return name
	}
	return name + "s"
}

// promise is what the service does to outstanding work of a state.
type promise struct{ does, why string }

// promises are what the service does next, by state. The empty state is that of keys.
var promises = map[payment.State]promise{
	payment.StateScheduled:  {"Attempt", "It was accepted for later, or waits for a retry. The gateway key stays the same."},
	payment.StateProcessing: {"Finish", "A worker has it. If that worker is lost, another one takes over when its lease ends, with the same gateway key."},
	payment.StateUnresolved: {"Look up", "It is not known whether the money moved. The gateway is asked, at growing intervals, until that is proven; nothing is charged."},
	payment.StatePending:    {"Look up", "The gateway or the customer has not decided yet. The gateway is asked."},
	payment.StateAuthorized: {"Look up", "The gateway holds the money until it is captured, voided or expires."},
	"":                      {"Look up once more", "A first lookup found nothing under this gateway key. A second one proves that nothing was charged."},
}

// promiseText says what the service does next to a payment in a state; empty if the state is final.
func promiseText(s payment.State) string {
	p, known := promises[s]
	if !known || s == "" {
		return ""
	}
	return p.does + ": " + strings.ToLower(p.why[:1]) + p.why[1:]
}

// nextRows returns what the service does next, the first due first.
func nextRows(groups []ports.OutstandingGroup, elapsed time.Duration) []nextRow {
	type work struct {
		kind  payment.Kind
		state payment.State
	}
	sums := make(map[work]ports.OutstandingGroup)
	for _, g := range groups {
		of := work{g.Kind, g.State}
		if sum, known := sums[of]; known {
			sum.Merge(g)
			sums[of] = sum
		} else {
			sums[of] = g
		}
	}
	type timed struct {
		nextRow
		in time.Duration
	}
	var rows []timed
	for of, sum := range sums {
		p, known := promises[of.state]
		if !known {
			p = promise{"Nothing", "The rows cannot be read. Repair them: the log names each."}
		}
		in := sum.NextIn - elapsed
		filter := url.Values{"state": {string(of.state)}}
		row := nextRow{
			Does: p.does, Why: p.why, Count: sum.Operations, Order: sum.NextOrder, State: of.state,
			When: whenDue(in), Late: in < -lateAfter,
		}
		if known && of.state != "" {
			row.ListPath = listPath(filter) // keys and rows that cannot be read are in no list
		}
		if of.state == payment.StateProcessing && in > 0 {
			row.When = "in progress, lease ends " + row.When
		}
		if of.kind != payment.KindCharge {
			row.Does += " (" + string(of.kind) + ")"
		}
		rows = append(rows, timed{row, in})
	}
	slices.SortFunc(rows, func(a, b timed) int { return cmp.Or(cmp.Compare(a.in, b.in), cmp.Compare(a.Does, b.Does)) })
	result := make([]nextRow, 0, len(rows))
	for _, r := range rows {
		result = append(result, r.nextRow)
	}
	return result
}

// lateAfter is how long due work may wait for a worker before the page says that it is late.
const lateAfter = 10 * time.Second

func whenDue(in time.Duration) string {
	switch {
	case in < -lateAfter:
		return "due since " + brief(-in)
	case in <= 0:
		return "now"
	}
	return "in " + brief(in)
}
