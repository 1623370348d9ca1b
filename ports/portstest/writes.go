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

// transient is an attempt that another may follow.
var transient = payment.Result{Class: payment.ClassUnknownAnswered, Message: "503"}

// renewal ends p's attempt, and plans the next after delay.
func renewal(p payment.Payment, delay time.Duration) payment.Renewal {
	return payment.Renewal{
		ClaimRef: p.ClaimRef(), End: *end(transient), Next: true, Delay: delay, Lease: live, Worker: plainTime(time.Now()),
	}
}

// renewed is the payment as a renewal must have left it, at the time that it has.
func renewed(r *repository, before, after payment.Payment, rn payment.Renewal) payment.Payment {
	d, err := rn.Apply(before, after.UpdatedAt)
	require.NoError(r.t, err)
	return d.Payment
}

func renewals() []clause {
	return []clause{
		{"renew/the attempt is set aside and the next one planned", func(r *repository) {
			p := r.in(payment.StateProcessing, "order-1")
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
		{"renew/repeating it only holds the claim", func(r *repository) {
			p := r.in(payment.StateProcessing, "order-1")
			rn := renewal(p, time.Minute)
			r.renew(rn)
			first := r.history("order-1")
			r.renew(rn)
			second := r.history("order-1")
			require.Equal(r.t, first.Attempts, second.Attempts)
			require.Equal(r.t, first.Payment.Doubt, second.Payment.Doubt)
			require.False(r.t, second.Payment.DueAt.Before(first.Payment.DueAt))
		}},
		{"renew/without a next attempt it records the end", func(r *repository) {
			p := r.in(payment.StateProcessing, "order-1")
			rn := renewal(p, 0)
			rn.Next = false
			r.renew(rn)
			after := r.find("order-1")
			requireSame(r.t, renewed(r, p, after, rn), after)
			r.renew(rn)
			require.Equal(r.t, []payment.Class{payment.ClassUnknownAnswered}, classes(r.history("order-1").Attempts))
		}},
		{"renew/it keeps a claim alive", func(r *repository) {
			a := r.ask("order-1")
			a.Lease = dead
			p := r.claim(a, payment.VerdictClaimed)
			r.renew(renewal(p, 0)) // it had run out, and nobody has taken over
			r.claim(r.ask("order-1"), payment.VerdictBusy)
		}},
	}
}

func settlements() []clause {
	return []clause{
		{"settle/to each outcome", func(r *repository) {
			for _, state := range payment.States()[1:] {
				id := payment.OrderID("order-" + state)
				p := r.in(payment.StateProcessing, id)
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
		{"settle/repeating it changes nothing", func(r *repository) {
			for _, state := range payment.States()[1:] {
				id := payment.OrderID("order-" + state)
				p := r.in(payment.StateProcessing, id)
				s := settlement(p, resultFor(state), outcomeFor(state))
				s.Event, s.DeferredRetry = payment.EventScheduled, true
				require.NoError(r.t, r.Settle(r.t.Context(), s))
				first := r.history(id)
				require.NoError(r.t, r.Settle(r.t.Context(), s))
				require.Equal(r.t, first, r.history(id))
			}
		}},
		{"settle/an attempt that never began leaves no trace", func(r *repository) {
			p := r.in(payment.StateProcessing, "order-1")
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
			require.Equal(r.t, 2, r.claim(r.ask("order-1"), payment.VerdictClaimed).Attempt.Number)
		}},
		{"settle/a renewal whose answer was lost is not recorded twice", func(r *repository) {
			p := r.in(payment.StateProcessing, "order-1")
			r.renew(renewal(p, time.Minute))
			s := settlement(p, transient, outcomeFor(payment.StateScheduled)) // as if it were not stored
			require.NoError(r.t, r.Settle(r.t.Context(), s))
			require.Equal(r.t, []payment.Class{payment.ClassUnknownAnswered}, classes(r.history("order-1").Attempts))
		}},
		{"a fenced write changes nothing", fences},
		{"of a settle and a takeover at once one counts", settlesOrTakesOver},
		{"long words are cut and are still words", cuts},
		{"a gateway's longest code and transaction id are kept", keepsLongest},
		{"a context that has ended leaves no trace", leavesNoTrace},
	}
}

// fences lets the holder of an old claim write, after the payment went on without it.
func fences(r *repository) {
	goOn := map[payment.OrderID]func(p payment.Payment){
		"order-taken-over": func(p payment.Payment) { r.claim(r.ask(p.OrderID), payment.VerdictClaimed) },
		"order-picked-up":  func(payment.Payment) { require.NotEmpty(r.t, r.pickUpAll(10)) },
		"order-scheduled": func(p payment.Payment) {
			r.settle(p, resultFor(payment.StateFailed), outcomeFor(payment.StateFailed))
			r.claim(r.later(p.OrderID), payment.VerdictAccepted)
		},
		"order-settled": func(p payment.Payment) {
			q := r.claim(r.ask(p.OrderID), payment.VerdictClaimed)
			r.settle(q, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
		},
	}
	for id, on := range goOn {
		a := r.ask(id)
		a.Lease = dead
		p := r.claim(a, payment.VerdictClaimed)
		on(p)
		before := r.history(id)
		require.ErrorIs(r.t, r.Renew(r.t.Context(), renewal(p, 0)), payment.ErrFenced, id)
		for _, state := range []payment.State{payment.StateDeclined, payment.StateUnresolved} {
			s := settlement(p, resultFor(state), outcomeFor(state))
			require.ErrorIs(r.t, r.Settle(r.t.Context(), s), payment.ErrFenced, id)
		}
		require.Equal(r.t, before, r.history(id))
	}
}

// settlesOrTakesOver lets the holder of a claim that has run out race with whoever takes
// it over.
func settlesOrTakesOver(r *repository) {
	for i := range 24 {
		id := payment.OrderID(fmt.Sprintf("order-%d", i))
		a := r.ask(id)
		a.Lease = dead
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

func cuts(r *repository) {
	for id, word := range map[payment.OrderID]string{
		"order-ascii": "word ", "order-wide": "жø€漢", "order-widest": "🧾", "order-broken": "a\xff\xc3",
	} {
		long := strings.Repeat(word, 2*payment.MaxMessageBytes)
		p := r.in(payment.StateProcessing, id)
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

func keepsLongest(r *repository) {
	code := strings.Repeat("c", payment.MaxCodeBytes)
	txn := strings.Repeat("t", payment.MaxTransactionIDBytes)
	p := r.settle(r.in(payment.StateProcessing, "order-1"),
		payment.Result{Class: payment.ClassDeclined, Code: code},
		payment.Outcome{State: payment.StateDeclined, Code: code})
	require.Equal(r.t, code, p.Attempt.Code)
	require.Equal(r.t, code, p.Code)
	p = r.settle(r.in(payment.StateProcessing, "order-2"),
		payment.Result{Class: payment.ClassApproved, TransactionID: txn},
		payment.Outcome{State: payment.StateSucceeded, TransactionID: txn})
	require.Equal(r.t, txn, p.TransactionID)
}
