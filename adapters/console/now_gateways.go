package console

import (
	"fmt"
	"strings"
	"time"

	"paymentd/core"
)

// gatewayRow is a gateway on the first page.
type gatewayRow struct {
	GatewayStatus

	Breaks   string // the state of the breaker, for people
	Tone     string
	Lifetime string
	Lag      string
	Answered string
	Silence  string
}

// replicaRow is a replica on the first page.
type replicaRow struct {
	core.ReplicaStatus

	Says string
	Tone string
}

// silentAfter is how many calls in a row without an answer make a gateway suspicious.
const silentAfter = 3

func newGatewayRow(g GatewayStatus, now time.Time) gatewayRow {
	row := gatewayRow{GatewayStatus: g, Tone: "good", Breaks: "closed: attempts are made", Lifetime: "does not end", Lag: "none"}
	c := g.Capabilities
	if c.KeyLifetime > 0 {
		row.Lifetime = brief(c.KeyLifetime)
	}
	if !c.HonoursKeys() {
		row.Lifetime = "keys are not honoured"
	}
	switch {
	case !c.LooksUp:
		row.Lag = "cannot be asked"
	case c.LookupLag > 0:
		row.Lag = brief(c.LookupLag)
	}
	switch g.Breaker {
	case "open":
		row.Tone, row.Breaks = "bad", "open: no attempts, next one in "+brief(g.RetryIn)
	case "half_open":
		row.Tone, row.Breaks = "doubt", "half open: one attempt tests the gateway"
	}
	row.Answered = describeCall(g.Calls.Answered, now)
	if n := g.Calls.Silent; n > 0 {
		row.Silence = fmt.Sprintf("%d %s without an answer since, the latest %s", n, plural(n, "call"), describeCall(g.Calls.Unanswered, now))
		if n >= silentAfter && row.Tone == "good" {
			row.Tone = "doubt"
		}
	}
	return row
}

// describeCall says what a call to a gateway led to.
func describeCall(c core.Call, now time.Time) string {
	if c.At.IsZero() {
		return "none since the start"
	}
	what := "attempt"
	if c.Lookup {
		what = "lookup"
	}
	text := fmt.Sprintf("%s ago: %s, %s", brief(now.Sub(c.At)), what, strings.ReplaceAll(c.Result, "_", " "))
	if c.Message != "" {
		text += " (" + strings.ToValidUTF8(c.Message, "") + ")"
	}
	if c.Took < time.Millisecond {
		return text + ", took less than 1 ms"
	}
	return text + ", took " + brief(c.Took)
}

func newReplicaRow(r core.ReplicaStatus, timeout time.Duration) replicaRow {
	row := replicaRow{ReplicaStatus: r, Tone: "good", Says: brief(r.Age) + " ago"}
	switch {
	case r.Expired:
		row.Tone, row.Says = "bad", "lost "+brief(r.Age)+" ago; others take over its payments"
	case r.Self && r.Age < 0:
		row.Tone, row.Says = "doubt", "none stored yet"
	case r.Age > timeout:
		row.Tone, row.Says = "doubt", brief(r.Age)+" ago: late"
	}
	return row
}
