package httpapi

import (
	"cmp"
	"slices"
	"time"

	"paymentd/adapters/httpapi/internal/wire"
	"paymentd/core/payment"
	"paymentd/ports"
)

// moment is an entry of a payment's timeline, with its time.
type moment struct {
	wire.Moment

	at time.Time
}

// The derived kinds. All others are kinds of stored events.
const (
	kindCreated = wire.MomentKindCreated
	kindClaimed = wire.MomentKindClaimed
	kindAttempt = wire.MomentKindAttempt
	kindSettled = wire.MomentKindSettled
)

// timeline returns what happened to a payment and its other operations, in order. Only unusual steps are stored as events.
// The usual ones follow from the payment and its attempts: each round began with a claim, and ended
// with a settlement unless an event says otherwise.
func timeline(h ports.History) []wire.Moment {
	moments := momentsOfOperation(h)
	for _, o := range h.Operations {
		moments = append(moments, momentsOfOperation(o)...)
	}
	slices.SortStableFunc(moments, inOrder)
	lines := make([]wire.Moment, len(moments))
	for i, m := range moments {
		lines[i] = m.Moment
		lines[i].At = stamp(m.at)
	}
	return lines
}

// momentsOfOperation returns what happened to a payment or another operation, in no order.
func momentsOfOperation(h ports.History) []moment {
	moments := []moment{{at: h.Payment.CreatedAt, Moment: wire.Moment{Kind: kindCreated}}}
	for _, round := range rounds(begun(h)) {
		moments = append(moments, momentsOf(h, round)...)
	}
	for _, e := range h.Events {
		moments = append(moments, moment{at: e.At, Moment: wire.Moment{
			Kind: wire.MomentKind(e.Kind), Replica: e.Replica, Fence: e.Fence, Detail: e.Detail,
		}})
	}
	for i := range moments {
		moments[i].Operation = wire.OperationKind(h.Payment.Operation.Kind)
		moments[i].RefundID = h.Payment.Operation.Name
	}
	return moments
}

// momentsOf returns the claim, the attempts and the settlement of a round.
func momentsOf(h ports.History, round []payment.Attempt) []moment {
	var moments []moment
	first, last := round[0], round[len(round)-1]
	if !hasEvent(h.Events, first.Fence, payment.EventTakenOver) {
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

// rounds splits the attempts, which are sorted, by fencing token.
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

// settled reports whether the round with this last attempt ended with a settlement that has no
// event.
func settled(h ports.History, last payment.Attempt) bool {
	holds := h.Payment.State == payment.StateProcessing && h.Payment.Fence == last.Fence
	lost := hasEvent(h.Events, last.Fence+1, payment.EventTakenOver, payment.EventQuarantined)
	if holds || lost || last.EndedAt.IsZero() {
		return false
	}
	return definite(last.Class) ||
		!hasEvent(h.Events, last.Fence, payment.EventReconciled, payment.EventScheduled)
}

// settledTo returns the state that the round was settled to. For an earlier round it is known only
// if it follows from the gateway's answer.
func settledTo(h ports.History, last payment.Attempt) payment.State {
	switch {
	case last.Class == payment.ClassApproved:
		return payment.StateSucceeded
	case last.Class == payment.ClassAuthorized:
		return payment.StateAuthorized
	case last.Class == payment.ClassDeclined && !doubtful(h, last):
		return payment.StateDeclined
	case h.Payment.Fence == last.Fence:
		return h.Payment.State
	}
	return ""
}

// doubtful reports whether an earlier attempt with the same key may have taken the money, in which
// case the decline did not settle the payment.
func doubtful(h ports.History, last payment.Attempt) bool {
	return slices.ContainsFunc(h.Attempts, func(a payment.Attempt) bool {
		return a.Number < last.Number && a.GatewayKey == last.GatewayKey && a.Class.Unknown()
	})
}

func definite(c payment.Class) bool {
	return c == payment.ClassApproved || c == payment.ClassAuthorized || c == payment.ClassDeclined
}

func hasEvent(events []payment.Event, fence int64, kinds ...payment.EventKind) bool {
	return slices.ContainsFunc(events, func(e payment.Event) bool {
		return e.Fence == fence && slices.Contains(kinds, e.Kind)
	})
}

// inOrder sorts by time, then by operation, then by round, then by the usual order of steps.
func inOrder(a, b moment) int {
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.RefundID, b.RefundID), cmp.Compare(a.Fence, b.Fence), cmp.Compare(a.step(), b.step()))
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
