package portstest

import (
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// refundReleases are about when the amount of a refund is free again: only if its key is closed and has moved no
// money.
func refundReleases() []clause {
	return []clause{
		{"reserved amount/each state of a refund keeps or releases its amount", releasesByState},
		{"reserved amount/each answer to a lookup keeps or releases the amount", releasesByLookup},
		{"reserved amount/a refund that failed after one look keeps its amount until the second", releasesAfterTwoLooks},
		{"reserved amount/an operator's failure releases the amount once", releasesByResolution},
		{"reserved amount/a repeat of a refund that did not happen reserves again", reservesAgain},
		{"reserved amount/a repeat is refused if too little is left", func(r *repository) {
			r.charged("order-1")
			p := r.refundInState(payment.StateDeclined, "order-1", "r-1", "60")
			r.refund("order-1", "r-2", "50")
			for _, amount := range []string{"60", ""} {
				require.Equal(r.t, "50.00 USD", r.refuse(r.refundRequest("order-1", "r-1", amount)).String())
				require.Equal(r.t, "50.00 USD", r.refuse(r.deferredRefund("order-1", "r-1", amount)).String())
			}
			requireSame(r.t, p, r.stored(p.Ref()))
		}},
		{"reserved amount/a refund whose money came back is final and releases its amount once", returnsRefund},
		{"reserved amount/a late approval reserves again", func(r *repository) {
			r.charged("order-1")
			before := r.refundInState(payment.StateDeclined, "order-1", "r-1", "60")
			require.Equal(r.t, "0", r.reserved("order-1"))
			a := approval(before, "txn-9")
			for _, want := range []payment.Verdict{payment.VerdictEvidence, payment.VerdictReplay} {
				got, verdict, err := r.RecordApproval(r.t.Context(), a)
				require.NoError(r.t, err)
				require.Equal(r.t, want, verdict)
				require.Equal(r.t, payment.StateSucceeded, got.State)
				requireSame(r.t, got, r.stored(before.Ref()))
				require.Equal(r.t, "60.00", r.reserved("order-1"))
			}
			require.Equal(r.t, []payment.EventKind{payment.EventEvidence}, kinds(r.operation(before.Ref()).Events))
			r.refund("order-1", "r-2", "")
			require.Equal(r.t, "100.00", r.reserved("order-1"))
		}},
	}
}

func releasesByState(r *repository) {
	for _, state := range operationStates() {
		id := payment.OrderID("order-" + state)
		r.charged(id)
		p := r.refundInState(state, id, "r-1", "25")
		require.Equal(r.t, state, p.State)
		want := "25.00"
		if state == payment.StateDeclined || state == payment.StateFailed {
			want = "0"
		}
		require.Equal(r.t, want, r.reserved(id), state)
		if state == payment.StateScheduled || state == payment.StateProcessing {
			continue
		}
		// The answer to the settlement was lost, and it is repeated.
		s := settlement(p, resultFor(state), outcomeFor(state))
		s.State = payment.StateProcessing
		h := r.history(id)
		require.NoError(r.t, r.Settle(r.t.Context(), s))
		require.Equal(r.t, h, r.history(id))
	}
}

// refundClaimedForLookup is an unresolved refund whose attempts were answered, claimed for a lookup. No other
// lookup is due.
func (r *repository) refundClaimedForLookup(id payment.OrderID, name, amount string) payment.Payment {
	r.t.Helper()
	p := r.refund(id, name, amount)
	r.settle(p, answeredUnknown, payment.Outcome{State: payment.StateUnresolved})
	due := r.pickUp(r.pickUpPolicy(payment.WorkLookups), 1)
	require.Len(r.t, due, 1)
	require.Equal(r.t, payment.VerdictLookUp, due[0].Verdict)
	require.Equal(r.t, p.Ref(), due[0].Payment.Ref())
	return due[0].Payment
}

func releasesByLookup(r *repository) {
	for found, want := range map[payment.LookupResult]struct {
		state    payment.State
		reserved string
	}{
		payment.FoundApproved:   {payment.StateSucceeded, "25.00"},
		payment.FoundDeclined:   {payment.StateDeclined, "0"},
		payment.FoundVoided:     {payment.StateFailed, "0"},
		payment.FoundNothing:    {payment.StateFailed, "25.00"},
		payment.FoundProcessing: {payment.StateUnresolved, "25.00"},
		payment.FoundPending:    {payment.StatePending, "25.00"},
		payment.FoundNoAnswer:   {payment.StateUnresolved, "25.00"},
	} {
		id := payment.OrderID("order-" + string(found))
		r.charged(id)
		charge := r.history(id)
		before := r.refundClaimedForLookup(id, "r-1", "25")
		l := lookup(before, found)
		got := r.record(l, payment.VerdictWritten)
		require.Equal(r.t, want.state, got.State, found)
		require.Equal(r.t, want.reserved, r.reserved(id), found)
		d, err := l.Apply(before, plainTime(got.SeenAt))
		require.NoError(r.t, err)
		requireSame(r.t, d.Payment, got)
		h := r.operation(got.Ref())
		requireList(r.t, plainKeys(d.Payment.Keys), h.Keys)
		requireGapless(r.t, h)
		r.requireChargeAsBefore(charge)

		again := payment.VerdictWritten
		if found == payment.FoundApproved {
			again = payment.VerdictReplay
		}
		r.record(l, again)
		require.Equal(r.t, want.reserved, r.reserved(id), "%s: recorded again", found)
	}
}

func releasesAfterTwoLooks(r *repository) {
	r.charged("order-1")
	l := lookup(r.refundClaimedForLookup("order-1", "r-1", "25"), payment.FoundNothing)
	l.Rules.Late = 0
	p := r.record(l, payment.VerdictWritten)
	require.Equal(r.t, payment.StateFailed, p.State)
	require.Equal(r.t, "25.00", r.reserved("order-1"), "the refund may still happen")
	require.Equal(r.t, "75.00 USD", r.refuse(r.refundRequest("order-1", "r-2", "76")).String())

	due := r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10)
	require.Len(r.t, due, 1)
	require.Equal(r.t, payment.VerdictLookUp, due[0].Verdict)
	require.Equal(r.t, p.Ref(), due[0].Payment.Ref())
	require.Equal(r.t, p.GatewayKey, due[0].LookUp)
	require.Equal(r.t, "25.00", r.reserved("order-1"))
	require.Empty(r.t, r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10), "the claim has postponed it")

	second := l
	second.ClaimRef, second.Sent = due[0].Payment.ClaimRef(), payment.Instant{
		DB: l.Sent.DB.Add(time.Second), Worker: l.Sent.Worker.Add(time.Second),
	}
	for range 2 {
		p = r.record(second, payment.VerdictWritten)
		require.Equal(r.t, payment.StateFailed, p.State)
		require.False(r.t, p.Doubt.Any())
		require.Equal(r.t, "0", r.reserved("order-1"), "released once")
	}
	h := r.operation(p.Ref())
	require.Equal(r.t, payment.ClosedAbsent, h.Keys[0].Closed)
	require.Equal(r.t, payment.EventKeyClosed, h.Events[len(h.Events)-1].Kind)
	_, found := r.nextDue()
	require.False(r.t, found)
}

func releasesByResolution(r *repository) {
	for _, state := range []payment.State{payment.StatePending, payment.StateUnresolved} {
		for outcome, want := range map[*payment.Outcome]string{&notTaken: "0", &taken: "25.00"} {
			id := payment.OrderID("order-" + string(state) + "-" + string(outcome.State))
			r.charged(id)
			before := r.refundInState(state, id, "r-1", "25")
			resolved := resolution(id, *outcome)
			resolved.Operation = before.Operation
			require.NoError(r.t, r.Resolve(r.t.Context(), resolved))
			require.Equal(r.t, want, r.reserved(id))
			h := r.operation(before.Ref())
			d, err := resolved.Apply(before, h.Payment.UpdatedAt)
			require.NoError(r.t, err)
			requireSame(r.t, d.Payment, h.Payment)
			require.Equal(r.t, "ada", h.Events[len(h.Events)-1].Replica)

			var refused *payment.NotUnresolvedError
			require.ErrorAs(r.t, r.Resolve(r.t.Context(), resolved), &refused)
			require.Equal(r.t, want, r.reserved(id))
			require.ErrorAs(r.t, r.Resolve(r.t.Context(), resolution(id, taken)), &refused, "the charge has succeeded")
		}
	}
	missing := resolution("order-pending-failed", notTaken)
	missing.Operation = refundRef("", "r-2").Operation
	require.ErrorIs(r.t, r.Resolve(r.t.Context(), missing), ports.ErrNotFound)
}

func reservesAgain(r *repository) {
	for _, state := range []payment.State{payment.StateDeclined, payment.StateFailed} {
		for name, request := range map[string]func(payment.OrderID, string, string) payment.ClaimRequest{
			"now": r.refundRequest, "later": r.deferredRefund,
		} {
			id := payment.OrderID("order-" + string(state) + "-" + name)
			r.charged(id)
			before := r.refundInState(state, id, "r-1", "25")
			charge := r.find(id)
			require.Zero(r.t, charge.RefundReserved)
			a := request(id, "r-1", "")
			p, verdict, err := r.Claim(r.t.Context(), a)
			require.NoError(r.t, err)
			d, err := a.DecideOperation(charge, &before, p.SeenAt)
			require.NoError(r.t, err)
			require.Equal(r.t, d.Verdict, verdict)
			requireSame(r.t, d.Payment, *p)
			requireSame(r.t, *p, r.stored(p.Ref()))
			require.Equal(r.t, "25.00", r.reserved(id))
			requireSame(r.t, *d.Charge, r.find(id))
			requireGapless(r.t, r.operation(p.Ref()))
			require.Equal(r.t, state == payment.StateDeclined, p.GatewayKey == a.NewKey, "a declined key is not used again")
		}
	}
}

func returnsRefund(r *repository) {
	for _, state := range []payment.State{payment.StateProcessing, payment.StatePending, payment.StateUnresolved, payment.StateSucceeded} {
		id := payment.OrderID("order-" + state)
		r.charged(id)
		before := r.refundInState(state, id, "r-1", "25")
		l := lookup(before, payment.FoundReturned)
		p := r.record(l, payment.VerdictReturned)
		require.Equal(r.t, payment.StateDeclined, p.State)
		require.Equal(r.t, payment.CodeRefundReturned, p.Code)
		require.Equal(r.t, "0", r.reserved(id), state)
		h := r.operation(p.Ref())
		require.Equal(r.t, payment.EventReturned, h.Events[len(h.Events)-1].Kind)
		requireGapless(r.t, h)

		r.record(l, payment.VerdictReplay)
		require.Equal(r.t, h, r.operation(p.Ref()))
		requireSame(r.t, p, r.claim(r.refundRequest(id, "r-1", ""), payment.VerdictReplay))
		require.Equal(r.t, "0", r.reserved(id), "released once")
		if state == payment.StateProcessing {
			s := settlement(before, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
			require.ErrorIs(r.t, r.Settle(r.t.Context(), s), payment.ErrFenced)
		}
		r.refund(id, "r-2", "")
		require.Equal(r.t, "100.00", r.reserved(id))
	}
}
