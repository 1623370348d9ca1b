package httpapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// story is a repository with one payment, which is changed by the domain's own decisions on a clock
// of the test.
type story struct {
	t        *testing.T
	now      time.Time
	payment  payment.Payment
	attempts []payment.Attempt
	events   []payment.Event
}

const lease = 30 * time.Second

var rules = payment.KeyRules{
	Capabilities: payment.Capabilities{Gateway: "https://gateway.example", Repeat: payment.RepeatFirstSuccess, LooksUp: true, SavesDeclines: true},
	Late:         time.Minute, LookupFirst: time.Second, LookupMax: time.Minute,
}

var terms = payment.PickUpPolicy{Replica: "q", Lease: lease, Rules: rules}

func (s *story) write(d payment.Decision, err error) {
	s.t.Helper()
	require.NoError(s.t, err)
	require.True(s.t, d.Write)
	s.payment = d.Payment
	if d.PriorAttempt != nil {
		s.attempts = append(s.attempts, *d.PriorAttempt)
	}
	if d.Event != nil {
		s.events = append(s.events, *d.Event)
	}
}

func (s *story) wait(d time.Duration) { s.now = s.now.Add(d) }

func (s *story) ask(replica string, later bool) payment.ClaimRequest {
	return payment.ClaimRequest{
		OrderID: "o", Money: money(s.t, "1", "USD"), Deferred: later, Async: later,
		NewKey: payment.GatewayKey("key of " + replica), Replica: replica, Lease: lease, Rules: rules,
	}
}

// claim is a request to another replica.
func (s *story) claim()  { s.write(s.ask("b", false).Decide(s.payment, s.now), nil) }
func (s *story) pickUp() { s.write(terms.PickUp(s.payment, s.now), nil) }

// attempt completes an attempt of one second with this class.
func (s *story) attempt(class payment.Class) payment.AttemptEnd {
	s.wait(time.Second)
	return payment.AttemptEnd{Result: payment.Result{Class: class}, Took: time.Second}
}

// retry completes an attempt and begins the next after a backoff of two seconds.
func (s *story) retry(class payment.Class) {
	s.backOff(class)
	s.wait(2 * time.Second)
}

func (s *story) backOff(class payment.Class) {
	r := payment.Renewal{ClaimRef: s.payment.ClaimRef(), End: s.attempt(class), Next: true, Delay: 2 * time.Second, Lease: lease}
	s.write(r.Apply(s.payment, s.now))
}

func (s *story) settle(class payment.Class, state payment.State) {
	end := s.attempt(class)
	s.write(payment.Settlement{
		ClaimRef: s.payment.ClaimRef(), End: &end, Outcome: payment.Outcome{State: state, TransactionID: "txn-1", DueIn: time.Second},
	}.Apply(s.payment, s.now))
}

// conclude settles with more than the result of an attempt, and so with an event.
func (s *story) conclude(state payment.State, kind payment.EventKind) {
	s.write(payment.Settlement{
		ClaimRef: s.payment.ClaimRef(), Outcome: payment.Outcome{State: state, Reason: "why", DueIn: time.Second}, Event: kind,
	}.Apply(s.payment, s.now))
}

// lookUp records the answer to a lookup.
func (s *story) lookUp(found payment.LookupResult) {
	s.write(payment.LookupRecord{
		ClaimRef: s.payment.ClaimRef(), Key: s.payment.GatewayKey, Replica: "q", Rules: rules, Sent: payment.Instant{DB: s.now},
		Result: payment.Lookup{Result: found, TransactionID: "txn-1", Message: "no funds"},
	}.Apply(s.payment, s.now))
}

// askGateway records an attempt in doubt, and the answer to a lookup a second later.
func (s *story) askGateway() {
	r := payment.Renewal{ClaimRef: s.payment.ClaimRef(), End: s.attempt(payment.ClassUnknownAnswered), Lease: lease}
	s.write(r.Apply(s.payment, s.now))
	s.wait(time.Second)
}

// text returns the timeline of the API as text: "2s attempt a/1 #1 approved".
func (s *story) text() []string {
	s.t.Helper()
	s.payment.SeenAt = s.now
	attempts := s.attempts
	if !s.payment.Attempt.StartedAt.IsZero() {
		attempts = append(attempts, s.payment.Attempt)
	}
	return s.textOf(ports.History{Payment: s.payment, Attempts: attempts, Events: s.events})
}

// textOf returns the timeline of a history as text.
func (s *story) textOf(h ports.History) []string {
	s.t.Helper()
	got := serve(s.t, knowing(h)).get("/payments/o")
	require.Equal(s.t, 200, got.status)
	var body struct {
		Timeline []struct {
			At                                  time.Time
			Kind, Replica, Class, State, Detail string
			Fence                               int64
			Attempt                             int
			RefundID                            string `json:"refund_id"`
		}
	}
	require.NoError(s.t, json.Unmarshal([]byte(got.body), &body))
	var lines []string
	for _, m := range body.Timeline {
		line := fmt.Sprintf("%v %s %s", m.At.Sub(noon), m.RefundID, m.Kind)
		if m.Fence > 0 {
			line += fmt.Sprintf(" %s/%d", m.Replica, m.Fence)
		}
		if m.Attempt > 0 {
			line += fmt.Sprintf(" #%d", m.Attempt)
		}
		lines = append(lines, strings.Join(strings.Fields(line+" "+m.Class+" "+m.State+" "+m.Detail), " "))
	}
	return lines
}

// histories are payments and their timelines.
var histories = []struct {
	name  string
	tell  func(s *story)
	later bool // the first request was accepted for later
	want  []string
}{
	{
		name: "approved at once",
		tell: func(s *story) { s.settle(payment.ClassApproved, payment.StateSucceeded) },
		want: []string{"0s created", "0s claimed a/1", "0s attempt a/1 #1 approved", "1s settled a/1 succeeded"},
	},
	{
		name: "authorized at once",
		tell: func(s *story) { s.settle(payment.ClassAuthorized, payment.StateAuthorized) },
		want: []string{"0s created", "0s claimed a/1", "0s attempt a/1 #1 authorized", "1s settled a/1 authorized"},
	},
	{
		name: "authorized, and then expired",
		tell: func(s *story) {
			s.settle(payment.ClassAuthorized, payment.StateAuthorized)
			s.wait(time.Hour)
			s.lookUp(payment.FoundVoided)
		},
		want: []string{
			"0s created", "0s claimed a/1", "0s attempt a/1 #1 authorized", "1s settled a/1 authorized",
			"1h0m1s hold_ended q/2 voided: the authorization expired, or was voided outside the service",
		},
	},
	{
		name: "under way",
		tell: func(s *story) { s.wait(time.Second) },
		want: []string{"0s created", "0s claimed a/1", "0s attempt a/1 #1"},
	},
	{
		name: "in backoff",
		tell: func(s *story) { s.backOff(payment.ClassNotCharged) },
		want: []string{"0s created", "0s claimed a/1", "0s attempt a/1 #1 not_charged"},
	},
	{
		name: "second attempt under way",
		tell: func(s *story) { s.retry(payment.ClassNotCharged) },
		want: []string{"0s created", "0s claimed a/1", "0s attempt a/1 #1 not_charged", "3s attempt a/1 #2"},
	},
	{
		name: "exhausted, and asked again",
		tell: func(s *story) {
			s.retry(payment.ClassNotCharged)
			s.settle(payment.ClassNotCharged, payment.StateFailed)
			s.claim() // at the time of the settlement
			s.settle(payment.ClassNotCharged, payment.StateFailed)
		},
		want: []string{
			"0s created", "0s claimed a/1", "0s attempt a/1 #1 not_charged", "3s attempt a/1 #2 not_charged",
			"4s settled a/1", "4s claimed b/2", "4s attempt b/2 #3 not_charged", "5s settled b/2 failed",
		},
	},
	{
		name: "declined, refused, and asked again",
		tell: func(s *story) {
			s.settle(payment.ClassDeclined, payment.StateDeclined)
			s.wait(time.Second)
			other := s.ask("c", false)
			other.Money = money(s.t, "2", "USD")
			s.write(other.Decide(s.payment, s.now), nil)
			s.wait(time.Second)
			s.claim()
			s.settle(payment.ClassApproved, payment.StateSucceeded)
		},
		want: []string{
			"0s created", "0s claimed a/1", "0s attempt a/1 #1 declined", "1s settled a/1 declined",
			"2s refused c/1 requested 2.00 USD, but the order is for 1.00 USD",
			"3s claimed b/2", "3s attempt b/2 #2 approved", "4s settled b/2 succeeded",
		},
	},
	{
		name: "taken over during an attempt",
		tell: func(s *story) {
			s.wait(lease)
			s.claim()
			s.settle(payment.ClassApproved, payment.StateSucceeded)
		},
		want: []string{
			"0s created", "0s claimed a/1",
			"0s attempt a/1 #1 unknown_unanswered interrupted: its worker did not report a result",
			"30s taken_over b/2 the claim of a had expired", "30s attempt b/2 #2 approved", "31s settled b/2 succeeded",
		},
	},
	{
		name: "taken over in backoff",
		tell: func(s *story) {
			s.backOff(payment.ClassNotCharged)
			s.wait(2*time.Second + lease)
			s.pickUp()
		},
		want: []string{
			"0s created", "0s claimed a/1", "0s attempt a/1 #1 not_charged",
			"3s attempt a/1 #2 unknown_unanswered interrupted: its worker did not report a result",
			"33s taken_over q/2 the claim of a had expired", "33s attempt q/2 #3",
		},
	},
	{
		name: "taken over while the gateway was asked",
		tell: func(s *story) {
			s.askGateway()
			s.wait(lease)
			s.claim()
		},
		want: []string{
			"0s created", "0s claimed a/1", "0s attempt a/1 #1 unknown_answered",
			"32s taken_over b/2 the claim of a had expired", "32s attempt b/2 #2",
		},
	},
	{
		name: "exhausted in doubt, and the gateway knows",
		tell: func(s *story) {
			s.askGateway()
			s.conclude(payment.StateSucceeded, payment.EventReconciled)
		},
		want: []string{
			"0s created", "0s claimed a/1", "0s attempt a/1 #1 unknown_answered", "2s reconciled a/1 succeeded: why",
		},
	},
	{
		name: "unresolved, and reconciled",
		tell: func(s *story) {
			s.settle(payment.ClassUnknownUnanswered, payment.StateUnresolved)
			s.wait(time.Second)
			s.pickUp()
			s.lookUp(payment.FoundDeclined)
		},
		want: []string{
			"0s created", "0s claimed a/1", "0s attempt a/1 #1 unknown_unanswered", "1s settled a/1",
			"2s reconciled q/2 declined: no funds",
		},
	},
	{
		name: "declined after an unknown attempt, and asked again",
		tell: func(s *story) {
			s.retry(payment.ClassUnknownAnswered)
			s.settle(payment.ClassDeclined, payment.StateDeclined)
			s.wait(time.Second)
			s.claim()
		},
		want: []string{
			"0s created", "0s claimed a/1", "0s attempt a/1 #1 unknown_answered", "3s attempt a/1 #2 declined",
			"4s settled a/1", "5s claimed b/2", "5s attempt b/2 #3",
		},
	},
	{
		name: "unresolved",
		tell: func(s *story) { s.settle(payment.ClassUnknownUnanswered, payment.StateUnresolved) },
		want: []string{
			"0s created", "0s claimed a/1", "0s attempt a/1 #1 unknown_unanswered", "1s settled a/1 unresolved",
		},
	},
	{
		name: "resolved by a person",
		tell: func(s *story) {
			s.settle(payment.ClassUnknownUnanswered, payment.StateUnresolved)
			s.wait(time.Minute)
			s.write(payment.Resolution{
				By: "ada", Outcome: payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-1"},
			}.Apply(s.payment, s.now))
		},
		want: []string{
			"0s created", "0s claimed a/1", "0s attempt a/1 #1 unknown_unanswered", "1s settled a/1",
			"1m1s resolved ada/2 was unresolved; now succeeded: txn-1",
		},
	},
	{
		name:  "accepted for later",
		later: true,
		tell: func(s *story) {
			s.wait(time.Second)
			s.pickUp()
			s.settle(payment.ClassApproved, payment.StateSucceeded)
		},
		want: []string{"0s created", "1s claimed q/1", "1s attempt q/1 #1 approved", "2s settled q/1 succeeded"},
	},
	{
		name: "declined, then accepted for later",
		tell: func(s *story) {
			s.settle(payment.ClassDeclined, payment.StateDeclined)
			s.wait(time.Second)
			s.write(s.ask("b", true).Decide(s.payment, s.now), nil)
		},
		want: []string{
			"0s created", "0s claimed a/1", "0s attempt a/1 #1 declined", "1s settled a/1 declined",
			"2s scheduled b/1 accepted for later",
		},
	},
	{
		name: "a stop cut the backoff short",
		tell: func(s *story) {
			s.backOff(payment.ClassNotCharged)
			s.wait(time.Second)
			s.conclude(payment.StateScheduled, payment.EventScheduled)
			s.wait(time.Second)
			s.pickUp()
		},
		want: []string{
			"0s created", "0s claimed a/1", "0s attempt a/1 #1 not_charged", "2s scheduled a/1 scheduled: why",
			"3s claimed q/2", "3s attempt q/2 #2",
		},
	},
	{
		name: "taken over, and the first worker comes back with an approval",
		tell: func(s *story) {
			s.wait(lease)
			s.claim()
			s.wait(time.Second)
			s.write(payment.Approval{
				OrderID: "o", Key: "key-of-a", TransactionID: "txn-1", By: "a", Rules: rules,
			}.Apply(s.payment, s.now))
		},
		want: []string{
			"0s created", "0s claimed a/1",
			"0s attempt a/1 #1 unknown_unanswered interrupted: its worker did not report a result",
			"30s taken_over b/2 the claim of a had expired",
			"30s attempt b/2 #2 unknown_unanswered interrupted: its worker did not report a result",
			"31s evidence a/3 was processing; the gateway reported transaction txn-1 with gateway key key-of-a",
		},
	},
	{
		name: "set aside",
		tell: func(s *story) {
			s.payment.LostWorkers = payment.MaxLostWorkers
			s.wait(lease)
			s.pickUp()
		},
		want: []string{
			"0s created", "0s claimed a/1",
			"0s attempt a/1 #1 unknown_unanswered interrupted: its worker did not report a result",
			"30s set_aside q/2 quarantined: 6 workers in a row did not finish it",
		},
	},
}

func TestTimeline_Histories(t *testing.T) {
	t.Parallel()
	for _, test := range histories {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &story{t: t, now: noon}
			s.payment = s.ask("a", test.later).Open(s.now)
			test.tell(s)
			require.Equal(t, test.want, s.text())
		})
	}
}
