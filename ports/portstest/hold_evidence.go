package portstest

import (
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// holdEvidence are about approvals and events of holds and of their captures.
func holdEvidence() []clause {
	return []clause{
		{"hold/an approval is stored also if another worker holds the claim", approvesHold},
		{"hold/a second hold is a double", func(r *repository) {
			held := r.held("order-1")
			for _, hold := range []bool{true, false} {
				a := approval(held, "txn-2")
				a.Key, a.Hold = "key-elsewhere", hold
				p, verdict, err := r.RecordApproval(r.t.Context(), a)
				require.NoError(r.t, err)
				if hold {
					require.Equal(r.t, payment.VerdictDouble, verdict)
				} else {
					require.Equal(r.t, payment.VerdictReplay, verdict, "the same transaction")
				}
				require.Equal(r.t, payment.StateAuthorized, p.State)
			}
			require.Equal(r.t, []payment.EventKind{payment.EventDouble}, kinds(r.history("order-1").Events))
		}},
		{"capture/an approval is stored although its worker lost the claim", approvesCapture},
		{"capture/an event makes the lookup of its key due", notifiesCaptures},
	}
}

func approvesHold(r *repository) {
	for _, state := range []payment.State{payment.StateProcessing, payment.StateUnresolved, payment.StateDeclined, payment.StateFailed} {
		id := payment.OrderID("order-" + state)
		before := r.claim(r.holdRequest(id), payment.VerdictClaimed)
		if state != payment.StateProcessing {
			before = r.settle(before, resultFor(state), outcomeFor(state))
		}
		a := approval(before, "txn-9")
		a.Hold, a.HoldExpires = true, plainTime(time.Now().Add(time.Hour))
		got, verdict, err := r.RecordApproval(r.t.Context(), a)
		require.NoError(r.t, err)
		require.Equal(r.t, payment.VerdictEvidence, verdict)
		d, err := a.Apply(before, plainTime(got.SeenAt))
		require.NoError(r.t, err)
		requireSame(r.t, d.Payment, got)
		requireSame(r.t, got, r.find(id))
		require.Equal(r.t, payment.StateAuthorized, got.State)
		require.Equal(r.t, a.HoldExpires, plainTime(got.HoldExpires))
		require.Equal(r.t, []payment.EventKind{payment.EventEvidence}, kinds(r.history(id).Events))
		late := settlement(before, resultFor(payment.StateDeclined), outcomeFor(payment.StateDeclined))
		require.ErrorIs(r.t, r.Settle(r.t.Context(), late), payment.ErrFenced)
		_, verdict, err = r.RecordApproval(r.t.Context(), a)
		require.NoError(r.t, err)
		require.Equal(r.t, payment.VerdictReplay, verdict)
	}
}

func approvesCapture(r *repository) {
	for _, state := range operationStates() {
		if state == payment.StateSucceeded {
			continue
		}
		id := payment.OrderID("order-" + state)
		r.held(id)
		before := r.operationInState(state, r.captureRequest(id, "60"))
		charge := r.find(id)
		a := approval(before, "txn-9")
		got, verdict, err := r.RecordApproval(r.t.Context(), a)
		require.NoError(r.t, err)
		require.Equal(r.t, payment.VerdictEvidence, verdict, state)
		d, err := a.Apply(before, plainTime(got.SeenAt))
		require.NoError(r.t, err)
		d = d.Account(charge, before)
		requireSame(r.t, d.Payment, got)
		requireSame(r.t, got, r.stored(before.Ref()))
		p := r.find(id)
		requireSame(r.t, *d.Charge, p)
		require.Equal(r.t, payment.StateSucceeded, p.State)
		require.Equal(r.t, money(r.t, "60", "USD"), p.Captured())

		h := r.history(id)
		_, verdict, err = r.RecordApproval(r.t.Context(), a)
		require.NoError(r.t, err)
		require.Equal(r.t, payment.VerdictReplay, verdict)
		require.Equal(r.t, h, r.history(id))
	}
}

// notifiesCaptures makes lookups due of captures and voids, which have no name.
func notifiesCaptures(r *repository) {
	for _, request := range []func(payment.OrderID) payment.ClaimRequest{
		func(id payment.OrderID) payment.ClaimRequest { return r.captureRequest(id, "") }, r.voidRequest,
	} {
		a := request("order-1")
		id := payment.OrderID("order-" + a.Operation.Kind)
		a = request(id)
		_, err := r.Notify(r.t.Context(), noticeOf(a.Operation.Kind, id, "key-1"))
		require.ErrorIs(r.t, err, ports.ErrNotFound)
		charge := r.held(id)
		p := r.claim(a, payment.VerdictClaimed)
		p = r.settle(p, resultFor(payment.StateUnresolved), payment.Outcome{State: payment.StateUnresolved, DueIn: liveLease})
		before := r.history(id)
		for _, key := range []payment.GatewayKey{charge.GatewayKey, "key-of-another-order"} {
			verdict, err := r.Notify(r.t.Context(), noticeOf(a.Operation.Kind, id, key))
			require.NoError(r.t, err)
			require.Equal(r.t, payment.VerdictUnknownKey, verdict)
		}
		verdict, err := r.Notify(r.t.Context(), noticeOf(payment.KindRefund, id, p.GatewayKey))
		require.NoError(r.t, err)
		require.Equal(r.t, payment.VerdictUnknownKey, verdict, "it is no refund's")
		require.Equal(r.t, before, r.history(id))
		require.Empty(r.t, r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10))

		verdict, err = r.Notify(r.t.Context(), noticeOf(a.Operation.Kind, id, p.GatewayKey))
		require.NoError(r.t, err)
		require.Equal(r.t, payment.VerdictWritten, verdict)
		due := r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10)
		require.Len(r.t, due, 1)
		require.Equal(r.t, p.Ref(), due[0].Payment.Ref())
		require.Equal(r.t, payment.VerdictLookUp, due[0].Verdict)
	}
}

// noticeOf is the gateway's event that an operation of the kind has succeeded.
func noticeOf(kind payment.Kind, id payment.OrderID, key payment.GatewayKey) payment.Notice {
	n := notice(id, key)
	n.Kind = kind
	return n
}
