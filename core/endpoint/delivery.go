package endpoint

import (
	"slices"
	"strings"
	"time"

	"paymentd/core/payment"
)

const (
	// GiveUpAfter is for how long one event is delivered again and again before it is given up, counted by the
	// intervals.
	GiveUpAfter = 72 * time.Hour
	// OrderedAttempts is up to how many attempts the later events of an order wait for one that the receiver refuses
	// (see [Answer.Served]). By the intervals, that is about 13 minutes. They wait for one that it does not serve.
	OrderedAttempts = 5
	// Retention is how long an event is kept after it was stored, delivered or not.
	Retention = 30 * 24 * time.Hour
	// MaxAnswerBytes is how much of an answer is kept.
	MaxAnswerBytes = 256
)

// intervals are the times between the attempts to deliver an event. The last one is repeated.
var intervals = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, MaxInterval,
}

// MaxInterval is the longest time between two attempts to deliver an event.
const MaxInterval = 6 * time.Hour

// Interval returns how long after a number of failed attempts the next one follows, and false if the event is given
// up. The last attempt is the first one that is [GiveUpAfter] later than the first, or more.
func Interval(attempts int) (next time.Duration, repeated bool) {
	var elapsed time.Duration
	for n := range max(1, attempts) {
		if elapsed >= GiveUpAfter {
			return 0, false
		}
		next = intervals[min(n, len(intervals)-1)]
		elapsed += next
	}
	return next, true
}

// Outcome is the result of the attempts to deliver an event.
type Outcome string

const (
	// OutcomeWaiting: the event is to be delivered.
	OutcomeWaiting Outcome = ""
	// OutcomeDelivered: the receiver has answered with a status of 200 to 299.
	OutcomeDelivered Outcome = "delivered"
	// OutcomeFailed: it was given up after [GiveUpAfter].
	OutcomeFailed Outcome = "failed"
)

// Ref names one event for one endpoint.
type Ref struct {
	Endpoint ID
	OrderID  payment.OrderID
	Sequence int64
}

// Delivery is an event for one endpoint, and what its latest attempt has led to. All times are of the database's
// clock.
type Delivery struct {
	Ref

	Event   payment.ChangeID
	Type    payment.ChangeType
	Payload []byte // JSON; nil in a list

	Outcome Outcome
	// Fence is the fencing token: it grows by one at each attempt.
	Fence    int64
	Attempts int       // begun, since the event was stored or last replayed
	DueAt    time.Time // of the next attempt; zero if none follows

	CreatedAt   time.Time
	AttemptedAt time.Time // the end of the latest attempt; zero if there was none
	// Answer is that of the latest attempt.
	Answer Answer
	// SeenAt is the database's clock when the delivery was read. It is not stored.
	SeenAt time.Time
}

// NewDelivery returns the delivery of a change to an endpoint; last is the sequence number of the change before it in the
// same order, or 0.
func NewDelivery(to ID, c payment.Change, last int64) Delivery {
	sequence := c.Sequence(last)
	return Delivery{
		Ref:   Ref{Endpoint: to, OrderID: c.Payment.OrderID, Sequence: sequence},
		Event: payment.NewChangeID(c.Payment.OrderID, sequence), Type: c.Type, Payload: c.Payload(sequence),
	}
}

// Answer is what a receiver has answered.
type Answer struct {
	Status  int    // of HTTP; 0 if there was no answer
	Body    string // the first bytes of the body, at most [MaxAnswerBytes], as printable text
	Problem string // why there was no answer; empty if there was one
}

// Accepted reports whether the receiver has accepted the event (Standard Webhooks, "Delivery success": a status of
// 200 to 299).
func (a Answer) Accepted() bool { return a.Status >= 200 && a.Status <= 299 }

// Served reports whether the receiver is in service: it has answered, and neither with a status of 500 or more nor
// with 429 (Too Many Requests).
func (a Answer) Served() bool { return a.Status != 0 && a.Status < 500 && a.Status != 429 }

// Sanitized returns the answer as it can be stored and printed: valid text, without control characters, and short.
func (a Answer) Sanitized() Answer {
	a.Body, a.Problem = printable(a.Body), printable(a.Problem)
	return a
}

func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == '\u007f' || r > '\uffff' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return strings.ToValidUTF8(text[:min(len(text), MaxAnswerBytes)], "")
}

// Completion records the end of an attempt, if no other replica has begun a later one.
type Completion struct {
	Ref

	Fence   int64
	Outcome Outcome
	DueIn   time.Duration // until the next attempt, if the event waits
	// HoldsOrder: the later events of the order wait for this one.
	HoldsOrder bool
	Answer     Answer
	// Type and Duration are those of the attempt, for the log.
	Type     payment.ChangeType
	Duration time.Duration
}

// Complete returns what an attempt with this answer leads to.
func (d Delivery) Complete(a Answer) Completion {
	c := Completion{Ref: d.Ref, Fence: d.Fence, Answer: a.Sanitized(), Type: d.Type, Outcome: OutcomeDelivered}
	if a.Accepted() {
		return c
	}
	c.Outcome = OutcomeFailed
	if next, repeated := Interval(d.Attempts); repeated {
		c.Outcome, c.DueIn, c.HoldsOrder = OutcomeWaiting, next, !c.Answer.Served() || d.Attempts < OrderedAttempts
	}
	return c
}

// Subscribers are the endpoints that receive events, as one read found them.
type Subscribers []Endpoint

// Of returns the ids of the endpoints that receive events of the type.
func (s Subscribers) Of(t payment.ChangeType) []ID {
	var ids []ID
	for _, e := range s {
		if e.State == StateActive && e.Events.Match(t) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// Deliveries returns what the changes of one order lead to, if last is the order's latest sequence number, or 0. It
// calls last only if a change has a subscriber.
func (s Subscribers) Deliveries(changes []payment.Change, last func() (int64, error)) ([]Delivery, error) {
	wanted := slices.ContainsFunc(changes, func(c payment.Change) bool { return len(s.Of(c.Type)) > 0 })
	if !wanted {
		return nil, nil
	}
	sequence, err := last()
	if err != nil {
		return nil, err
	}
	var deliveries []Delivery
	for _, c := range changes {
		ids := s.Of(c.Type)
		for _, id := range ids {
			deliveries = append(deliveries, NewDelivery(id, c, sequence))
		}
		if len(ids) > 0 {
			sequence = c.Sequence(sequence)
		}
	}
	return deliveries, nil
}
