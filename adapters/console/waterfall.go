package console

import (
	"cmp"
	"math"
	"slices"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// waterfall is the history of a payment on one time axis.
type waterfall struct {
	Bars []bar
	From time.Time
	To   time.Time
	// Left is how many earlier bars are left out.
	Left int
}

// bar is one row: an attempt with the wait before it, or a moment.
type bar struct {
	At     time.Time
	What   string
	Who    string // the replica or the operator
	Detail string
	Tone   string
	Took   time.Duration
	// Running: the attempt has no result yet.
	Running bool

	end time.Time
	// wait is the end of the attempt before; zero if this one did not wait.
	wait time.Time
	// X and W are the place of the bar, and WaitX and WaitW that of the wait before it, in thousandths of the axis.
	X, W, WaitX, WaitW int
}

const (
	// axis is the length of the axis, and minWidth that of the shortest bar.
	axis, minWidth = 1000, 6
	// maxBars bounds the rows; the latest are shown.
	maxBars = 200
)

// waterfallOf returns the history of a payment, and of its operations, at now.
func waterfallOf(h ports.History, now time.Time) waterfall {
	bars := []bar{{At: h.Payment.CreatedAt, What: "requested", Detail: h.Payment.Money.String()}}
	bars = append(bars, barsOf(h, "", now)...)
	for _, o := range h.Operations {
		name := o.Payment.Operation.String() + ": "
		bars = append(bars, bar{At: o.Payment.CreatedAt, What: name + "requested", Detail: o.Payment.Money.String() + " " + o.Payment.Note})
		bars = append(bars, barsOf(o, name, now)...)
	}
	slices.SortStableFunc(bars, func(a, b bar) int { return a.At.Compare(b.At) })
	w := waterfall{Left: max(0, len(bars)-maxBars)}
	w.Bars = bars[w.Left:]
	w.place(now)
	return w
}

// barsOf returns the attempts and events of one operation, and what it does next.
func barsOf(h ports.History, name string, now time.Time) (bars []bar) {
	var before payment.Attempt
	for _, a := range h.Attempts {
		b := bar{
			At: a.StartedAt, What: name + attemptName(a), Who: a.Replica, Detail: a.Message, Tone: classTone(a.Class), end: a.EndedAt,
			Running: a.Class == "" && !a.StartedAt.After(now),
		}
		if !a.EndedAt.IsZero() {
			b.Took = a.EndedAt.Sub(a.StartedAt)
		}
		if b.Running {
			b.end = now
		}
		if a.Fence == before.Fence && before.EndedAt.Before(a.StartedAt) {
			b.wait = before.EndedAt
		}
		bars, before = append(bars, b), a
	}
	for _, e := range h.Events {
		bars = append(bars, bar{At: e.At, What: name + eventNames[e.Kind], Who: e.Replica, Detail: e.Detail, Tone: eventTone(e.Kind)})
	}
	if p := h.Payment; !p.DueAt.IsZero() && p.State != payment.StateProcessing && p.DueAt.After(now) {
		next := "next lookup"
		if p.State == payment.StateScheduled {
			next = "next attempt"
		}
		bars = append(bars, bar{At: p.DueAt, What: name + next, Detail: p.Reason, Tone: "busy", wait: p.UpdatedAt})
	}
	return bars
}

func attemptName(a payment.Attempt) string {
	return "attempt " + itoa(a.Number) + ": " + cmp.Or(classNames[a.Class], "no result yet")
}

// classNames are what is known after an attempt.
var classNames = map[payment.Class]string{
	payment.ClassApproved: "approved", payment.ClassAuthorized: "authorized", payment.ClassDeclined: "declined", payment.ClassRejected: "rejected as wrong",
	payment.ClassNotCharged: "provably moved nothing", payment.ClassUnknownAnswered: "answered, outcome unknown",
	payment.ClassUnknownUnanswered: "no answer, outcome unknown", payment.ClassPending: "pending at the gateway",
	payment.ClassKeyReused: "key was used with other parameters",
}

// eventNames are what happened.
var eventNames = map[payment.EventKind]string{
	payment.EventRefused: "a request with other values was refused", payment.EventTakenOver: "taken over",
	payment.EventScheduled: "scheduled", payment.EventQuarantined: "quarantined", payment.EventReconciled: "settled by a lookup",
	payment.EventResolved: "resolved by a person", payment.EventImported: "imported by a person",
	payment.EventExpedited: "a person asked to continue now", payment.EventEvidence: "approval found",
	payment.EventDouble: "double charge", payment.EventDoubleRefund: "double refund", payment.EventKeyClosed: "key closed",
	payment.EventUnsendable: "key may not be sent again", payment.EventFailedOver: "went to another gateway",
	payment.EventReturned: "the refunded money came back", payment.EventHoldEnded: "the hold ended", payment.EventArchived: "earlier history archived",
}

func classTone(c payment.Class) string {
	switch {
	case c == payment.ClassApproved, c == payment.ClassAuthorized:
		return "good"
	case c == "", c == payment.ClassPending:
		return "busy"
	case c.Unknown():
		return "doubt"
	}
	return "bad"
}

func eventTone(k payment.EventKind) string {
	switch k { //nolint:exhaustive // the others have no tone
	case payment.EventReconciled, payment.EventEvidence, payment.EventKeyClosed:
		return "good"
	case payment.EventDouble, payment.EventDoubleRefund, payment.EventReturned, payment.EventRefused:
		return "bad"
	case payment.EventTakenOver, payment.EventQuarantined, payment.EventUnsendable:
		return "doubt"
	}
	return ""
}

// place puts the bars on the axis. Long waits are shortened, so that attempts of milliseconds and lookups of hours
// are readable on one axis: the time between two moments counts by its logarithm.
func (w *waterfall) place(now time.Time) {
	var moments []time.Time
	for _, b := range w.Bars {
		for _, at := range []time.Time{b.At, b.end, b.wait} {
			if !at.IsZero() {
				moments = append(moments, at)
			}
		}
	}
	if w.Bars[0].At.Before(now) && w.Bars[len(w.Bars)-1].At.After(now) {
		moments = append(moments, now)
	}
	slices.SortFunc(moments, time.Time.Compare)
	moments = slices.CompactFunc(moments, time.Time.Equal)
	w.From, w.To = moments[0], moments[len(moments)-1]
	at := make([]float64, len(moments))
	for i := 1; i < len(moments); i++ {
		at[i] = at[i-1] + math.Log2(1+moments[i].Sub(moments[i-1]).Seconds()*100)
	}
	whole := max(at[len(at)-1], 1)
	x := func(t time.Time) int {
		i, _ := slices.BinarySearchFunc(moments, t, time.Time.Compare)
		return int(at[min(i, len(at)-1)] / whole * (axis - minWidth))
	}
	for i := range w.Bars {
		b := &w.Bars[i]
		b.X, b.W = x(b.At), minWidth
		if !b.end.IsZero() {
			b.W = max(minWidth, x(b.end)-b.X)
		}
		if !b.wait.IsZero() && b.wait.Before(b.At) {
			b.WaitX = x(b.wait)
			b.WaitW = b.X - b.WaitX
		}
	}
}
