package httpapi

import (
	"cmp"
	"slices"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// moment is a line of a payment's timeline.
type moment struct {
	At      string        `json:"at"`
	Kind    string        `json:"kind"`
	Replica string        `json:"replica,omitempty"` // or the person, with "resolved"
	Fence   int64         `json:"fence,omitempty"`
	Attempt int           `json:"attempt,omitempty"`
	Class   payment.Class `json:"class,omitempty"` // with "attempt", once it has ended
	State   payment.State `json:"state,omitempty"` // with "settled", where it is known
	Detail  string        `json:"detail,omitempty"`

	at time.Time
}

// The kinds that are derived. The others are those of the stored events.
const (
	kindCreated = "created"
	kindClaimed = "claimed"
	kindAttempt = "attempt"
	kindSettled = "settled"
)

// timeline tells what happened to a payment, in order. The stored events tell what is out
// of the ordinary; the ordinary follows from the payment and its attempts: each round
// began with a claim, and unless an event says otherwise ended with a settlement.
func timeline(h ports.History) []moment {
	p := h.Payment
	moments := []moment{{Kind: kindCreated, at: p.CreatedAt}}
	for _, round := range rounds(begun(h)) {
		first, last := round[0], round[len(round)-1]
		if !told(h.Events, first.Fence, payment.EventTakenOver) {
			moments = append(moments, moment{
				Kind: kindClaimed, at: first.StartedAt, Replica: first.Replica, Fence: first.Fence,
			})
		}
		for _, a := range round {
			moments = append(moments, moment{
				Kind: kindAttempt, at: a.StartedAt, Replica: a.Replica, Fence: a.Fence,
				Attempt: a.Number, Class: a.Class, Detail: a.Message,
			})
		}
		if settled(h, last) {
			moments = append(moments, moment{
				Kind: kindSettled, at: last.EndedAt, Replica: last.Replica, Fence: last.Fence,
				State: settledTo(p, last),
			})
		}
	}
	for _, e := range h.Events {
		moments = append(moments, moment{
			Kind: string(e.Kind), at: e.At, Replica: e.Replica, Fence: e.Fence, Detail: e.Detail,
		})
	}
	slices.SortStableFunc(moments, inOrder)
	for i := range moments {
		moments[i].At = stamp(moments[i].at)
	}
	return moments
}

// rounds cuts the attempts, which are in order, where the fencing number grows.
func rounds(attempts []payment.Attempt) [][]payment.Attempt {
	var cut [][]payment.Attempt
	for i, a := range attempts {
		if i == 0 || a.Fence != attempts[i-1].Fence {
			cut = append(cut, nil)
		}
		cut[len(cut)-1] = append(cut[len(cut)-1], a)
	}
	return cut
}

// settled reports whether the round with this last attempt ended in a settlement of which
// no event tells.
func settled(h ports.History, last payment.Attempt) bool {
	holds := h.Payment.State == payment.StateProcessing && h.Payment.Fence == last.Fence
	lost := told(h.Events, last.Fence+1, payment.EventTakenOver, payment.EventSetAside)
	if holds || lost || last.EndedAt.IsZero() {
		return false
	}
	return definite(last.Class) ||
		!told(h.Events, last.Fence, payment.EventReconciled, payment.EventScheduled)
}

// settledTo returns the state that the round was settled to. Of earlier rounds it is kept
// only where the gateway's answer says it.
func settledTo(p payment.Payment, last payment.Attempt) payment.State {
	switch {
	case last.Class == payment.ClassApproved:
		return payment.StateSucceeded
	case last.Class == payment.ClassDeclined:
		return payment.StateDeclined
	case p.Fence == last.Fence:
		return p.State
	}
	return ""
}

func definite(c payment.Class) bool {
	return c == payment.ClassApproved || c == payment.ClassDeclined
}

func told(events []payment.Event, fence int64, kinds ...payment.EventKind) bool {
	return slices.ContainsFunc(events, func(e payment.Event) bool {
		return e.Fence == fence && slices.Contains(kinds, e.Kind)
	})
}

// inOrder sorts by time. What happened at one time is in the order of the rounds, and
// within one as a round goes.
func inOrder(a, b moment) int {
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.Fence, b.Fence), cmp.Compare(a.step(), b.step()))
}

func (m moment) step() int {
	switch m.Kind {
	case kindCreated, kindClaimed, string(payment.EventTakenOver):
		return 0
	case kindAttempt:
		return 1
	case kindSettled:
		return 2
	}
	return 3
}
