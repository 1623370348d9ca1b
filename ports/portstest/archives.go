package portstest

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// paymentWithHistory is a payment in the state, with an earlier attempt and an event.
func paymentWithHistory(r *repository, state payment.State, id payment.OrderID) payment.Payment {
	r.inState(payment.StateDeclined, id)
	wrong := r.claimRequest(id)
	wrong.Money = money(r.t, "1", "USD")
	r.claim(wrong, payment.VerdictMismatch)
	p := r.claim(r.claimRequest(id), payment.VerdictClaimed)
	if state != payment.StateProcessing {
		p = r.settle(p, resultFor(state), outcomeFor(state))
	}
	return p
}

// archivable returns the ids and the histories of all pages.
func (r *repository) archivable(age time.Duration, limit int) (ids []payment.OrderID, all []ports.History) {
	r.t.Helper()
	q := ports.ArchiveQuery{Age: age, Limit: limit}
	for {
		page, err := r.Archivable(r.t.Context(), q)
		require.NoError(r.t, err)
		require.LessOrEqual(r.t, len(page.Histories), limit)
		for _, h := range page.Histories {
			ids, all = append(ids, h.Payment.OrderID), append(all, h)
		}
		if page.Next == "" {
			return ids, all
		}
		require.Greater(r.t, page.Next, q.After)
		q.After = page.Next
	}
}

func archives() []clause {
	return []clause{
		{"archive/histories of final payments are listed in pages of any size", func(r *repository) {
			var want []payment.OrderID
			for i := range 5 {
				id := payment.OrderID(fmt.Sprintf("order-%d", i))
				want = append(want, id)
				paymentWithHistory(r, payment.StateDeclined, id)
				r.inState(payment.StateSucceeded, id+"-plain") // it has no history to archive
			}
			paymentWithHistory(r, payment.StateProcessing, "order-0-processing")
			paymentWithHistory(r, payment.StateUnresolved, "order-9-unresolved")
			for _, limit := range []int{1, 2, 3, 7, 100} {
				ids, all := r.archivable(0, limit)
				require.Equal(r.t, want, ids, "in pages of %d", limit)
				for _, h := range all {
					require.Equal(r.t, plainHistory(r.history(h.Payment.OrderID)), plainHistory(h))
				}
			}
			ids, _ := r.archivable(time.Hour, 100)
			require.Empty(r.t, ids, "they became final just now")
		}},
		{"archive/nothing of a payment is archived while an operation of it is open", openOperations},
		{"archive/a failed payment that may still have charged is not archived", func(r *repository) {
			paymentWithHistory(r, payment.StateProcessing, "order-1")
			p := r.find("order-1")
			r.settle(p, answeredUnknown, payment.Outcome{State: payment.StateUnresolved})
			due := r.pickUp(r.pickUpPolicy(payment.WorkLookups), 1)
			require.Len(r.t, due, 1)
			failed := r.record(lookup(due[0].Payment, payment.FoundNothing), payment.VerdictWritten)
			require.Equal(r.t, payment.StateFailed, failed.State)
			require.True(r.t, failed.Doubt.Any())
			ids, _ := r.archivable(0, 10)
			require.Empty(r.t, ids)
			require.ErrorIs(r.t, r.Archive(r.t.Context(), failed.Archival("ada")), payment.ErrNotArchived)
		}},
		{"archive/the payment stays, with an event that says so", func(r *repository) {
			for _, state := range []payment.State{payment.StateSucceeded, payment.StateDeclined, payment.StateFailed} {
				id := payment.OrderID("order-" + state)
				before := paymentWithHistory(r, state, id)
				require.NoError(r.t, r.Archive(r.t.Context(), before.Archival("ada")))
				h := r.history(id)
				want := before
				want.Events++
				requireSame(r.t, want, h.Payment)
				require.Equal(r.t, []payment.EventKind{payment.EventArchived}, kinds(h.Events))
				require.Equal(r.t, before.Events+1, h.Events[0].Number)
				require.Equal(r.t, "ada", h.Events[0].Replica)
				require.Equal(r.t, []payment.Attempt{plainAttempt(before.Attempt)}, plainHistory(h).Attempts)
			}
			ids, _ := r.archivable(0, 100)
			require.Empty(r.t, ids, "no history is left to archive")
			require.Equal(r.t, "txn-1", r.claim(r.claimRequest("order-succeeded"), payment.VerdictReplay).TransactionID)
		}},
		{"archive/numbering continues", func(r *repository) {
			before := paymentWithHistory(r, payment.StateDeclined, "order-1")
			require.NoError(r.t, r.Archive(r.t.Context(), before.Archival("ada")))
			p := r.settle(r.claim(r.claimRequest("order-1"), payment.VerdictClaimed),
				resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
			require.Equal(r.t, before.Attempt.Number+1, p.Attempt.Number)
			h := r.history("order-1")
			require.Equal(r.t, []int{before.Attempt.Number, p.Attempt.Number}, []int{h.Attempts[0].Number, h.Attempts[1].Number})
			require.NoError(r.t, r.Archive(r.t.Context(), p.Archival("ada")))
			h = r.history("order-1")
			require.Equal(r.t, []payment.EventKind{payment.EventArchived}, kinds(h.Events))
			require.Equal(r.t, before.Events+2, h.Events[0].Number)
			require.Len(r.t, h.Attempts, 1)
		}},
		{"archive/a payment that is not final or has changed is refused", refusedArchivals},
	}
}

func openOperations(r *repository) {
	for _, state := range operationStates() {
		id := payment.OrderID("order-" + state)
		paymentWithHistory(r, payment.StateSucceeded, id)
		p := r.refundInState(state, id, "r-1", "25")
		ids, _ := r.archivable(0, 10)
		if state.Final() {
			require.Contains(r.t, ids, id, state)
		} else {
			require.NotContains(r.t, ids, id, state)
		}
		before := r.history(id)
		for _, h := range before.Operations {
			require.Equal(r.t, p.Ref(), h.Payment.Ref())
		}
	}
	charge := paymentWithHistory(r, payment.StateSucceeded, "order-begun")
	r.refund("order-begun", "r-1", "25")
	require.ErrorIs(r.t, r.Archive(r.t.Context(), charge.Archival("ada")), payment.ErrNotArchived, "begun since it was read")
}

func refusedArchivals(r *repository) {
	require.ErrorIs(r.t, r.Archive(r.t.Context(), payment.Archival{OrderID: "order-0"}), ports.ErrNotFound)
	for _, state := range payment.States() {
		if state.Final() || state == payment.StateScheduled {
			continue
		}
		p := paymentWithHistory(r, state, payment.OrderID("order-"+state))
		r.requireNotArchived(p.Archival("ada"))
	}
	read := paymentWithHistory(r, payment.StateDeclined, "order-1").Archival("ada")
	again := r.settle(r.claim(r.claimRequest("order-1"), payment.VerdictClaimed),
		resultFor(payment.StateDeclined), outcomeFor(payment.StateDeclined))
	r.requireNotArchived(read)
	wrong := r.claimRequest("order-1")
	wrong.Money = money(r.t, "1", "USD")
	r.claim(wrong, payment.VerdictMismatch)
	r.requireNotArchived(again.Archival("ada"))
	latest := r.find("order-1").Archival("ada")
	require.NoError(r.t, r.Archive(r.t.Context(), latest))
	r.requireNotArchived(latest)
}

// requireNotArchived fails unless the archival is refused and changes nothing.
func (r *repository) requireNotArchived(a payment.Archival) {
	r.t.Helper()
	before := plainHistory(r.history(a.OrderID))
	require.ErrorIs(r.t, r.Archive(r.t.Context(), a), payment.ErrNotArchived)
	require.Equal(r.t, before, plainHistory(r.history(a.OrderID)))
}
