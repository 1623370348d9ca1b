package payment_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// noticeKey is which key of the payment an event is about.
type noticeKey int

const (
	noticeCurrent    noticeKey = iota // the current one, without a record
	noticeLeft                        // an earlier one, with a record
	noticeUnrecorded                  // an earlier one, without a record; the attempts have it
)

// What an event leads to, for every combination of what decides it.
func TestNotice_Apply(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		for _, key := range []noticeKey{noticeCurrent, noticeLeft, noticeUnrecorded} {
			for _, closed := range []payment.Closure{"", payment.ClosedDeclined, payment.ClosedAbsent, payment.ClosedCharged} {
				if key == noticeUnrecorded && closed != "" {
					continue
				}
				for _, says := range []payment.LookupResult{
					payment.FoundApproved, payment.FoundAuthorized, payment.FoundDeclined, payment.FoundVoided, payment.FoundPending,
				} {
					c := noticeCase{state, key, closed, says}
					t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) { t.Parallel(); c.check(t) })
				}
			}
		}
	}
}

type noticeCase struct {
	state  payment.State
	key    noticeKey
	closed payment.Closure
	says   payment.LookupResult
}

func (c noticeCase) check(t *testing.T) {
	p, n := inState(t, c.state), payment.Notice{
		OrderID: "order-1", Key: "key-1", Gateway: rules().Gateway, Says: c.says, Rules: rules(), Worker: noon,
	}
	if c.key != noticeCurrent {
		n.Key, n.Sent = "key-0", c.key == noticeUnrecorded
	}
	if c.key == noticeLeft || c.closed != "" {
		p.Keys = []payment.Key{{Key: n.Key, Gateway: rules().Gateway, Closed: c.closed, ClosedAt: closedAt(c.closed)}}
	}
	if !p.DueAt.IsZero() {
		p.DueAt = noon.Add(time.Hour)
	}
	now := noon.Add(time.Minute)
	d, err := n.Apply(p, now)
	require.NoError(t, err)
	if c.known() {
		require.Equal(t, payment.VerdictReplay, d.Verdict)
		requireUnchanged(t, p, d)
		return
	}
	require.Equal(t, payment.VerdictWritten, d.Verdict)
	require.True(t, d.Write)
	require.Equal(t, p.State, d.Payment.State, "an event decides nothing")
	require.Equal(t, p.Fence, d.Payment.Fence)
	require.Equal(t, p.GatewayKey, d.Payment.GatewayKey)
	if c.key == noticeCurrent && (inDoubt(c.state) || c.state == payment.StateAuthorized) {
		require.Equal(t, now, d.Payment.DueAt)
		require.Equal(t, p.Keys, d.Payment.Keys)
	} else {
		require.Equal(t, p.DueAt, d.Payment.DueAt, "the claim goes on")
		require.Len(t, d.Keys, 1)
		k := d.Keys[0]
		require.Equal(t, n.Key, k.Key)
		require.Equal(t, rules().Gateway, k.Gateway)
		require.Equal(t, now, k.DueAt)
		require.Equal(t, c.closed, k.Closed)
		require.Equal(t, c.closed != "", !k.WatchUntil.IsZero(), "a closed key is looked up all the same")
	}
	again, err := n.Apply(d.Payment, now.Add(time.Second))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictReplay, again.Verdict, "a lookup is due already")
	requireUnchanged(t, d.Payment, again)
}

// known reports whether the event says nothing that the payment does not record.
func (c noticeCase) known() bool {
	current := c.key == noticeCurrent
	refused := c.says == payment.FoundDeclined || c.says == payment.FoundVoided
	switch {
	case current && c.state == payment.StateAuthorized:
		return c.says == payment.FoundAuthorized
	case c.closed == payment.ClosedCharged, current && c.state == payment.StateSucceeded:
		return true
	case refused && c.closed != "":
		return true
	}
	ended := c.state == payment.StateDeclined || c.state == payment.StateFailed || c.state == payment.StateVoided
	return refused && current && ended
}

func closedAt(c payment.Closure) time.Time {
	if c == "" {
		return time.Time{}
	}
	return noon
}

// A payment that was failed or declined in doubt is looked up even if an event agrees.
func TestNotice_AgreesWithADoubtfulFailure_IsLookedUp(t *testing.T) {
	t.Parallel()
	for _, state := range []payment.State{payment.StateDeclined, payment.StateFailed} {
		p := inState(t, state)
		p.Doubt = answered
		n := payment.Notice{OrderID: "order-1", Key: "key-1", Gateway: rules().Gateway, Says: payment.FoundDeclined, Rules: rules(), Worker: noon}
		d, err := n.Apply(p, noon.Add(time.Minute))
		require.NoError(t, err)
		require.Equal(t, payment.VerdictWritten, d.Verdict)
	}
}

// A key that the order never sent to the gateway may be another order's: its charge is not this order's.
func TestNotice_KeyThatWasNeverSent_IsNotLookedUp(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		p := inState(t, state)
		for name, n := range map[string]payment.Notice{
			"an unknown key":                   {Key: "other", Gateway: rules().Gateway},
			"the current key, another gateway": {Key: "key-1", Gateway: "https://other.example", Sent: true},
		} {
			n.OrderID, n.Says, n.Rules, n.Worker = "order-1", payment.FoundApproved, rules(), noon
			d, err := n.Apply(p, noon.Add(time.Minute))
			require.NoError(t, err)
			require.Equal(t, payment.VerdictUnknownKey, d.Verdict, "%s, %s", name, state)
			requireUnchanged(t, p, d)
		}
	}
}

// The lookups of a closed key go on for as long as after a person's resolution: the first ones may be lost.
func TestNotice_ClosedKey_IsWatched(t *testing.T) {
	t.Parallel()
	now := noon.Add(time.Minute)
	for _, until := range []time.Time{{}, now.Add(time.Second), now.Add(8 * 24 * time.Hour)} {
		p := inState(t, payment.StateSucceeded)
		p.Keys = []payment.Key{{Key: "key-0", Gateway: rules().Gateway, Closed: payment.ClosedAbsent, ClosedAt: noon, WatchUntil: until}}
		n := payment.Notice{OrderID: "order-1", Key: "key-0", Gateway: rules().Gateway, Says: payment.FoundApproved, Rules: rules(), Worker: noon}
		d, err := n.Apply(p, now)
		require.NoError(t, err)
		want := now.Add(7 * 24 * time.Hour)
		if until.After(want) {
			want = until
		}
		require.Equal(t, want, d.Keys[0].WatchUntil)
	}
}
