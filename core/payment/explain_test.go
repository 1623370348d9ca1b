package payment_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// explained is a payment at a moment, and what its explanation must contain.
type explained struct {
	payment  payment.Payment
	rules    payment.KeyRules
	attempts []payment.Attempt
	now      time.Time

	why, key, proven, doubt, next string // a part of one reason of the topic; no reason if doubt is empty
	nextAt                        time.Time
	doubtSince                    time.Time
	needsPerson                   bool
}

func TestExplain_ReasonsOfEachState(t *testing.T) {
	t.Parallel()
	with := func(change func(*payment.KeyRules)) payment.KeyRules {
		r := rules()
		change(&r)
		return r
	}
	inDoubt := func(state payment.State, d payment.Doubt) payment.Payment {
		p := inState(t, state)
		p.Doubt = d
		return p
	}
	soon, day := noon.Add(10*time.Second), noon.Add(24*time.Hour)
	failed, second := failedByLookup(t)
	backoff := renewed(t, claimedPayment(t), payment.ClassNotCharged, noon)
	pending := inState(t, payment.StatePending)
	immortal := inState(t, payment.StateFailed)
	immortal.KeyLifetime = 0
	held := heldPayment(t)
	held.HoldExpires = day
	_, captured := begun(t, held, captureID, "")
	moved := inState(t, payment.StateFailed)
	moved.Keys = []payment.Key{
		{Key: "key-0", Closed: payment.ClosedNotCharged, ClosedAt: noon}, {Key: "key-old", DueAt: noon.Add(time.Minute)},
	}
	for name, c := range map[string]explained{
		"succeeded": {
			payment: inState(t, payment.StateSucceeded), rules: rules(), now: soon,
			why: "answered from the record", key: "may have been sent first", proven: "txn-1", next: "the state is final",
		},
		"claimed": {
			payment: claimedPayment(t), rules: rules(), now: soon,
			why: "holds the claim with fencing token 1", key: "remembers keys for 24h", proven: "has no result yet",
			next: "records no result until the lease ends", nextAt: noon.Add(lease),
		},
		"in backoff": {
			payment: backoff, rules: rules(), now: noon,
			why: "holds the claim", key: "sent first", proven: "No earlier attempt", next: "Attempt 2 begins",
			nextAt: noon.Add(time.Second),
		},
		"lease expired": {
			payment: claimedPayment(t), rules: rules(), now: noon.Add(time.Hour),
			why: "older token is refused", key: "sent first", proven: "no result yet", next: "takes the claim over and sends the same key",
			nextAt: noon.Add(lease),
		},
		"scheduled and never sent": {
			payment: scheduledPayment(t), rules: rules(), now: soon,
			why: "has not been sent", key: "not sent yet", proven: "No attempt with the key is in doubt", next: "sends the same key", nextAt: noon,
		},
		"unresolved, and an attempt may still arrive": {
			payment: inDoubt(payment.StateUnresolved, unanswered), rules: rules(), now: soon,
			attempts: []payment.Attempt{
				{Number: 1, GatewayKey: "key-1", StartedAt: noon, Class: payment.ClassNotCharged},
				{Number: 2, GatewayKey: "key-1", StartedAt: noon.Add(time.Second), Class: payment.ClassUnknownUnanswered},
			},
			why: "No other key is sent until this one is closed", key: "not sent again", proven: "Nothing is proven",
			doubt: "may still arrive", next: "counts from this time on", nextAt: noon.Add(late), doubtSince: noon.Add(time.Second),
		},
		"unresolved, and a lookup counts": {
			payment: inDoubt(payment.StateUnresolved, answered), rules: rules(), now: noon.Add(time.Hour),
			why: "outcome is unknown", key: "not sent again", proven: "Nothing is proven",
			doubt: "without saying whether", next: "counts now", doubtSince: noon,
		},
		"unresolved, and the key is too old": {
			payment: inDoubt(payment.StateUnresolved, answered), rules: rules(), now: day.Add(-time.Minute),
			why: "the gateway may forget the key", key: "too old to be sent again", proven: "Nothing is proven",
			doubt: "in doubt since", next: "counts now", doubtSince: noon,
		},
		"unresolved, and the key is forgotten": {
			payment: inDoubt(payment.StateUnresolved, answered), rules: rules(), now: day,
			why: "may forget the key", key: "too old", proven: "Nothing is proven", doubt: "in doubt", next: "A person must",
			doubtSince: noon, needsPerson: true,
		},
		"unresolved at a gateway without lookups": {
			payment: inDoubt(payment.StateUnresolved, answered), now: soon,
			rules: with(func(r *payment.KeyRules) { r.LooksUp = false }),
			why:   "outcome is unknown", key: "not sent again", proven: "Nothing", doubt: "in doubt", next: "cannot be asked",
			doubtSince: noon, needsPerson: true,
		},
		"unresolved at a gateway without keys": {
			payment: inDoubt(payment.StateUnresolved, answered), now: soon,
			rules: with(func(r *payment.KeyRules) { r.Repeat = payment.RepeatCharges }),
			why:   "does not honour keys", key: "sent once only", proven: "Nothing", doubt: "in doubt", next: "next lookup is due",
			doubtSince: noon,
		},
		"unresolved at a gateway that is not configured": {
			payment: inDoubt(payment.StateUnresolved, answered), now: soon,
			rules: with(func(r *payment.KeyRules) { r.Gateway = "https://other.example" }),
			why:   "neither sent nor looked up", key: "sent first", proven: "Nothing", doubt: "in doubt",
			next: "gateway https://gateway.example is configured again", doubtSince: noon, needsPerson: true,
		},
		"pending": {
			payment: pending, rules: rules(), now: soon,
			why: "outcome is unknown", key: "sent first", proven: "Nothing", doubt: "named the charge as pending",
			next: "The gateway decides", nextAt: pending.DueAt, doubtSince: noon,
		},
		"authorized": {
			payment: held, rules: rules(), now: soon,
			why: "holds the money", key: "sent first", proven: "txn-1", next: "expire at this time", nextAt: day,
		},
		"authorized, and captured now": {
			payment: captured, rules: rules(), now: soon,
			why: "holds the money", key: "sent first", proven: "txn-1", next: "A capture is in progress",
		},
		"voided": {
			payment: inState(t, payment.StateVoided), rules: rules(), now: soon,
			why: "released", key: "sent first", proven: "No attempt", next: "the state is final",
		},
		"failed by one lookup": {
			payment: failed, rules: rules(), now: second.Add(-time.Second),
			why: "No other key is sent", key: "sent first", proven: "counts as the first of two", doubt: "without saying",
			next: "looked up again", nextAt: second, doubtSince: noon,
		},
		"failed, with earlier keys": {
			payment: moved, rules: rules(), now: soon,
			why: "provably moved no money", key: "sent first", proven: "The earlier key key-0 is closed", doubt: "The earlier key key-old is not closed",
			next: "sends the same key",
		},
		"declined": {
			payment: inState(t, payment.StateDeclined), rules: rules(), now: soon,
			why: "The gateway declined", key: "sent first", proven: "No attempt", next: "sends a new key",
		},
		"keys that never expire": {
			payment: immortal, rules: rules(), now: day,
			why: "provably moved no money", key: "remembers keys for ever", proven: "No attempt", next: "sends the same key",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.check(t)
		})
	}
}

func (c explained) check(t *testing.T) {
	t.Helper()
	e := c.payment.Explain(c.attempts, c.rules, at(c.now))
	for topic, want := range map[payment.Topic]string{
		payment.TopicWhy: c.why, payment.TopicKey: c.key, payment.TopicProven: c.proven, payment.TopicDoubt: c.doubt, payment.TopicNext: c.next,
	} {
		if topic == payment.TopicDoubt && want == "" {
			require.Empty(t, e.Of(topic))
			continue
		}
		var texts []string
		for _, r := range e.Of(topic) {
			texts = append(texts, r.Text)
		}
		require.Contains(t, strings.Join(texts, "\n"), want, "topic %s", topic)
	}
	if !c.nextAt.IsZero() {
		var moments []time.Time
		for _, r := range e.Of(payment.TopicNext) {
			moments = append(moments, r.At)
		}
		require.Contains(t, moments, c.nextAt)
	}
	require.Equal(t, c.doubtSince, e.DoubtSince)
	require.Equal(t, c.needsPerson, e.NeedsPerson)
	require.GreaterOrEqual(t, e.KeyAge, time.Duration(0))
}

// The age is the larger by the two clocks, as for the decision whether the key may be sent.
func TestExplain_KeyAgeIsTheLargerByBothClocks(t *testing.T) {
	t.Parallel()
	p := inState(t, payment.StateFailed)
	p.KeySent = payment.Instant{DB: noon, Worker: noon.Add(-time.Hour)}
	p.KeyLifetime = 24 * time.Hour
	e := p.Explain(nil, rules(), at(noon.Add(time.Minute)))
	require.Equal(t, time.Hour+time.Minute, e.KeyAge)
	require.Equal(t, 24*time.Hour, e.KeyLifetime)
}
