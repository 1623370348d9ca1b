package portstest

import (
	"context"
	"sync"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func voidClauses() []gatewayClause {
	return []gatewayClause{
		{"void/a void releases the money", func(g *gateway) {
			h := g.hold()
			v := h.void()
			first := g.charge(v, payment.ClassApproved)
			require.NotEmpty(g.t, first.TransactionID)
			require.Equal(g.t, first, first.Sanitized())
			for range 3 {
				require.Equal(g.t, first.TransactionID, g.charge(v, payment.ClassApproved).TransactionID)
			}
			h.find(payment.FoundVoided)
			h.refuses(h.capture(4))
			require.NotEqual(g.t, payment.ClassApproved, g.Charge(g.t.Context(), h.charge).Class)
			h.find(payment.FoundVoided)
			g.requireCharges(0, h.charge.Key)
		}},
		{"void/a void is found with its transaction id", func(g *gateway) {
			h := g.hold()
			v := h.void()
			for range 2 {
				g.find(g.operationRef(v, payment.Result{}), payment.FoundNothing)
			}
			h.requireHeld()
			r := g.charge(v, payment.ClassApproved)
			require.Equal(g.t, r.TransactionID, g.find(g.operationRef(v, payment.Result{}), payment.FoundApproved).TransactionID)
		}},
		{"void/concurrent attempts with one key are one void", func(g *gateway) {
			h := g.hold()
			g.race(h.void(), payment.ClassApproved)
			h.find(payment.FoundVoided)
		}},
		{"void/a captured charge cannot be voided", func(g *gateway) {
			h := g.hold()
			g.charge(h.capture(4), payment.ClassApproved)
			v := h.void()
			h.refuses(v)
			require.NotEqual(g.t, payment.FoundApproved, g.LookUp(g.t.Context(), g.operationRef(v, payment.Result{})).Result)
			h.find(payment.FoundApproved)
		}},
		{"void/a charge that does not exist cannot be voided", func(g *gateway) {
			h := g.hold()
			v := h.void()
			v.Of.Key, v.Of.TransactionID = g.order(g.Approved).Key, "unknown"
			h.refuses(v)
			h.requireHeld()
		}},
		{"void/a cancelled context voids nothing unnoticed", func(g *gateway) {
			h := g.hold()
			g.notSent(h.void())
			h.find(payment.FoundVoided)
		}},
	}
}

func gatewayHoldRaces() []gatewayClause {
	return []gatewayClause{
		{"capture/concurrent captures take a hold once", func(g *gateway) {
			h := g.hold()
			captures := make([]payment.Charge, 12)
			for i := range captures {
				captures[i] = h.capture(4)
			}
			approved := h.atOnce(captures)
			if !g.CapturesByState {
				require.LessOrEqual(g.t, len(approved), 1)
			} else if len(approved) > 0 {
				h.find(payment.FoundApproved)
				g.requireCharges(1, h.charge.Key)
			}
		}},
		{"void/of a capture and a void at once, one at most succeeds", func(g *gateway) {
			h := g.hold()
			want := payment.FoundAuthorized // a gateway may refuse both
			for _, done := range h.atOnce([]payment.Charge{h.capture(4), h.void()}) {
				require.Equal(g.t, payment.FoundAuthorized, want, "the capture and the void have succeeded")
				want = payment.FoundApproved
				if done.Operation.Kind == payment.KindVoid {
					want = payment.FoundVoided
				}
			}
			h.find(want)
		}},
	}
}

// atOnce lets operations race, and returns those that were approved.
func (h hold) atOnce(operations []payment.Charge) (approved []payment.Charge) {
	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)
	for _, c := range operations {
		all.Go(func() {
			r := h.g.Charge(h.g.t.Context(), c)
			mu.Lock()
			defer mu.Unlock()
			if r.Class == payment.ClassApproved {
				approved = append(approved, c)
			}
		})
	}
	all.Wait()
	return approved
}

// notSent makes an attempt with a cancelled context, and then one that is approved.
func (g *gateway) notSent(c payment.Charge) {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.t.Context())
	cancel()
	r := g.Charge(ctx, c)
	require.False(g.t, r.Answered)
	require.Contains(g.t, []payment.Class{payment.ClassNotCharged, payment.ClassUnknownUnanswered}, r.Class, r.Message)
	require.Equal(g.t, payment.FoundNoAnswer, g.LookUp(ctx, g.operationRef(c, r)).Result)
	g.charge(c, payment.ClassApproved)
}
