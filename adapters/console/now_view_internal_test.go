package console

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

func outstandingGroup(state payment.State, currency string, inDoubt bool, minor int64, in, age time.Duration) ports.OutstandingGroup {
	return ports.OutstandingGroup{
		OutstandingKey: ports.OutstandingKey{State: state, Gateway: "https://bank.example", Currency: currency, InDoubt: inDoubt},
		Operations:     1, Minor: minor,
		NextOrder: payment.OrderID("next-" + state), NextIn: in, OldestOrder: payment.OrderID("old-" + state), Age: age,
	}
}

// watchedBank is a console with one gateway.
func watchedBank() Watched {
	return Watched{
		Traffic: NewTraffic(), HeartbeatTimeout: 5 * time.Second,
		Gateways: func() []GatewayStatus {
			return []GatewayStatus{{Name: "bank", Kind: "http", Breaker: "closed", Capabilities: payment.Capabilities{Gateway: "https://bank.example"}}}
		},
		Replicas: func() []core.ReplicaStatus { return nil },
	}
}

func TestNowView_MoneyAtRisk(t *testing.T) {
	t.Parallel()
	now := time.Now()
	closed := outstandingGroup("", "", false, 0, time.Hour, time.Hour)
	foreign := outstandingGroup(payment.StatePending, "EUR", true, 5_00, time.Hour, time.Minute)
	foreign.Gateway = "https://gone.example"
	v := newNowView(watchedBank(), sample{At: now, Outstanding: ports.Outstanding{Groups: []ports.OutstandingGroup{
		outstandingGroup(payment.StateUnresolved, "USD", true, 1_234_567_89, time.Minute, time.Hour),
		outstandingGroup(payment.StateScheduled, "USD", true, 11, time.Second, 2*time.Hour),
		outstandingGroup(payment.StateScheduled, "USD", false, 7_00, time.Second, 9*time.Hour),
		outstandingGroup(payment.StateProcessing, "JPY", true, 500, time.Second, time.Second),
		outstandingGroup(ports.Unreadable, "", true, 0, 0, 0),
		closed, foreign,
	}}}, now)

	require.Len(t, v.Risk, 3)
	usd, eur, jpy := v.Risk[0], v.Risk[1], v.Risk[2]
	require.Equal(t, "1\u202f234\u202f568.00 USD", usd.Sum, "what is not in doubt is not at risk")
	require.Equal(t, "bank", usd.Gateway)
	require.Equal(t, 2, usd.Count)
	require.Equal(t, "payments", usd.What)
	require.Equal(t, "1 unresolved, 1 waiting for a retry", usd.Detail)
	require.Equal(t, payment.OrderID("old-scheduled"), usd.Oldest)
	require.Equal(t, 2*time.Hour, usd.Age)
	require.Equal(t, "https://gone.example (not configured)", eur.Gateway)
	require.Equal(t, "500 JPY", jpy.Sum)
	require.Equal(t, "payment", jpy.What)
	require.Equal(t, "5.00 EUR, 500 JPY, 1\u202f234\u202f568.00 USD", v.Total)
}

// The first due comes first, and times go on after the sample.
func TestNowView_Next(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v := newNowView(watchedBank(), sample{At: now.Add(-5 * time.Second), Outstanding: ports.Outstanding{Groups: []ports.OutstandingGroup{
		outstandingGroup(payment.StateUnresolved, "USD", true, 1, 65*time.Second, time.Hour),
		outstandingGroup(payment.StateScheduled, "USD", false, 1, 2*time.Second, time.Hour),
		outstandingGroup(payment.StateScheduled, "EUR", false, 1, time.Hour, time.Hour),
		outstandingGroup(payment.StateProcessing, "USD", false, 1, 25*time.Second, time.Hour),
		outstandingGroup(payment.StatePending, "USD", true, 1, -time.Minute, time.Hour),
	}}}, now)
	type row struct {
		does, when string
		late       bool
		count      int
	}
	var got []row
	for _, r := range v.Next {
		require.NotEmpty(t, r.Why)
		got = append(got, row{r.Does, r.When, r.Late, r.Count})
	}
	require.Equal(t, []row{
		{"Look up", "due since 1 min 5 s", true, 1},
		{"Attempt", "now", false, 2},
		{"Finish", "in progress, lease ends in 20 s", false, 1},
		{"Look up", "in 1 min 0 s", false, 1},
	}, got)
}

func TestNowView_DatabaseAway(t *testing.T) {
	t.Parallel()
	now := time.Now()
	never := newNowView(watchedBank(), sample{Err: errors.New("away")}, now)
	require.False(t, never.Known)
	require.Contains(t, never.Stale, "is not known")
	require.Equal(t, "not known", never.Pace[3].Value, "an unknown sum is not shown as none")

	before := newNowView(watchedBank(), sample{Err: errors.New("away"), At: now.Add(-time.Minute)}, now)
	require.True(t, before.Known)
	require.Contains(t, before.Stale, "1 min 0 s ago")
}

func TestGatewayRow(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, g := range map[string]struct {
		GatewayStatus
		tone, breaks, lifetime, lag, answered, silence string
	}{
		"healthy": {
			GatewayStatus{Breaker: "closed", Capabilities: payment.Capabilities{
				Repeat: payment.RepeatFirstSuccess, KeyLifetime: 24 * time.Hour, LooksUp: true, LookupLag: time.Hour,
			}, Calls: core.GatewayCalls{Answered: core.Call{At: now.Add(-3 * time.Second), Took: 40 * time.Millisecond, Result: "approved"}}},
			"good", "closed: attempts are made", "1 d 0 h", "1 h 0 min", "3 s ago: attempt, approved, took 40 ms", "",
		},
		"open": {
			GatewayStatus{Breaker: "open", RetryIn: 700 * time.Millisecond, Capabilities: payment.Capabilities{LooksUp: true}},
			"bad", "open: no attempts, next one in 700 ms", "keys are not honoured", "none", "none since the start", "",
		},
		"silent": {
			GatewayStatus{Breaker: "closed", Calls: core.GatewayCalls{Silent: 4, Unanswered: core.Call{
				At: now.Add(-time.Minute), Took: 10 * time.Second, Lookup: true, Result: "no_answer", Message: "timeout",
			}}, Capabilities: payment.Capabilities{Repeat: payment.RepeatFirstSuccess}},
			"doubt", "closed: attempts are made", "does not end", "cannot be asked", "none since the start",
			"4 calls without an answer since, the latest 1 min 0 s ago: lookup, no answer (timeout), took 10 s",
		},
	} {
		row := newGatewayRow(g.GatewayStatus, now)
		require.Equal(t, g.tone, row.Tone, name)
		require.Equal(t, g.breaks, row.Breaks, name)
		require.Equal(t, g.lifetime, row.Lifetime, name)
		require.Equal(t, g.lag, row.Lag, name)
		require.Equal(t, g.answered, row.Answered, name)
		require.Equal(t, g.silence, row.Silence, name)
	}
}

func TestReplicaRow(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]core.ReplicaStatus{
		"good 2 s ago":          {Age: 2 * time.Second},
		"doubt 6 s ago: late":   {Age: 6 * time.Second},
		"doubt none stored yet": {Self: true, Age: -1},
		"bad lost 10 s ago; others take over its payments": {Expired: true, Age: 10 * time.Second},
	} {
		row := newReplicaRow(r, 5*time.Second)
		require.Equal(t, want, row.Tone+" "+row.Says)
	}
}
