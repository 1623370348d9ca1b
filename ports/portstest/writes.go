package portstest

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// answeredUnknown is the result of an attempt that another may follow.
var answeredUnknown = payment.Result{Class: payment.ClassUnknownAnswered, Message: "503"}

// renewal completes p's attempt, and plans the next one after delay.
func renewal(p payment.Payment, delay time.Duration) payment.Renewal {
	return payment.Renewal{
		ClaimRef: p.ClaimRef(), End: *end(answeredUnknown), Next: true, Delay: delay, Lease: liveLease, Worker: plainTime(time.Now()),
	}
}

// renewed is the payment that a renewal must have written, at the time of its update.
func renewed(r *repository, before, after payment.Payment, rn payment.Renewal) payment.Payment {
	d, err := rn.Apply(before, after.UpdatedAt)
	require.NoError(r.t, err)
	return d.Payment
}

func renewals() []clause {
	return []clause{
		{"renew/the attempt is recorded and the next one planned", func(r *repository) {
			p := r.inState(payment.StateProcessing, "order-1")
			rn := renewal(p, time.Minute)
			r.renew(rn)
			after := r.find("order-1")
			requireSame(r.t, renewed(r, p, after, rn), after)
			require.True(r.t, after.InBackoff(after.SeenAt))
			h := r.history("order-1")
			require.Equal(r.t, []payment.Class{payment.ClassUnknownAnswered, ""}, classes(h.Attempts))
			require.Equal(r.t, 250*time.Millisecond, h.Attempts[0].EndedAt.Sub(h.Attempts[0].StartedAt))
			require.Empty(r.t, h.Events)
			requireGapless(r.t, h)
		}},
		{"renew/a repeat only extends the claim", func(r *repository) {
			p := r.inState(payment.StateProcessing, "order-1")
			rn := renewal(p, time.Minute)
			r.renew(rn)
			first := r.history("order-1")
			r.renew(rn)
			second := r.history("order-1")
			require.Equal(r.t, first.Attempts, second.Attempts)
			require.Equal(r.t, first.Payment.Doubt, second.Payment.Doubt)
			require.False(r.t, second.Payment.DueAt.Before(first.Payment.DueAt))
		}},
		{"renew/without a next attempt, only the result is recorded", func(r *repository) {
			p := r.inState(payment.StateProcessing, "order-1")
			rn := renewal(p, 0)
			rn.Next = false
			r.renew(rn)
			after := r.find("order-1")
			requireSame(r.t, renewed(r, p, after, rn), after)
			r.renew(rn)
			require.Equal(r.t, []payment.Class{payment.ClassUnknownAnswered}, classes(r.history("order-1").Attempts))
		}},
		{"renew/an expired claim is live again", func(r *repository) {
			a := r.claimRequest("order-1")
			a.Lease = expiredLease
			p := r.claim(a, payment.VerdictClaimed)
			r.renew(renewal(p, 0)) // it had expired, and no worker has taken over
			r.claim(r.claimRequest("order-1"), payment.VerdictBusy)
		}},
	}
}

func settlements() []clause {
	return []clause{
		{"settle/to each outcome", func(r *repository) {
			for _, state := range payment.States()[1:] {
				id := payment.OrderID("order-" + state)
				p := r.inState(payment.StateProcessing, id)
				s := settlement(p, resultFor(state), outcomeFor(state))
				require.NoError(r.t, r.Settle(r.t.Context(), s))
				after := r.find(id)
				d, err := s.Apply(p, after.UpdatedAt)
				require.NoError(r.t, err)
				requireSame(r.t, d.Payment, after)
				require.Equal(r.t, state, after.State)
				require.Equal(r.t, state.Final(), after.DueAt.IsZero())
				requireGapless(r.t, r.history(id))
			}
		}},
		{"settle/a repeat changes nothing", func(r *repository) {
			for _, state := range payment.States()[1:] {
				id := payment.OrderID("order-" + state)
				p := r.inState(payment.StateProcessing, id)
				s := settlement(p, resultFor(state), outcomeFor(state))
				s.Event, s.DeferredRetry = payment.EventScheduled, true
				require.NoError(r.t, r.Settle(r.t.Context(), s))
				first := r.history(id)
				require.NoError(r.t, r.Settle(r.t.Context(), s))
				require.Equal(r.t, first, r.history(id))
			}
		}},
		{"settle/an attempt that never began is not recorded", func(r *repository) {
			p := r.inState(payment.StateProcessing, "order-1")
			r.renew(renewal(p, time.Minute))
			s := payment.Settlement{
				ClaimRef: r.find("order-1").ClaimRef(), Event: payment.EventScheduled,
				Outcome: payment.Outcome{State: payment.StateScheduled, Reason: "stopping"},
			}
			require.NoError(r.t, r.Settle(r.t.Context(), s))
			h := r.history("order-1")
			require.Equal(r.t, []payment.Class{payment.ClassUnknownAnswered}, classes(h.Attempts))
			require.Equal(r.t, []payment.EventKind{payment.EventScheduled}, kinds(h.Events))
			require.Equal(r.t, "scheduled: stopping", h.Events[0].Detail)
			require.Equal(r.t, 2, r.claim(r.claimRequest("order-1"), payment.VerdictClaimed).Attempt.Number)
		}},
		{"settle/a renewal whose answer was lost is not recorded twice", func(r *repository) {
			p := r.inState(payment.StateProcessing, "order-1")
			r.renew(renewal(p, time.Minute))
			s := settlement(p, answeredUnknown, outcomeFor(payment.StateScheduled)) // of before the renewal
			require.NoError(r.t, r.Settle(r.t.Context(), s))
			require.Equal(r.t, []payment.Class{payment.ClassUnknownAnswered}, classes(r.history("order-1").Attempts))
		}},
		{"settle/a fenced write changes nothing", fencesLostClaims},
		{"settle/one of a concurrent settlement and takeover counts", settleRacesTakeover},
		{"settle/long messages are cut between characters", cutsMessages},
		{"settle/the longest code and transaction id are stored", keepsLongestValues},
		{"every method/a cancelled context writes nothing", writesNothingAfterCancel},
	}
}

// fencesLostClaims lets the holder of a lost claim write, after the payment has changed.
func fencesLostClaims(r *repository) {
	changes := map[payment.OrderID]func(p payment.Payment){
		"order-taken-over": func(p payment.Payment) { r.claim(r.claimRequest(p.OrderID), payment.VerdictClaimed) },
		"order-picked-up":  func(payment.Payment) { require.NotEmpty(r.t, r.pickUpAll(10)) },
		"order-scheduled": func(p payment.Payment) {
			r.settle(p, resultFor(payment.StateFailed), outcomeFor(payment.StateFailed))
			r.claim(r.deferredRequest(p.OrderID), payment.VerdictAccepted)
		},
		"order-settled": func(p payment.Payment) {
			q := r.claim(r.claimRequest(p.OrderID), payment.VerdictClaimed)
			r.settle(q, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
		},
	}
	for id, change := range changes {
		a := r.claimRequest(id)
		a.Lease = expiredLease
		p := r.claim(a, payment.VerdictClaimed)
		change(p)
		before := r.history(id)
		require.ErrorIs(r.t, r.Renew(r.t.Context(), renewal(p, 0)), payment.ErrFenced, id)
		for _, state := range []payment.State{payment.StateDeclined, payment.StateUnresolved} {
			s := settlement(p, resultFor(state), outcomeFor(state))
			require.ErrorIs(r.t, r.Settle(r.t.Context(), s), payment.ErrFenced, id)
		}
		require.Equal(r.t, before, r.history(id))
	}
}

// settleRacesTakeover lets the holder of an expired claim race with a takeover.
func settleRacesTakeover(r *repository) {
	for i := range 24 {
		id := payment.OrderID(fmt.Sprintf("order-%d", i))
		a := r.claimRequest(id)
		a.Lease = expiredLease
		p := r.claim(a, payment.VerdictClaimed)
		var (
			both                sync.WaitGroup
			verdict             payment.Verdict
			settleErr, claimErr error
			s                   = settlement(p, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
			racers              = []func(){
				func() { settleErr = r.Settle(r.t.Context(), s) },
				func() { _, verdict, claimErr = r.Claim(r.t.Context(), a) },
			}
		)
		both.Go(racers[i%2])
		both.Go(racers[1-i%2])
		both.Wait()
		require.NoError(r.t, claimErr)
		if verdict == payment.VerdictReplay {
			require.NoError(r.t, settleErr)
			require.Equal(r.t, payment.StateSucceeded, r.find(id).State)
			continue
		}
		require.Equal(r.t, payment.VerdictClaimed, verdict)
		require.ErrorIs(r.t, settleErr, payment.ErrFenced)
		require.Equal(r.t, payment.StateProcessing, r.find(id).State)
	}
}

func cutsMessages(r *repository) {
	for id, text := range map[payment.OrderID]string{
		"order-ascii": "word ", "order-wide": "жø€漢", "order-widest": "🧾", "order-broken": "a\xff\xc3",
	} {
		long := strings.Repeat(text, 2*payment.MaxMessageBytes)
		p := r.inState(payment.StateProcessing, id)
		s := settlement(p,
			payment.Result{Class: payment.ClassDeclined, Code: "no", Message: long},
			payment.Outcome{State: payment.StateDeclined, Code: "no", Reason: long})
		s.Event = payment.EventReconciled
		require.NoError(r.t, r.Settle(r.t.Context(), s))
		h := r.history(id)
		d, err := s.Apply(p, h.Payment.UpdatedAt)
		require.NoError(r.t, err)
		requireSame(r.t, d.Payment, h.Payment)
		for _, stored := range []string{h.Payment.Reason, h.Attempts[0].Message, h.Events[0].Detail} {
			require.NotEmpty(r.t, stored)
			require.LessOrEqual(r.t, len(stored), payment.MaxMessageBytes)
			require.True(r.t, utf8.ValidString(stored))
		}
	}
}

func keepsLongestValues(r *repository) {
	code := strings.Repeat("c", payment.MaxCodeBytes)
	txn := strings.Repeat("t", payment.MaxTransactionIDBytes)
	p := r.settle(r.inState(payment.StateProcessing, "order-1"),
		payment.Result{Class: payment.ClassDeclined, Code: code},
		payment.Outcome{State: payment.StateDeclined, Code: code})
	require.Equal(r.t, code, p.Attempt.Code)
	require.Equal(r.t, code, p.Code)
	p = r.settle(r.inState(payment.StateProcessing, "order-2"),
		payment.Result{Class: payment.ClassApproved, TransactionID: txn},
		payment.Outcome{State: payment.StateSucceeded, TransactionID: txn})
	require.Equal(r.t, txn, p.TransactionID)
}
