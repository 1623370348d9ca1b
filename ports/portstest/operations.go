package portstest

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// operations are about the writes and reads of operations that are not charges.
func operations() []clause {
	return []clause{
		{"operation/an attempt is recorded and the next one planned", renewsRefund},
		{"operation/each outcome is settled as the domain decides", settlesRefund},
		{"operation/a fenced write changes nothing", fencesRefunds},
		{"operation/an approval is stored also if another worker holds the claim", approvesRefund},
		{"operation/an event makes the lookup of its key due", notifiesRefund},
		{"operation/a claim with a closed key reopens it", reopensRefundKey},
		{"operation/the history has the oldest first, each with its own records", recordsOperations},
		{"operation/an archived charge keeps its operations", archivesBesideRefund},
		{"operation/one that was never requested is not found", findsNoOperation},
		{"operation/lists of payments have only charges", func(r *repository) {
			charge := r.charged("order-1")
			r.refundInState(payment.StateSucceeded, "order-1", "r-1", "25")
			require.Len(r.t, r.list(ports.ListQuery{Limit: 10}), 1)
			transactions, err := r.Transactions(r.t.Context(), "", 10)
			require.NoError(r.t, err)
			require.Equal(r.t, []ports.Transaction{
				{OrderID: "order-1", Gateway: charge.Gateway, TransactionID: charge.TransactionID},
			}, transactions)
		}},
		{"operation/a repeat of the charge's request is replayed", func(r *repository) {
			r.charged("order-1")
			r.refundInState(payment.StateSucceeded, "order-1", "r-1", "25")
			before := r.history("order-1")
			p := r.claim(r.claimRequest("order-1"), payment.VerdictReplay)
			require.Equal(r.t, int64(2500), p.RefundReserved)
			require.Equal(r.t, before, r.history("order-1"))
		}},
		{"operation/a double charge is recorded beside the refunds", func(r *repository) {
			charge := r.charged("order-1")
			r.refund("order-1", "r-1", "25")
			second := approval(charge, "txn-2")
			second.Key = "key-elsewhere"
			_, verdict, err := r.RecordApproval(r.t.Context(), second)
			require.NoError(r.t, err)
			require.Equal(r.t, payment.VerdictDouble, verdict)
			require.Equal(r.t, "25.00", r.reserved("order-1"))
		}},
		{"operation/a cancelled context writes nothing", writesNoOperationAfterCancel},
	}
}

func renewsRefund(r *repository) {
	r.charged("order-1")
	before := r.history("order-1")
	p := r.refund("order-1", "r-1", "25")
	rn := renewal(p, time.Minute)
	r.renew(rn)
	after := r.stored(p.Ref())
	requireSame(r.t, renewed(r, p, after, rn), after)
	require.True(r.t, after.InBackoff(after.SeenAt))
	first := r.operation(p.Ref())
	r.renew(rn)
	h := r.operation(p.Ref())
	require.Equal(r.t, first.Attempts, h.Attempts, "a repeat only extends the claim")
	require.Equal(r.t, []payment.Class{payment.ClassUnknownAnswered, ""}, classes(h.Attempts))
	requireGapless(r.t, h)
	r.requireChargeAsBefore(before)
}

func settlesRefund(r *repository) {
	for _, state := range operationStates()[1:] {
		id := payment.OrderID("order-" + state)
		r.charged(id)
		p := r.refund(id, "r-1", "25")
		s := settlement(p, resultFor(state), outcomeFor(state))
		s.Event = payment.EventReconciled
		require.NoError(r.t, r.Settle(r.t.Context(), s))
		h := r.operation(p.Ref())
		d, err := s.Apply(p, h.Payment.UpdatedAt)
		require.NoError(r.t, err)
		requireSame(r.t, d.Payment, h.Payment)
		require.Equal(r.t, []payment.Event{plainEvent(*d.Event)}, h.Events)
		requireGapless(r.t, h)
	}
}

func reopensRefundKey(r *repository) {
	r.charged("order-1")
	p := r.refundInState(payment.StateUnresolved, "order-1", "r-1", "25")
	failed := resolution("order-1", notTaken)
	failed.Operation = p.Operation
	require.NoError(r.t, r.Resolve(r.t.Context(), failed))
	require.Equal(r.t, payment.ClosedPerson, r.operation(p.Ref()).Keys[0].Closed)
	again := r.claim(r.refundRequest("order-1", "r-1", ""), payment.VerdictClaimed)
	require.Equal(r.t, p.GatewayKey, again.GatewayKey)
	keys := r.operation(p.Ref()).Keys
	require.Len(r.t, keys, 1)
	require.Empty(r.t, keys[0].Closed)
	require.False(r.t, keys[0].WatchUntil.IsZero(), "lookups that follow a resolution go on")
}

func archivesBesideRefund(r *repository) {
	paymentWithHistory(r, payment.StateSucceeded, "order-1")
	r.refundInState(payment.StateDeclined, "order-1", "r-1", "25")
	r.claim(r.refundRequest("order-1", "r-1", "1"), payment.VerdictMismatch)
	r.refund("order-1", "r-1", "25")
	before := r.history("order-1")
	require.NoError(r.t, r.Archive(r.t.Context(), r.find("order-1").Archival("ada")))
	require.Equal(r.t, before.Operations, r.history("order-1").Operations)
	require.Equal(r.t, "25.00", r.reserved("order-1"))
}

// fencesRefunds lets the holder of a lost claim on a refund write.
func fencesRefunds(r *repository) {
	changes := map[payment.OrderID]func(p payment.Payment){
		"order-taken-over": func(p payment.Payment) {
			r.claim(r.refundRequest(p.OrderID, "r-1", ""), payment.VerdictClaimed)
		},
		"order-picked-up": func(payment.Payment) { require.NotEmpty(r.t, r.pickUpAll(10)) },
		"order-settled": func(p payment.Payment) {
			q := r.claim(r.refundRequest(p.OrderID, "r-1", ""), payment.VerdictClaimed)
			r.settle(q, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
		},
	}
	for id, change := range changes {
		r.charged(id)
		a := r.refundRequest(id, "r-1", "25")
		a.Lease = expiredLease
		p := r.claim(a, payment.VerdictClaimed)
		change(p)
		before := r.history(id)
		require.ErrorIs(r.t, r.Renew(r.t.Context(), renewal(p, 0)), payment.ErrFenced, id)
		for _, state := range []payment.State{payment.StateDeclined, payment.StateUnresolved} {
			s := settlement(p, resultFor(state), outcomeFor(state))
			require.ErrorIs(r.t, r.Settle(r.t.Context(), s), payment.ErrFenced, id)
		}
		_, _, err := r.RecordLookup(r.t.Context(), lookup(p, payment.FoundVoided))
		require.ErrorIs(r.t, err, payment.ErrFenced, id)
		require.Equal(r.t, before, r.history(id))
		require.Equal(r.t, "25.00", r.reserved(id), id)
	}
}

func approvesRefund(r *repository) {
	for _, state := range operationStates() {
		id := payment.OrderID("order-" + state)
		r.charged(id)
		charge := r.history(id)
		before := r.refundInState(state, id, "r-1", "25")
		a := approval(before, "txn-9")
		a.Key = "key-elsewhere"
		got, verdict, err := r.RecordApproval(r.t.Context(), a)
		require.NoError(r.t, err)
		d, err := a.Apply(before, plainTime(got.SeenAt))
		require.NoError(r.t, err)
		require.Equal(r.t, d.Verdict, verdict)
		requireSame(r.t, d.Payment, got)
		h := r.operation(before.Ref())
		requireSame(r.t, got, h.Payment)
		requireList(r.t, plainKeys(d.Payment.Keys), h.Keys)
		require.Equal(r.t, []payment.Event{plainEvent(*d.Event)}, h.Events)
		requireGapless(r.t, h)
		require.Equal(r.t, "25.00", r.reserved(id))
		r.requireChargeAsBefore(charge)
	}
}

// refundNotice is the gateway's event that a refund of the order succeeded.
func refundNotice(id payment.OrderID, key payment.GatewayKey) payment.Notice {
	n := notice(id, key)
	n.Kind = payment.KindRefund
	return n
}

// notifiesRefund makes lookups due of the refund whose key the event names: its current one, one with a record,
// and one of an attempt.
func notifiesRefund(r *repository) {
	ctx := r.t.Context()
	_, err := r.Notify(ctx, refundNotice("order-none", "key-1"))
	require.ErrorIs(r.t, err, ports.ErrNotFound)

	charge := r.charged("order-1")
	first := r.refundInState(payment.StateDeclined, "order-1", "r-1", "10")
	second := r.refund("order-1", "r-1", "10") // with another key
	require.NotEqual(r.t, first.GatewayKey, second.GatewayKey)
	other := r.refundInState(payment.StatePending, "order-1", "r-2", "10")
	before := r.history("order-1")
	for _, key := range []payment.GatewayKey{charge.GatewayKey, "key-of-another-order"} {
		verdict, err := r.Notify(ctx, refundNotice("order-1", key))
		require.NoError(r.t, err)
		require.Equal(r.t, payment.VerdictUnknownKey, verdict, "%s is no refund's", key)
	}
	require.Equal(r.t, before, r.history("order-1"))

	for _, key := range []payment.GatewayKey{second.GatewayKey, first.GatewayKey} {
		verdict, err := r.Notify(ctx, refundNotice("order-1", key))
		require.NoError(r.t, err)
		require.Equal(r.t, payment.VerdictWritten, verdict, key)
		verdict, err = r.Notify(ctx, refundNotice("order-1", key))
		require.NoError(r.t, err)
		require.Equal(r.t, payment.VerdictReplay, verdict, "%s: a lookup is due already", key)
	}
	h := r.operation(second.Ref())
	require.Len(r.t, h.Keys, 2)
	require.Equal(r.t, second.Fence, h.Payment.Fence, "the claim is unchanged")
	require.Equal(r.t, before.Operations[1], r.operation(other.Ref()), "the other refund is unchanged")
	r.requireChargeAsBefore(before)

	r.returnedNotice()
}

// returnedNotice: an event that the money of a succeeded refund came back makes its lookup due.
func (r *repository) returnedNotice() {
	r.t.Helper()
	r.charged("order-2")
	p := r.refundInState(payment.StateSucceeded, "order-2", "r-1", "25")
	n := refundNotice("order-2", p.GatewayKey)
	verdict, err := r.Notify(r.t.Context(), n)
	require.NoError(r.t, err)
	require.Equal(r.t, payment.VerdictReplay, verdict, "the success is recorded")
	n.Says = payment.FoundReturned
	verdict, err = r.Notify(r.t.Context(), n)
	require.NoError(r.t, err)
	require.Equal(r.t, payment.VerdictWritten, verdict)
	for _, d := range r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10) {
		if d.Payment.Ref() == p.Ref() {
			require.Equal(r.t, p.GatewayKey, d.LookUp)
			r.record(lookup(d.Payment, payment.FoundReturned), payment.VerdictReturned)
		}
	}
	require.Equal(r.t, "0", r.reserved("order-2"))
}

func recordsOperations(r *repository) {
	paymentWithHistory(r, payment.StateSucceeded, "order-1")
	charge := r.history("order-1")
	want := make([]ports.History, 0, 4)
	for i, name := range []string{"r-9", "r-1", "r-5"} {
		p := r.refundInState(payment.StateDeclined, "order-1", name, "10")
		r.laterThan(p.CreatedAt)
		r.claim(r.refundRequest("order-1", name, "11"), payment.VerdictMismatch)
		p = r.refund("order-1", name, "10")
		for range i {
			r.renew(renewal(p, 0))
			p = r.stored(p.Ref())
		}
		if i > 0 {
			n := refundNotice("order-1", p.GatewayKey)
			_, err := r.Notify(r.t.Context(), n)
			require.NoError(r.t, err)
		}
		h := r.operation(p.Ref())
		require.Len(r.t, h.Attempts, 2+i, name)
		require.Len(r.t, h.Events, 1, name)
		require.Len(r.t, h.Keys, min(i, 1), name)
		want = append(want, h)
	}
	h := r.history("order-1")
	require.Equal(r.t, want, h.Operations)
	requireGapless(r.t, h)
	r.requireChargeAsBefore(charge)
	for _, operation := range h.Operations {
		requireSame(r.t, operation.Payment, r.stored(operation.Payment.Ref()))
	}
}

func findsNoOperation(r *repository) {
	ctx := r.t.Context()
	r.charged("order-1")
	r.refund("order-1", "r-1", "25")
	before := r.history("order-1")
	for _, ref := range []payment.Ref{refundRef("order-1", "r-2"), refundRef("order-2", "r-1")} {
		p := payment.Payment{
			OrderID: ref.OrderID, Operation: ref.Operation, GatewayKey: "key", State: payment.StateProcessing,
			Attempt: payment.Attempt{Number: 1},
		}
		resolved := resolution(ref.OrderID, notTaken)
		resolved.Operation = ref.Operation
		for name, call := range map[string]func() error{
			"FindOperation":  func() error { _, err := r.FindOperation(ctx, ref); return err },
			"Renew":          func() error { return r.Renew(ctx, renewal(p, 0)) },
			"Settle":         func() error { return r.Settle(ctx, settlement(p, answeredUnknown, taken)) },
			"RecordLookup":   func() error { _, _, err := r.RecordLookup(ctx, lookup(p, payment.FoundApproved)); return err },
			"RecordApproval": func() error { _, _, err := r.RecordApproval(ctx, approval(p, "txn-1")); return err },
			"Resolve":        func() error { return r.Resolve(ctx, resolved) },
		} {
			require.ErrorIs(r.t, call(), ports.ErrNotFound, fmt.Sprint(name, ref))
		}
	}
	require.Equal(r.t, before, r.history("order-1"))
}

func writesNoOperationAfterCancel(r *repository) {
	r.charged("order-1")
	held := r.refund("order-1", "r-1", "25")
	before := r.history("order-1")
	ctx := cancelled(r.t.Context())
	for method, call := range map[string]func() error{
		"Claim":  func() error { _, _, err := r.Claim(ctx, r.refundRequest("order-1", "r-2", "1")); return err },
		"Renew":  func() error { return r.Renew(ctx, renewal(held, time.Second)) },
		"Settle": func() error { return r.Settle(ctx, settlement(held, resultFor(payment.StateDeclined), taken)) },
		"RecordLookup": func() error {
			_, _, err := r.RecordLookup(ctx, lookup(held, payment.FoundVoided))
			return err
		},
		"Notify":        func() error { _, err := r.Notify(ctx, refundNotice("order-1", held.GatewayKey)); return err },
		"FindOperation": func() error { _, err := r.FindOperation(ctx, held.Ref()); return err },
	} {
		err := call()
		require.Error(r.t, err, method)
		require.NotErrorIs(r.t, err, ports.ErrNotFound, method)
		require.NotErrorIs(r.t, err, payment.ErrFenced, method)
	}
	require.Equal(r.t, before, r.history("order-1"))
}
