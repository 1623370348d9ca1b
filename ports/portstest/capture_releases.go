package portstest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// captureReleases are about what the outcome of a capture or a void leaves of the hold, and what of the money can be
// refunded.
func captureReleases() []clause {
	return []clause{
		{"capture/each outcome keeps or releases the hold", releasesHoldByOutcome},
		{"capture/an unknown outcome keeps the hold until its key is closed", releasesHoldAfterTwoLooks},
		{"capture/one that the gateway rules out is declined, and releases the hold", func(r *repository) {
			r.held("order-1")
			p := r.claim(r.captureRequest("order-1", ""), payment.VerdictClaimed)
			r.settle(p, answeredUnknown, payment.Outcome{State: payment.StateUnresolved})
			due := r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10)
			require.Len(r.t, due, 1)
			l := lookup(due[0].Payment, payment.FoundVoided)
			l.Result.Code = payment.DeclineNotPermitted
			p = r.record(l, payment.VerdictWritten)
			require.Equal(r.t, payment.StateDeclined, p.State)
			require.Equal(r.t, payment.DeclineNotPermitted, p.Code)
			require.Equal(r.t, payment.KindCharge, r.find("order-1").HoldClaimedBy)
		}},
		{"capture/an operator's failure releases the hold", func(r *repository) {
			r.held("order-1")
			p := r.operationInState(payment.StateUnresolved, r.captureRequest("order-1", ""))
			failed := resolution("order-1", notTaken)
			failed.Operation = p.Operation
			require.NoError(r.t, r.Resolve(r.t.Context(), failed))
			require.Equal(r.t, payment.KindCharge, r.find("order-1").HoldClaimedBy)
			r.claim(r.voidRequest("order-1"), payment.VerdictClaimed)
		}},
		{"capture/one that did not happen is repeated", func(r *repository) {
			r.held("order-1")
			first := r.operationInState(payment.StateFailed, r.captureRequest("order-1", "60"))
			again := r.claim(r.captureRequest("order-1", ""), payment.VerdictClaimed)
			require.Equal(r.t, first.GatewayKey, again.GatewayKey)
			require.Equal(r.t, first.Money, again.Money)
			charge := r.find("order-1")
			require.Equal(r.t, payment.KindCapture, charge.HoldClaimedBy)
			require.Equal(r.t, 1, charge.Operations)
		}},
		{"refund/a part of a hold that was captured is refunded, and no more", refundsCaptured},
		{"refund/a hold and a capture in flight are not refunded", func(r *repository) {
			r.held("order-1")
			r.requireRefused(r.refundRequest("order-1", "r-1", "1"), payment.StateAuthorized)
			for _, state := range []payment.State{payment.StateProcessing, payment.StateUnresolved, payment.StatePending} {
				id := payment.OrderID("order-" + state)
				r.held(id)
				r.operationInState(state, r.captureRequest(id, ""))
				r.requireOpen(r.refundRequest(id, "r-1", "1"))
			}
		}},
	}
}

func releasesHoldByOutcome(r *repository) {
	for _, kind := range []payment.Kind{payment.KindCapture, payment.KindVoid} {
		for _, state := range operationStates()[1:] {
			id := payment.OrderID("order-" + string(kind) + "-" + string(state))
			r.held(id)
			a := r.captureRequest(id, "")
			a.Operation.Kind = kind
			r.operationInState(state, a)
			p := r.find(id)
			switch state {
			case payment.StateSucceeded:
				require.True(r.t, p.State.Final())
				require.Equal(r.t, payment.KindCharge, p.HoldClaimedBy)
			case payment.StateDeclined, payment.StateFailed:
				require.Equal(r.t, payment.StateAuthorized, p.State)
				require.Equal(r.t, payment.KindCharge, p.HoldClaimedBy, "%s to %s", kind, state)
				r.claim(r.voidRequest(id), payment.VerdictClaimed)
			default:
				require.Equal(r.t, payment.StateAuthorized, p.State)
				require.Equal(r.t, kind, p.HoldClaimedBy, "%s to %s", kind, state)
			}
		}
	}
}

func releasesHoldAfterTwoLooks(r *repository) {
	r.held("order-1")
	p := r.claim(r.captureRequest("order-1", "60"), payment.VerdictClaimed)
	r.settle(p, answeredUnknown, payment.Outcome{State: payment.StateUnresolved})
	r.requireOpen(r.voidRequest("order-1"))
	due := r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10)
	require.Len(r.t, due, 1)
	require.Equal(r.t, p.Ref(), due[0].Payment.Ref())
	l := lookup(due[0].Payment, payment.FoundNothing)
	l.Rules.Late = 0
	require.Equal(r.t, payment.StateFailed, r.record(l, payment.VerdictWritten).State)
	require.Equal(r.t, payment.KindCapture, r.find("order-1").HoldClaimedBy, "the capture may still happen")
	r.requireOpen(r.voidRequest("order-1"))

	due = r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10)
	require.Len(r.t, due, 1)
	second := l
	second.ClaimRef, second.Sent = due[0].Payment.ClaimRef(), payment.Instant{
		DB: l.Sent.DB.Add(time.Second), Worker: l.Sent.Worker.Add(time.Second),
	}
	r.record(second, payment.VerdictWritten)
	require.Equal(r.t, payment.KindCharge, r.find("order-1").HoldClaimedBy)
	r.claim(r.voidRequest("order-1"), payment.VerdictClaimed)
}

func refundsCaptured(r *repository) {
	r.held("order-1")
	r.operationInState(payment.StateSucceeded, r.captureRequest("order-1", "60"))
	require.Equal(r.t, "60.00 USD", r.refuse(r.refundRequest("order-1", "r-1", "60.01")).String())
	r.refund("order-1", "r-1", "25")
	require.Equal(r.t, money(r.t, "35", "USD"), r.refund("order-1", "r-2", "").Money)
	require.True(r.t, r.refuse(r.refundRequest("order-1", "r-3", "0.01")).IsZero())
	charge := r.find("order-1")
	require.Equal(r.t, money(r.t, "60", "USD"), charge.Captured())
	require.Equal(r.t, 3, charge.Operations)
	require.Len(r.t, r.history("order-1").Operations, 3)
}

// holdRaces are about concurrent requests that end one hold.
func holdRaces() []clause {
	return []clause{
		{"capture/of a capture and a void at once, one wins", captureAgainstVoid},
		{"capture/of many captures at once, one wins", func(r *repository) {
			r.held("order-1")
			const n = 16
			var claims, others counter
			r.concurrently(n, func(on ports.Payments, _ int) error {
				_, verdict, err := on.Claim(r.t.Context(), r.captureRequest("order-1", "60"))
				switch verdict { //nolint:exhaustive // no other verdict counts
				case payment.VerdictClaimed:
					claims.add()
				case payment.VerdictBusy:
					others.add()
				}
				return err
			})
			require.Equal(r.t, [2]int{1, n - 1}, [2]int{claims.n, others.n})
			require.Equal(r.t, 1, r.find("order-1").Operations)
		}},
		{"capture/a lookup that began before it cannot end the hold", captureAgainstLookup},
	}
}

// counter counts in concurrent functions.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

// captureAgainstVoid races them, and lets the winner finish: the other is refused with the state.
func captureAgainstVoid(r *repository) {
	r.held("order-1")
	const n = 16
	var captures, voids, refused counter
	r.concurrently(n, func(on ports.Payments, i int) error {
		a, won := r.captureRequest("order-1", "60"), &captures
		if i%4 < 2 {
			a, won = r.voidRequest("order-1"), &voids
		}
		p, verdict, err := on.Claim(r.t.Context(), a)
		if why, ok := errors.AsType[*payment.OperationRefusedError](err); ok {
			if why.State != payment.StateAuthorized && why.State != payment.StateSucceeded && why.State != payment.StateVoided {
				return err
			}
			refused.add()
			return nil
		}
		if err != nil || verdict != payment.VerdictClaimed {
			return err
		}
		won.add()
		return on.Settle(r.t.Context(), settlement(*p, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded)))
	})
	require.Equal(r.t, 1, captures.n+voids.n)
	require.Equal(r.t, n/2, refused.n)
	h := r.history("order-1")
	require.Len(r.t, h.Operations, 1)
	require.Equal(r.t, payment.StateSucceeded, h.Operations[0].Payment.State)
	if captures.n == 1 {
		require.Equal(r.t, payment.StateSucceeded, h.Payment.State)
		r.requireRefused(r.voidRequest("order-1"), payment.StateSucceeded)
	} else {
		require.Equal(r.t, payment.StateVoided, h.Payment.State)
		r.requireRefused(r.captureRequest("order-1", ""), payment.StateVoided)
	}
}

func captureAgainstLookup(r *repository) {
	r.held("order-1")
	before := r.doubtHold("order-1")
	r.operationInState(payment.StateSucceeded, r.captureRequest("order-1", "60"))
	h := r.history("order-1")
	for _, found := range []payment.LookupResult{payment.FoundVoided, payment.FoundNothing} {
		_, _, err := r.RecordLookup(r.t.Context(), lookup(before, found))
		require.ErrorIs(r.t, err, payment.ErrFenced)
	}
	require.Equal(r.t, h, r.history("order-1"))
}

// boundsOperations begins the last operation that a payment can have.
func boundsOperations(t *testing.T, s Stored) {
	t.Helper()
	r := &repository{Payments: s.Payments, t: t}
	r.charged("order-1")
	p := r.refund("order-1", "r-1", "1")
	s.Execute(t, "UPDATE payments SET operation_count = 999 WHERE order_id = 'order-1'")
	r.refund("order-1", "r-2", "1")
	require.Equal(t, payment.MaxOperations, r.find("order-1").Operations)
	require.True(t, r.refuse(r.refundRequest("order-1", "r-3", "1")).IsZero())
	requireSame(t, p, r.claim(r.refundRequest("order-1", "r-1", "1"), payment.VerdictBusy))
}
