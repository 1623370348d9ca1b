package httpapi

import (
	"cmp"
	"slices"
	"time"

	"paymentd/adapters/httpapi/internal/wire"
	"paymentd/core/payment"
	"paymentd/ports"
)

// moment is a line of a payment's timeline, at its time.
type moment struct {
	wire.Moment

	at time.Time
}

// The kinds that are derived. The others are those of the stored events.
const (
	kindCreated = wire.MomentKindCreated
	kindClaimed = wire.MomentKindClaimed
	kindAttempt = wire.MomentKindAttempt
	kindSettled = wire.MomentKindSettled
)

// timeline tells what happened to a payment, in order. The stored events tell what is out
// of the ordinary; the ordinary follows from the payment and its attempts: each round
// began with a claim, and unless an event says otherwise ended with a settlement.
func timeline(h ports.History) []wire.Moment {
	p := h.Payment
	moments := []moment{{at: p.CreatedAt, Moment: wire.Moment{Kind: kindCreated}}}
	for _, round := range rounds(begun(h)) {
		moments = append(moments, momentsOf(h, round)...)
	}
	for _, e := range h.Events {
		moments = append(moments, moment{at: e.At, Moment: wire.Moment{
			Kind: wire.MomentKind(e.Kind), Replica: e.Replica, Fence: e.Fence, Detail: e.Detail,
		}})
	}
	slices.SortStableFunc(moments, inOrder)
	lines := make([]wire.Moment, len(moments))
	for i, m := range moments {
		lines[i] = m.Moment
		lines[i].At = stamp(m.at)
	}
	return lines
}

// momentsOf tells of the attempts of one round, how it began and how it ended.
func momentsOf(h ports.History, round []payment.Attempt) []moment {
	var moments []moment
	first, last := round[0], round[len(round)-1]
	if !told(h.Events, first.Fence, payment.EventTakenOver) {
		moments = append(moments, moment{at: first.StartedAt, Moment: wire.Moment{
			Kind: kindClaimed, Replica: first.Replica, Fence: first.Fence,
		}})
	}
	for _, a := range round {
		moments = append(moments, moment{at: a.StartedAt, Moment: wire.Moment{
			Kind: kindAttempt, Replica: a.Replica, Fence: a.Fence,
			Attempt: a.Number, Class: wire.Class(a.Class), Detail: a.Message,
		}})
	}
	if settled(h, last) {
		moments = append(moments, moment{at: last.EndedAt, Moment: wire.Moment{
			Kind: kindSettled, Replica: last.Replica, Fence: last.Fence,
			State: wire.State(settledTo(h, last)),
		}})
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
	lost := told(h.Events, last.Fence+1, payment.EventTakenOver, payment.EventQuarantined)
	if holds || lost || last.EndedAt.IsZero() {
		return false
	}
	return definite(last.Class) ||
		!told(h.Events, last.Fence, payment.EventReconciled, payment.EventScheduled)
}

// settledTo returns the state that the round was settled to. Of earlier rounds it is kept
// only where the gateway's answer says it.
func settledTo(h ports.History, last payment.Attempt) payment.State {
	switch {
	case last.Class == payment.ClassApproved:
		return payment.StateSucceeded
	case last.Class == payment.ClassDeclined && !doubtful(h, last):
		return payment.StateDeclined
	case h.Payment.Fence == last.Fence:
		return h.Payment.State
	}
	return ""
}

// doubtful reports whether an attempt with the same key before this one may have taken the money: then
// its decline did not settle the payment.
func doubtful(h ports.History, last payment.Attempt) bool {
	return slices.ContainsFunc(h.Attempts, func(a payment.Attempt) bool {
		return a.Number < last.Number && a.GatewayKey == last.GatewayKey && a.Class.Unknown()
	})
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
	case kindCreated, kindClaimed, wire.MomentKindTakenOver:
		return 0
	case kindAttempt:
		return 1
	case kindSettled:
		return 2
	default:
		return 3
	}
}
