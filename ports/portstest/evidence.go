package portstest

import (
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

func evidenceClauses() []clause {
	return []clause{
		{"evidence/a lookup is stored as the domain decides", storesLookups},
		{"evidence/a lookup repeated after a lost answer changes nothing more", repeatsLookups},
		{"evidence/an event of the gateway makes a lookup due", storesNotices},
		{"evidence/an approval is stored also if another worker holds the claim", storesApprovals},
		{"evidence/the second lookup of a failed payment is due, claimed and closes the key", closesKeyByTwoLookups},
		{"evidence/each kind of work finds its own payments", separatesWork},
		{"evidence/keys and payments of another gateway are left alone", leavesOtherGateways},
		{"evidence/work that is due further ahead than the settings permit is due", claimsDueTooFarAhead},
		{"evidence/the next due time heeds what is due too far ahead", findsFarFutures},
		{"evidence/a key that is due too far ahead is due", looksUpFarFutures},
		{"evidence/a claim with a closed key reopens it", reopensKeys},
		{"evidence/resolutions and imports store the keys", keepsKeys},
		{"evidence/archiving keeps the keys", archiveLeavesKeys},
		{"evidence/an unknown order is not found", func(r *repository) {
			p := payment.Payment{OrderID: "order-1", GatewayKey: "key-1"}
			_, _, err := r.RecordApproval(r.t.Context(), approval(p, "txn-1"))
			require.ErrorIs(r.t, err, ports.ErrNotFound)
			_, _, err = r.RecordLookup(r.t.Context(), lookup(p, payment.FoundApproved))
			require.ErrorIs(r.t, err, ports.ErrNotFound)
		}},
	}
}

// lookup is the answer to a lookup of p's key, which was sent just now.
func lookup(p payment.Payment, found payment.LookupResult) payment.LookupRecord {
	now := plainTime(time.Now())
	sent := payment.Instant{DB: plainTime(p.SeenAt), Worker: now}
	if p.SeenAt.IsZero() {
		sent.DB = now
	}
	answer := payment.Lookup{Result: found, TransactionID: "txn-7", Code: "code", Message: "message"}
	if found == payment.FoundVoided {
		answer.Code = "" // with one, it is a decline of a capture or a void
	}
	return payment.LookupRecord{
		ClaimRef: p.ClaimRef(), Key: p.GatewayKey, Replica: "replica-q", Rules: rules(), Sent: sent, Worker: now,
		Result: answer,
	}
}

// approval is the gateway's report that p's key has taken the money.
func approval(p payment.Payment, transactionID string) payment.Approval {
	return payment.Approval{
		OrderID: p.OrderID, Operation: p.Operation, Key: p.GatewayKey, Gateway: rules().Gateway, TransactionID: transactionID,
		By: "replica-b", Rules: rules(), Worker: plainTime(time.Now()),
	}
}

// record stores the answer to a lookup, and requires the verdict.
func (r *repository) record(l payment.LookupRecord, want payment.Verdict) payment.Payment {
	r.t.Helper()
	p, verdict, err := r.RecordLookup(r.t.Context(), l)
	require.NoError(r.t, err)
	require.Equal(r.t, want, verdict)
	requireSame(r.t, p, r.stored(l.Ref()))
	return p
}

// claimedForLookup is an unresolved payment whose attempts were answered, claimed for a lookup.
func (r *repository) claimedForLookup(id payment.OrderID) payment.Payment {
	r.t.Helper()
	p := r.inState(payment.StateProcessing, id)
	r.settle(p, answeredUnknown, payment.Outcome{State: payment.StateUnresolved})
	due := r.pickUp(r.pickUpPolicy(payment.WorkLookups), 1)
	require.Len(r.t, due, 1)
	require.Equal(r.t, payment.VerdictLookUp, due[0].Verdict)
	return due[0].Payment
}

func storesLookups(r *repository) {
	for found, want := range map[payment.LookupResult]payment.State{
		payment.FoundApproved: payment.StateSucceeded, payment.FoundDeclined: payment.StateDeclined,
		payment.FoundVoided: payment.StateFailed, payment.FoundNothing: payment.StateFailed,
		payment.FoundProcessing: payment.StateUnresolved, payment.FoundPending: payment.StatePending,
		payment.FoundNoAnswer: payment.StateUnresolved,
	} {
		before := r.claimedForLookup(payment.OrderID("order-" + string(found)))
		l := lookup(before, found)
		got := r.record(l, payment.VerdictWritten)
		require.Equal(r.t, want, got.State, found)
		d, err := l.Apply(before, plainTime(got.SeenAt))
		require.NoError(r.t, err)
		requireSame(r.t, d.Payment, got)
		h := r.history(before.OrderID)
		requireList(r.t, plainKeys(d.Payment.Keys), h.Keys)
		require.Equal(r.t, want.Final(), len(h.Events) == 1, found)
		requireGapless(r.t, h)
	}
}

func repeatsLookups(r *repository) {
	for _, found := range []payment.LookupResult{
		payment.FoundApproved, payment.FoundDeclined, payment.FoundVoided, payment.FoundNothing, payment.FoundProcessing,
		payment.FoundPending, payment.FoundNoAnswer,
	} {
		l := lookup(r.claimedForLookup(payment.OrderID("order-"+string(found))), found)
		r.record(l, payment.VerdictWritten)
		before := r.history(l.OrderID)
		want := payment.VerdictWritten
		if found == payment.FoundApproved {
			want = payment.VerdictReplay
		}
		r.record(l, want)
		after := r.history(l.OrderID)
		after.Payment.UpdatedAt = before.Payment.UpdatedAt
		require.Equal(r.t, before, after, found)
	}
}

func storesApprovals(r *repository) {
	for _, state := range payment.States() {
		id := payment.OrderID("order-" + state)
		before := r.inState(state, id)
		a := approval(before, "txn-9")
		a.Key = "key-elsewhere"
		got, verdict, err := r.RecordApproval(r.t.Context(), a)
		require.NoError(r.t, err)
		d, err := a.Apply(before, plainTime(got.SeenAt))
		require.NoError(r.t, err)
		require.Equal(r.t, d.Verdict, verdict)
		requireSame(r.t, d.Payment, got)
		h := r.history(id)
		requireSame(r.t, got, h.Payment)
		requireList(r.t, plainKeys(d.Payment.Keys), h.Keys)
		require.Equal(r.t, []payment.Event{plainEvent(*d.Event)}, h.Events)
		requireGapless(r.t, h)
		if !state.Approved() {
			require.Equal(r.t, payment.VerdictEvidence, verdict)
			s := settlement(before, resultFor(payment.StateDeclined), outcomeFor(payment.StateDeclined))
			require.ErrorIs(r.t, r.Settle(r.t.Context(), s), payment.ErrFenced, "its worker can settle nothing more")
		}

		_, verdict, err = r.RecordApproval(r.t.Context(), a)
		require.NoError(r.t, err)
		require.Equal(r.t, payment.VerdictReplay, verdict, "the answer to the first was lost")
		require.Equal(r.t, h, r.history(id))

		a.Key, a.TransactionID = "key-third", "txn-10"
		_, verdict, err = r.RecordApproval(r.t.Context(), a)
		require.NoError(r.t, err)
		require.Equal(r.t, payment.VerdictDouble, verdict)
		requireSame(r.t, got, func() payment.Payment {
			p := r.find(id)
			p.UpdatedAt, p.Events = got.UpdatedAt, got.Events
			return p
		}())
	}
}

// closesKeyByTwoLookups makes a key due by a rule whose Late is zero.
func closesKeyByTwoLookups(r *repository) {
	l := lookup(r.claimedForLookup("order-1"), payment.FoundNothing)
	l.Rules.Late = 0
	p := r.record(l, payment.VerdictWritten)
	require.Equal(r.t, payment.StateFailed, p.State)
	require.True(r.t, p.Doubt.Any())
	in, found, err := r.NextDue(r.t.Context(), r.pickUpPolicy(payment.WorkLookups))
	require.NoError(r.t, err)
	require.True(r.t, found)
	require.Zero(r.t, in)
	require.Empty(r.t, r.pickUp(r.pickUpPolicy(payment.WorkCharges), 10))
	require.Empty(r.t, r.pickUp(r.pickUpPolicy(payment.WorkTakeovers), 10))

	due := r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10)
	require.Len(r.t, due, 1)
	require.Equal(r.t, payment.VerdictLookUp, due[0].Verdict)
	require.Equal(r.t, p.GatewayKey, due[0].LookUp)
	require.Equal(r.t, p.Fence, due[0].Payment.Fence)
	require.Empty(r.t, r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10), "the claim has postponed it")

	l.ClaimRef, l.Sent.Worker = due[0].Payment.ClaimRef(), l.Sent.Worker.Add(time.Second)
	l.Sent.DB = l.Sent.DB.Add(time.Second)
	p = r.record(l, payment.VerdictWritten)
	require.Equal(r.t, payment.StateFailed, p.State)
	require.False(r.t, p.Doubt.Any())
	h := r.history("order-1")
	require.Equal(r.t, payment.ClosedAbsent, h.Keys[0].Closed)
	require.True(r.t, h.Keys[0].DueAt.IsZero())
	require.Equal(r.t, payment.EventKeyClosed, h.Events[len(h.Events)-1].Kind)
	_, found, err = r.NextDue(r.t.Context(), r.pickUpPolicy(payment.WorkLookups))
	require.NoError(r.t, err)
	require.False(r.t, found)
}

func separatesWork(r *repository) {
	ids := map[payment.Work]payment.OrderID{
		payment.WorkCharges: "order-scheduled", payment.WorkTakeovers: "order-expired", payment.WorkLookups: "order-stuck",
		payment.WorkHolds: "order-held",
	}
	held := notice(ids[payment.WorkHolds], r.held(ids[payment.WorkHolds]).GatewayKey)
	_, err := r.Notify(r.t.Context(), held)
	require.NoError(r.t, err)
	r.inState(payment.StateScheduled, ids[payment.WorkCharges])
	r.inState(payment.StateUnresolved, ids[payment.WorkLookups])
	a := r.claimRequest(ids[payment.WorkTakeovers])
	a.Lease = expiredLease
	r.claim(a, payment.VerdictClaimed)
	for _, work := range allWork() {
		in, found, err := r.NextDue(r.t.Context(), r.pickUpPolicy(work))
		require.NoError(r.t, err)
		require.True(r.t, found, work)
		require.Zero(r.t, in, work)
		due := r.pickUp(r.pickUpPolicy(work), 10)
		require.Len(r.t, due, 1, work)
		require.Equal(r.t, ids[work], due[0].Payment.OrderID, work)
	}
}

func leavesOtherGateways(r *repository) {
	l := lookup(r.claimedForLookup("order-key"), payment.FoundNothing)
	l.Rules.Late = 0
	r.record(l, payment.VerdictWritten)
	r.inState(payment.StateUnresolved, "order-stuck")
	a := r.claimRequest("order-expired")
	a.Lease = expiredLease
	r.claim(a, payment.VerdictClaimed)
	doubtful := r.inState(payment.StateProcessing, "order-doubtful")
	r.settle(doubtful, answeredUnknown, payment.Outcome{State: payment.StateScheduled})
	sure := r.inState(payment.StateProcessing, "order-sure")
	r.settle(sure, resultFor(payment.StateScheduled), payment.Outcome{State: payment.StateScheduled})

	before := r.history("order-stuck")
	for _, work := range allWork() {
		policy := r.pickUpPolicy(work)
		policy.Rules.Gateway = "https://other.example"
		if work != payment.WorkTakeovers { // one is due after the charge with the other gateway is claimed
			_, found, err := r.NextDue(r.t.Context(), policy)
			require.NoError(r.t, err)
			require.Equal(r.t, work == payment.WorkCharges, found, work)
		}
		for _, d := range r.pickUp(policy, 10) {
			require.Equal(r.t, payment.OrderID("order-sure"), d.Payment.OrderID, "its key is closed")
			require.Equal(r.t, policy.Rules.Gateway, d.Payment.Gateway)
			require.NotEqual(r.t, sure.GatewayKey, d.Payment.GatewayKey)
		}
	}
	require.Equal(r.t, before, r.history("order-stuck"))
	request := r.claimRequest("order-stuck")
	request.Rules.Gateway = "https://other.example"
	requireSame(r.t, before.Payment, r.claim(request, payment.VerdictForeign))
	require.Equal(r.t, before, r.history("order-stuck"))
	require.Len(r.t, r.pickUpAll(10), 4, "those of this gateway were left alone")
}

// claimsDueTooFarAhead sets due times that only a clock that has stepped back can have set.
func claimsDueTooFarAhead(r *repository) {
	r.dueSince("order-scheduled", -100*liveLease)
	p := r.inState(payment.StateProcessing, "order-unresolved")
	r.settle(p, answeredUnknown, payment.Outcome{State: payment.StateUnresolved, DueIn: 100 * liveLease})
	a := r.claimRequest("order-held")
	a.Lease = 100 * liveLease
	r.claim(a, payment.VerdictClaimed)
	r.dueSince("order-near", -liveLease)
	due := r.pickUpAll(10)
	require.Len(r.t, due, 3)
	for _, d := range due {
		require.NotEqual(r.t, payment.OrderID("order-near"), d.Payment.OrderID)
		require.Less(r.t, d.Payment.DueAt.Sub(d.Payment.SeenAt), 3*liveLease)
	}
	require.Empty(r.t, r.pickUpAll(10))

	a = r.claimRequest("order-taken")
	a.Lease = 100 * liveLease
	r.claim(a, payment.VerdictClaimed)
	p = r.claim(r.claimRequest("order-taken"), payment.VerdictClaimed)
	require.Equal(r.t, int64(2), p.Fence, "a lease never ends so late")
}

func reopensKeys(r *repository) {
	p := r.claimedForLookup("order-1")
	r.record(lookup(p, payment.FoundNothing), payment.VerdictWritten)
	r.inState(payment.StateUnresolved, "order-2")
	require.NoError(r.t, r.Resolve(r.t.Context(), resolution("order-2", notTaken)))
	for _, id := range []payment.OrderID{"order-1", "order-2"} {
		before := r.history(id)
		require.Len(r.t, before.Keys, 1)
		require.False(r.t, before.Keys[0].Closed == "" && before.Keys[0].Look.IsZero())
		p := r.claim(r.claimRequest(id), payment.VerdictClaimed)
		require.Equal(r.t, before.Payment.GatewayKey, p.GatewayKey)
		after := r.history(id)
		require.Len(r.t, after.Keys, 1)
		require.Empty(r.t, after.Keys[0].Closed)
		require.True(r.t, after.Keys[0].Look.IsZero())
		require.True(r.t, after.Keys[0].ClosedAt.IsZero())
		require.Equal(r.t, before.Keys[0].WatchUntil, after.Keys[0].WatchUntil, "lookups that follow a resolution go on")
	}
}

func keepsKeys(r *repository) {
	before := r.inState(payment.StateUnresolved, "order-1")
	require.NoError(r.t, r.Resolve(r.t.Context(), resolution("order-1", notTaken)))
	h := r.history("order-1")
	require.Len(r.t, h.Keys, 1)
	require.Equal(r.t, before.GatewayKey, h.Keys[0].Key)
	require.Equal(r.t, payment.ClosedPerson, h.Keys[0].Closed)
	require.Equal(r.t, 7*24*time.Hour, h.Keys[0].WatchUntil.Sub(h.Payment.UpdatedAt))
	due, found, err := r.NextDue(r.t.Context(), r.pickUpPolicy(payment.WorkLookups))
	require.NoError(r.t, err)
	require.True(r.t, found)
	require.Less(r.t, due, liveLease)

	held := r.inState(payment.StateProcessing, "order-2")
	i := importedCharge(r, "order-2", "txn-9")
	i.Key = "key-elsewhere"
	var refused *payment.ImportRefusedError
	_, err = r.Import(r.t.Context(), i)
	require.ErrorAs(r.t, err, &refused)
	require.Empty(r.t, r.history("order-2").Keys)
	i.Overwrite = true
	for _, want := range []payment.Verdict{payment.VerdictWritten, payment.VerdictReplay} {
		verdict, err := r.Import(r.t.Context(), i)
		require.NoError(r.t, err)
		require.Equal(r.t, want, verdict)
		h = r.history("order-2")
		require.Len(r.t, h.Keys, 1)
		require.Equal(r.t, held.GatewayKey, h.Keys[0].Key)
		require.Empty(r.t, h.Keys[0].Closed)
		require.True(r.t, h.Keys[0].Doubt.Any())
	}
	left := r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10)
	require.Len(r.t, left, 1, "the key that the payment left is looked up")
	require.Equal(r.t, held.GatewayKey, left[0].LookUp)
}

// archiveLeavesKeys archives a payment whose key has a record and is closed. The record stays.
func archiveLeavesKeys(r *repository) {
	r.record(lookup(r.claimedForLookup("order-1"), payment.FoundDeclined), payment.VerdictWritten)
	before := r.history("order-1")
	require.Len(r.t, before.Keys, 1)
	require.NoError(r.t, r.Archive(r.t.Context(), before.Payment.Archival("ada")))
	require.Equal(r.t, before.Keys, r.history("order-1").Keys)
}

// notice is the gateway's event that a charge of the order succeeded.
func notice(id payment.OrderID, key payment.GatewayKey) payment.Notice {
	return payment.Notice{OrderID: id, Key: key, Gateway: "https://gateway.example", Says: payment.FoundApproved, Rules: rules()}
}

// storesNotices makes lookups due: of a payment, of its key while a worker holds the claim, and of a key that
// the order has left.
func storesNotices(r *repository) {
	ctx := r.t.Context()
	_, err := r.Notify(ctx, notice("order-none", "key-1"))
	require.ErrorIs(r.t, err, ports.ErrNotFound)

	r.inState(payment.StatePending, "order-pending")
	pending := r.find("order-pending")
	verdict, err := r.Notify(ctx, notice("order-pending", pending.GatewayKey))
	require.NoError(r.t, err)
	require.Contains(r.t, []payment.Verdict{payment.VerdictWritten, payment.VerdictReplay}, verdict)
	require.False(r.t, r.find("order-pending").DueAt.After(pending.SeenAt.Add(time.Second)))

	held := r.inState(payment.StateProcessing, "order-held")
	for _, key := range []payment.GatewayKey{held.GatewayKey, "key-left"} {
		n := notice("order-held", key)
		n.Sent = true
		verdict, err := r.Notify(ctx, n)
		require.NoError(r.t, err)
		require.Equal(r.t, payment.VerdictWritten, verdict, key)
		verdict, err = r.Notify(ctx, n)
		require.NoError(r.t, err)
		require.Equal(r.t, payment.VerdictReplay, verdict, "%s: a lookup is due already", key)
	}
	verdict, err = r.Notify(ctx, notice("order-held", "key-of-another-order"))
	require.NoError(r.t, err)
	require.Equal(r.t, payment.VerdictUnknownKey, verdict)
	h := r.history("order-held")
	require.Len(r.t, h.Keys, 2)
	require.Equal(r.t, held.Fence, h.Payment.Fence, "the claim is unchanged")

	r.inState(payment.StateSucceeded, "order-succeeded")
	succeeded := r.history("order-succeeded")
	verdict, err = r.Notify(ctx, notice("order-succeeded", succeeded.Payment.GatewayKey))
	require.NoError(r.t, err)
	require.Equal(r.t, payment.VerdictReplay, verdict)
	require.Equal(r.t, succeeded.Payment.UpdatedAt, r.find("order-succeeded").UpdatedAt)
}
