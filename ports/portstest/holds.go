package portstest

import (
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// holds are about charges that hold money.
func holds() []clause {
	return []clause{
		{"hold/it is authorized, and replayed", authorizesHold},
		{"hold/a request with another capture is refused", refusesOtherCapture},
		{"hold/a voided order is not charged again", func(r *repository) {
			p := r.inState(payment.StateVoided, "order-1")
			before := r.history("order-1")
			for _, a := range []payment.ClaimRequest{r.claimRequest("order-1"), r.deferredRequest("order-1")} {
				requireSame(r.t, p, r.claim(a, payment.VerdictVoided))
			}
			require.Equal(r.t, before, r.history("order-1"))
		}},
		{"hold/it is looked up when it may have expired, and only then", looksUpHold},
		{"hold/each answer to a lookup ends it or keeps it", concludesHold},
		{"hold/a capture in doubt decides about the hold alone", keepsHoldInDoubt},
		{"hold/one that the gateway does not release is looked up daily", func(r *repository) {
			p := r.claim(r.holdRequest("order-1"), payment.VerdictClaimed)
			p = r.settle(p, resultFor(payment.StateAuthorized), outcomeFor(payment.StateAuthorized))
			require.True(r.t, p.HoldExpires.IsZero())
			require.Equal(r.t, 24*time.Hour, p.DueAt.Sub(p.UpdatedAt))
		}},
		{"hold/it is in lists, transactions and the count of other gateways", listsHold},
		{"hold/only one that has ended is archived", archivesEndedHold},
	}
}

// holdRequest is claimRequest for a charge that only holds the money.
func (r *repository) holdRequest(id payment.OrderID) payment.ClaimRequest {
	a := r.claimRequest(id)
	a.Capture = payment.CaptureManual
	return a
}

// held is an order whose charge holds 100.00 USD for a week.
func (r *repository) held(id payment.OrderID) payment.Payment {
	r.t.Helper()
	o := outcomeFor(payment.StateAuthorized)
	o.HoldExpires = plainTime(time.Now().Add(7 * 24 * time.Hour))
	return r.settle(r.claim(r.holdRequest(id), payment.VerdictClaimed), resultFor(payment.StateAuthorized), o)
}

func authorizesHold(r *repository) {
	p := r.claim(r.holdRequest("order-1"), payment.VerdictClaimed)
	require.Equal(r.t, payment.CaptureManual, p.Capture)
	requireSame(r.t, p, r.find("order-1"))
	o := outcomeFor(payment.StateAuthorized)
	o.HoldExpires = plainTime(time.Now().Add(time.Hour))
	s := settlement(p, resultFor(payment.StateAuthorized), o)
	require.NoError(r.t, r.Settle(r.t.Context(), s))
	after := r.find("order-1")
	d, err := s.Apply(p, after.UpdatedAt)
	require.NoError(r.t, err)
	requireSame(r.t, d.Payment, after)
	require.Equal(r.t, payment.StateAuthorized, after.State)
	require.Equal(r.t, o.HoldExpires, plainTime(after.HoldExpires))
	require.WithinDuration(r.t, o.HoldExpires, after.DueAt, waitLimit)
	require.NoError(r.t, r.Settle(r.t.Context(), s), "a repeat changes nothing")

	h := r.history("order-1")
	deferred := r.holdRequest("order-1")
	deferred.Deferred, deferred.Async = true, true
	for _, a := range []payment.ClaimRequest{r.holdRequest("order-1"), deferred} {
		requireSame(r.t, after, r.claim(a, payment.VerdictReplay))
	}
	require.Equal(r.t, h, r.history("order-1"))
}

func refusesOtherCapture(r *repository) {
	for _, state := range payment.States() {
		id := payment.OrderID("order-" + state)
		before := r.inState(state, id)
		a := r.holdRequest(id)
		after := r.claim(a, payment.VerdictMismatch)
		requireSame(r.t, a.Decide(before, after.SeenAt).Payment, after)
		requireSame(r.t, after, r.find(id))
		require.Equal(r.t, payment.CaptureAutomatic, after.Capture)
		h := r.history(id)
		require.Equal(r.t, "requested 100.00 USD with capture manual, but the order is for 100.00 USD", h.Events[0].Detail)
	}
	r.held("order-1")
	r.claim(r.claimRequest("order-1"), payment.VerdictMismatch)
}

// doubtHold is an event of the gateway that makes the lookup of a hold due. It returns the claim of the lookup.
func (r *repository) doubtHold(id payment.OrderID) payment.Payment {
	r.t.Helper()
	n := notice(id, r.find(id).GatewayKey)
	n.Says = payment.FoundVoided
	verdict, err := r.Notify(r.t.Context(), n)
	require.NoError(r.t, err)
	require.Equal(r.t, payment.VerdictWritten, verdict)
	due := r.pickUp(r.pickUpPolicy(payment.WorkHolds), 10)
	require.Len(r.t, due, 1)
	require.Equal(r.t, payment.VerdictLookUp, due[0].Verdict)
	require.Equal(r.t, payment.Ref{OrderID: id}, due[0].Payment.Ref())
	return due[0].Payment
}

func looksUpHold(r *repository) {
	r.held("order-1")
	for _, work := range allWork() {
		require.Empty(r.t, r.pickUp(r.pickUpPolicy(work), 10), work)
	}
	in, found, err := r.NextDue(r.t.Context(), r.pickUpPolicy(payment.WorkHolds))
	require.NoError(r.t, err)
	require.True(r.t, found)
	require.Greater(r.t, in, 23*time.Hour)

	n := notice("order-1", r.find("order-1").GatewayKey)
	n.Says = payment.FoundAuthorized
	verdict, err := r.Notify(r.t.Context(), n)
	require.NoError(r.t, err)
	require.Equal(r.t, payment.VerdictReplay, verdict, "the event says what is known")
	claimed := r.doubtHold("order-1")
	require.Equal(r.t, payment.StateAuthorized, claimed.State)
	requireSame(r.t, claimed, r.find("order-1"))
	for _, work := range allWork() {
		require.Empty(r.t, r.pickUp(r.pickUpPolicy(work), 10), work)
	}
	requireSame(r.t, claimed, r.claim(r.holdRequest("order-1"), payment.VerdictReplay))
}

func concludesHold(r *repository) {
	expires := plainTime(time.Now().Add(2 * time.Hour))
	for found, want := range map[payment.LookupResult]payment.State{
		payment.FoundAuthorized: payment.StateAuthorized, payment.FoundApproved: payment.StateSucceeded,
		payment.FoundVoided: payment.StateVoided, payment.FoundNothing: payment.StateAuthorized,
		payment.FoundDeclined: payment.StateAuthorized, payment.FoundNoAnswer: payment.StateAuthorized,
	} {
		id := payment.OrderID("order-" + string(found))
		r.held(id)
		before := r.doubtHold(id)
		l := lookup(before, found)
		l.Result.TransactionID = before.TransactionID
		if found == payment.FoundAuthorized {
			l.Result.HoldExpires = expires
		}
		if found == payment.FoundApproved {
			l.Result.Captured = money(r.t, "60", "USD")
		}
		p := r.record(l, payment.VerdictWritten)
		d, err := l.Apply(before, plainTime(p.SeenAt))
		require.NoError(r.t, err)
		requireSame(r.t, d.Payment, p)
		require.Equal(r.t, want, p.State, found)
		h := r.history(id)
		requireGapless(r.t, h)
		switch found {
		case payment.FoundAuthorized:
			require.Equal(r.t, expires, plainTime(p.HoldExpires))
			require.WithinDuration(r.t, expires, p.DueAt, waitLimit)
		case payment.FoundApproved:
			require.Equal(r.t, money(r.t, "60", "USD"), p.Captured())
		default:
		}
		if want != payment.StateAuthorized {
			require.Equal(r.t, []payment.EventKind{payment.EventHoldEnded}, kinds(h.Events))
			require.True(r.t, p.DueAt.IsZero())
			stale := lookup(before, payment.FoundNothing)
			_, _, err := r.RecordLookup(r.t.Context(), stale)
			require.ErrorIs(r.t, err, payment.ErrFenced)
		}
	}
}

// keepsHoldInDoubt lets a lookup of the charge find that the hold has ended, while a capture may have ended it.
func keepsHoldInDoubt(r *repository) {
	for _, found := range []payment.LookupResult{payment.FoundVoided, payment.FoundApproved} {
		id := payment.OrderID("order-" + string(found))
		r.held(id)
		capture := r.claim(r.captureRequest(id, "60"), payment.VerdictClaimed)
		capture = r.settle(capture, resultFor(payment.StateUnresolved), payment.Outcome{State: payment.StateUnresolved, DueIn: liveLease})
		r.record(lookup(r.doubtHold(id), found), payment.VerdictWritten)
		p := r.find(id)
		require.Equal(r.t, payment.StateAuthorized, p.State, "the capture's own outcome decides")
		require.Equal(r.t, payment.KindCapture, p.HoldClaimedBy)
		require.Empty(r.t, r.history(id).Events)
		requireSame(r.t, capture, r.stored(capture.Ref()))
	}
}

func listsHold(r *repository) {
	held := r.held("order-1")
	r.inState(payment.StateVoided, "order-2")
	page := r.list(ports.ListQuery{States: []payment.State{payment.StateAuthorized}, Limit: 10})
	require.Len(r.t, page, 1)
	requireSame(r.t, held, page[0])
	page = r.list(ports.ListQuery{States: []payment.State{payment.StateVoided}, Limit: 10})
	require.Equal(r.t, []payment.OrderID{"order-2"}, ids(page))
	transactions, err := r.Transactions(r.t.Context(), "", 10)
	require.NoError(r.t, err)
	require.Equal(r.t, []ports.Transaction{
		{OrderID: "order-1", Gateway: held.Gateway, TransactionID: "txn-1"},
		{OrderID: "order-2", Gateway: held.Gateway, TransactionID: "txn-1"},
	}, transactions)

	n, err := r.CountForeign(r.t.Context(), []payment.GatewayID{held.Gateway})
	require.NoError(r.t, err)
	require.Zero(r.t, n)
	n, err = r.CountForeign(r.t.Context(), []payment.GatewayID{"https://other.example"})
	require.NoError(r.t, err)
	require.Equal(r.t, 1, n, "the hold, and not the one that has ended")
	policy := r.pickUpPolicy(payment.WorkHolds)
	policy.Rules.Gateway = "https://other.example"
	_, found, err := r.NextDue(r.t.Context(), policy)
	require.NoError(r.t, err)
	require.False(r.t, found)
}

func archivesEndedHold(r *repository) {
	for _, state := range []payment.State{payment.StateAuthorized, payment.StateVoided} {
		p := paymentWithHistory(r, state, payment.OrderID("order-"+state))
		page, err := r.Archivable(r.t.Context(), ports.ArchiveQuery{Limit: 10})
		require.NoError(r.t, err)
		if !state.Final() {
			require.Empty(r.t, page.Histories)
			r.requireNotArchived(p.Archival("ada"))
			continue
		}
		require.Len(r.t, page.Histories, 1)
		require.Equal(r.t, p.OrderID, page.Histories[0].Payment.OrderID)
		require.NoError(r.t, r.Archive(r.t.Context(), p.Archival("ada")))
	}
}
