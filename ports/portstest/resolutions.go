package portstest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// resolution is an operator's outcome for an unresolved payment.
func resolution(id payment.OrderID, o payment.Outcome) payment.Resolution {
	return payment.Resolution{OrderID: id, Outcome: o, By: "ada"}
}

var (
	taken    = payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-9"}
	notTaken = payment.Outcome{
		State: payment.StateFailed, Code: payment.CodeResolved, Reason: "not on the bank's statement",
	}
)

func resolutions() []clause {
	return []clause{
		{"resolve/an unresolved payment is settled", func(r *repository) {
			for id, o := range map[payment.OrderID]payment.Outcome{"order-1": taken, "order-2": notTaken} {
				before := r.inState(payment.StateUnresolved, id)
				require.NoError(r.t, r.Resolve(r.t.Context(), resolution(id, o)))
				h := r.history(id)
				d, err := resolution(id, o).Apply(before, h.Payment.UpdatedAt)
				require.NoError(r.t, err)
				requireSame(r.t, d.Payment, h.Payment)
				require.Equal(r.t, []payment.Event{plainEvent(*d.Event)}, h.Events)
				require.Equal(r.t, "ada", h.Events[0].Replica)
				requireGapless(r.t, h)
			}
		}},
		{"resolve/every other state is refused", func(r *repository) {
			for _, state := range payment.States() {
				if state == payment.StateUnresolved || state == payment.StatePending {
					continue
				}
				id := payment.OrderID("order-" + state)
				r.inState(state, id)
				before := r.history(id)
				var refused *payment.NotUnresolvedError
				require.ErrorAs(r.t, r.Resolve(r.t.Context(), resolution(id, taken)), &refused)
				require.Equal(r.t, state, refused.State)
				require.Equal(r.t, before, r.history(id))
			}
		}},
		{"resolve/an unknown order is not found", func(r *repository) {
			require.ErrorIs(r.t, r.Resolve(r.t.Context(), resolution("order-1", taken)), ports.ErrNotFound)
			_, err := r.Find(r.t.Context(), "order-1")
			require.ErrorIs(r.t, err, ports.ErrNotFound)
		}},
		{"resolve/a lookup that is under way is fenced", func(r *repository) {
			r.inState(payment.StateUnresolved, "order-1")
			due := r.pickUp(r.pickUpPolicy(payment.WorkLookups), 1)
			require.Len(r.t, due, 1)
			require.NoError(r.t, r.Resolve(r.t.Context(), resolution("order-1", taken)))
			before := r.history("order-1")
			s := payment.Settlement{ClaimRef: due[0].Payment.ClaimRef(), Outcome: notTaken}
			require.ErrorIs(r.t, r.Settle(r.t.Context(), s), payment.ErrFenced)
			require.Equal(r.t, before, r.history("order-1"))
		}},
		{"history/everything is recorded in order", recordsWholeHistory},
	}
}

// recordsWholeHistory takes one order through most of what can happen to it.
func recordsWholeHistory(r *repository) {
	const id = "order-1"
	p := r.inState(payment.StateDeclined, id)
	firstKey := p.GatewayKey

	a := r.deferredRequest(id)
	r.claim(a, payment.VerdictAccepted)
	policy := r.pickUpPolicy(payment.WorkCharges)
	policy.Lease = expiredLease
	require.Len(r.t, r.pickUp(policy, 1), 1)
	due := r.pickUp(r.pickUpPolicy(payment.WorkTakeovers), 1) // its first worker was lost
	require.Len(r.t, due, 1)
	p = due[0].Payment
	require.Equal(r.t, 1, p.LostWorkers)
	r.renew(renewal(p, 0))
	r.settle(r.find(id), resultFor(payment.StateUnresolved), outcomeFor(payment.StateUnresolved))

	due = r.pickUp(r.pickUpPolicy(payment.WorkLookups), 1)
	require.Len(r.t, due, 1)
	require.Equal(r.t, payment.VerdictLookUp, due[0].Verdict)
	wrong := r.claimRequest(id)
	wrong.Money = money(r.t, "1", "USD")
	r.claim(wrong, payment.VerdictMismatch)
	require.NoError(r.t, r.Settle(r.t.Context(), payment.Settlement{
		ClaimRef: due[0].Payment.ClaimRef(), Outcome: taken, Event: payment.EventReconciled,
	}))
	p = r.claim(r.claimRequest(id), payment.VerdictReplay)
	require.Equal(r.t, "txn-9", p.TransactionID)

	h := r.history(id)
	requireGapless(r.t, h)
	require.Equal(r.t, []payment.EventKind{
		payment.EventScheduled, payment.EventTakenOver, payment.EventRefused, payment.EventReconciled,
	}, kinds(h.Events))
	require.Equal(r.t, []payment.Class{
		payment.ClassDeclined, payment.ClassUnknownUnanswered, // in the request; by the lost worker
		payment.ClassUnknownAnswered, payment.ClassUnknownUnanswered, // by the next one
	}, classes(h.Attempts))
	for i, attempt := range h.Attempts {
		require.False(r.t, attempt.StartedAt.IsZero())
		if i == 0 {
			require.Equal(r.t, firstKey, attempt.GatewayKey)
			continue
		}
		require.Equal(r.t, a.NewKey, attempt.GatewayKey)
		require.False(r.t, attempt.StartedAt.Before(h.Attempts[i-1].StartedAt))
	}
	require.Equal(r.t, []int64{1, 2, 3, 3}, []int64{
		h.Attempts[0].Fence, h.Attempts[1].Fence, h.Attempts[2].Fence, h.Attempts[3].Fence,
	})
}

// writesNothingAfterCancel makes every call of the port with a cancelled context.
func writesNothingAfterCancel(r *repository) {
	held := r.inState(payment.StateProcessing, "order-held")
	r.inState(payment.StateUnresolved, "order-stuck")
	ctx, cancel := context.WithCancel(r.t.Context())
	cancel()

	calls := map[string]func() error{
		"Claim":    func() error { _, _, err := r.Claim(ctx, r.claimRequest("order-new")); return err },
		"ClaimDue": func() error { _, err := r.ClaimDue(ctx, r.pickUpPolicy(payment.WorkCharges), 10); return err },
		"NextDue":  func() error { _, _, err := r.NextDue(ctx, r.pickUpPolicy(payment.WorkCharges)); return err },
		"Backlog":  func() error { _, err := r.Backlog(ctx); return err },
		"Renew":    func() error { return r.Renew(ctx, renewal(held, time.Second)) },
		"Settle": func() error {
			return r.Settle(ctx, settlement(held, resultFor(payment.StateSucceeded), taken))
		},
		"RecordLookup": func() error {
			_, _, err := r.RecordLookup(ctx, lookup(held, payment.FoundApproved))
			return err
		},
		"RecordApproval": func() error { _, _, err := r.RecordApproval(ctx, approval(held, "txn-1")); return err },
		"Notify":         func() error { _, err := r.Notify(ctx, notice(held.OrderID, held.GatewayKey)); return err },
		"Resolve":        func() error { return r.Resolve(ctx, resolution("order-stuck", taken)) },
		"Import": func() error {
			_, err := r.Import(ctx, importedCharge(r, "order-imported", "txn-1"))
			return err
		},
		"Archivable": func() error { _, err := r.Archivable(ctx, ports.ArchiveQuery{Limit: 1}); return err },
		"Archive":    func() error { return r.Archive(ctx, held.Archival("ada")) },
		"Find":       func() error { _, err := r.Find(ctx, "order-held"); return err },
		"History":    func() error { _, err := r.History(ctx, "order-held"); return err },
		"List":       func() error { _, err := r.List(ctx, ports.ListQuery{Limit: 1}); return err },
		"Heartbeat":  func() error { return r.Heartbeat(ctx, "replica-b") },
		"Heartbeats": func() error { _, err := r.Heartbeats(ctx, "replica-b"); return err },
		"Release":    func() error { _, err := r.Release(ctx, ports.Heartbeat{Replica: "replica-a"}); return err },
		"Leave":      func() error { return r.Leave(ctx, "replica-a") },
		"Ready":      func() error { return r.Ready(ctx) },
		"TryWrite":   func() error { return r.TryWrite(ctx) },
	}
	before, stuck := r.history("order-held"), r.history("order-stuck")
	for method, call := range calls {
		err := call()
		require.Error(r.t, err, method)
		require.NotErrorIs(r.t, err, ports.ErrNotFound, method)
		require.NotErrorIs(r.t, err, payment.ErrFenced, method)
	}
	require.Equal(r.t, before, r.history("order-held"))
	require.Equal(r.t, stuck, r.history("order-stuck"))
	_, err := r.Find(r.t.Context(), "order-new")
	require.ErrorIs(r.t, err, ports.ErrNotFound)
}
