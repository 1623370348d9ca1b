package core_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
	"paymentd/ports"
)

// Attempts beyond the script are approved, so that an attempt too many shows as a success.
func TestRound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		script   []fake.Step
		answers  []fake.Answer // to lookups
		attempts []time.Duration
		state    payment.State
		code     string
		charges  int
		lookUps  int
	}{
		{
			name: "approved", script: []fake.Step{fake.Approve()},
			attempts: seconds(0), state: payment.StateSucceeded, charges: 1,
		},
		{
			name: "declined", script: []fake.Step{fake.Decline("card_declined")},
			attempts: seconds(0), state: payment.StateDeclined, code: "card_declined",
		},
		{
			name: "rejected", script: []fake.Step{fake.Reject()},
			attempts: seconds(0), state: payment.StateFailed, code: payment.CodeRejected,
		},

		{
			name:     "refused, then approved",
			script:   []fake.Step{fake.Refuse(), fake.Refuse(), fake.Refuse(), fake.Approve()},
			attempts: seconds(0, 1, 3, 7), state: payment.StateSucceeded, charges: 1,
		},
		{
			name:     "answered without an outcome, then approved",
			script:   []fake.Step{fake.Unavailable(), fake.Unavailable(), fake.Approve()},
			attempts: seconds(0, 1, 3), state: payment.StateSucceeded, charges: 1,
		},
		{
			name:     "no answer, then approved",
			script:   []fake.Step{fake.Timeout(), fake.Approve()},
			attempts: seconds(0, 1), state: payment.StateSucceeded, charges: 1,
		},
		{
			name:     "charged, answer lost, then approved",
			script:   []fake.Step{fake.LoseAnswer(), fake.Approve()},
			attempts: seconds(0, 1), state: payment.StateSucceeded, charges: 1,
		},
		{
			name:     "charged, answered without an outcome, then approved",
			script:   []fake.Step{fake.ChargeThenServerError(), fake.Approve()},
			attempts: seconds(0, 1), state: payment.StateSucceeded, charges: 1,
		},
		{
			name:     "a decline ends the round",
			script:   []fake.Step{fake.Refuse(), fake.Unavailable(), fake.Decline("card_declined")},
			attempts: seconds(0, 1, 3), state: payment.StateDeclined, code: "card_declined", lookUps: 1,
		},

		{
			name:     "a longer Retry-After is honoured",
			script:   []fake.Step{fake.RefuseFor(5 * time.Second), fake.Refuse(), fake.Approve()},
			attempts: seconds(0, 5, 7), state: payment.StateSucceeded, charges: 1,
		},
		{
			name:     "a shorter Retry-After is not",
			script:   []fake.Step{fake.RefuseFor(time.Millisecond), fake.Approve()},
			attempts: seconds(0, 1), state: payment.StateSucceeded, charges: 1,
		},
		{
			name:     "a Retry-After beyond the wait is left to the queue",
			script:   []fake.Step{fake.RefuseFor(24 * time.Hour), fake.Approve()},
			attempts: seconds(0), state: payment.StateScheduled,
		},

		{
			name: "exhausted, provably not charged", script: four(fake.Refuse()),
			attempts: seconds(0, 1, 3, 7), state: payment.StateFailed, code: payment.CodeRetriesExhausted,
		},
		{
			name: "exhausted, and found", script: append(four(fake.Timeout())[:3], fake.LoseAnswer()),
			attempts: seconds(0, 1, 3, 7), state: payment.StateSucceeded, charges: 1, lookUps: 1,
		},
		{
			name:     "exhausted, refused after a charge, and found",
			script:   append([]fake.Step{fake.LoseAnswer()}, four(fake.Refuse())[:3]...),
			attempts: seconds(0, 1, 3, 7), state: payment.StateSucceeded, charges: 1, lookUps: 1,
		},
		{
			name:     "exhausted, and found declined",
			script:   four(fake.WithoutAnswer(fake.Decline("card_declined"))),
			attempts: seconds(0, 1, 3, 7), state: payment.StateDeclined, code: "card_declined", lookUps: 1,
		},
		{
			name: "exhausted, every unknown attempt answered, no charge", script: four(fake.Unavailable()),
			attempts: seconds(0, 1, 3, 7), state: payment.StateFailed, code: payment.CodeRetriesExhausted, lookUps: 1,
		},
		{
			name:     "exhausted, one may still be running, no charge",
			script:   append([]fake.Step{fake.Timeout()}, four(fake.Unavailable())[:3]...),
			attempts: seconds(0, 1, 3, 7), state: payment.StateUnresolved, lookUps: 1,
		},
		{
			name: "exhausted, and the gateway gives no answer", script: four(fake.Unavailable()),
			answers:  []fake.Answer{fake.NoAnswer},
			attempts: seconds(0, 1, 3, 7), state: payment.StateUnresolved, lookUps: 1,
		},
		{
			name: "exhausted, and the gateway is still processing", script: four(fake.Unavailable()),
			answers:  []fake.Answer{fake.StillProcessing},
			attempts: seconds(0, 1, 3, 7), state: payment.StateUnresolved, lookUps: 1,
		},
		{
			name:     "rejected after a charge, and found",
			script:   []fake.Step{fake.LoseAnswer(), fake.Reject()},
			attempts: seconds(0, 1), state: payment.StateSucceeded, charges: 1, lookUps: 1,
		},
		{
			name:     "rejected after an answer without an outcome, no charge",
			script:   []fake.Step{fake.Unavailable(), fake.Reject()},
			attempts: seconds(0, 1), state: payment.StateUnresolved, lookUps: 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.gateway.ScriptLookUps(tt.answers...)
				got := w.replica("a").pay()

				require.NoError(t, got.err)
				require.Equal(t, tt.attempts, w.attempts())
				require.Equal(t, tt.attempts[len(tt.attempts)-1], got.took, "returned as soon as it is known")
				require.Equal(t, tt.state, got.State)
				require.Equal(t, tt.code, got.Code)
				require.Equal(t, len(tt.attempts), got.Attempts)
				require.False(t, got.Replayed)
				require.Equal(t, tt.charges, w.gateway.Charges(order))
				require.Equal(t, tt.lookUps, w.gateway.LookUps())
				require.Len(t, w.gateway.Keys(order), 1)
				if tt.state == payment.StateUnresolved {
					require.Equal(t, lookupFirst, got.RetryAfter)
				}

				p := w.stored()
				require.Equal(t, got.State, p.State, "the returned state is durable")
				require.Equal(t, got.TransactionID, p.TransactionID)
				require.Len(t, w.history().Attempts, len(tt.attempts))
			}, tt.script...)
		})
	}
}

func TestRound_InBackoff_AttemptsAreRecorded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		got := a.send()
		w.sleepUntil(1500 * time.Millisecond)

		h, err := a.History(t.Context(), order)
		require.NoError(t, err)
		require.Equal(t, payment.StateProcessing, h.Payment.State)
		require.Len(t, h.Attempts, 3)
		require.Equal(t, payment.ClassNotCharged, h.Attempts[0].Class)
		require.Equal(t, "connection refused", h.Attempts[0].Message)
		require.Equal(t, payment.ClassUnknownAnswered, h.Attempts[1].Class)
		require.Empty(t, h.Attempts[2].Class, "planned")
		for i, at := range seconds(0, 1, 3) {
			require.Equal(t, i+1, h.Attempts[i].Number)
			require.Equal(t, at, h.Attempts[i].StartedAt.Sub(w.began))
			require.Equal(t, payment.GatewayKey("key-1"), h.Attempts[i].GatewayKey)
		}
		require.True(t, h.Payment.InBackoff(h.Payment.SeenAt))

		page, err := a.List(t.Context(), ports.ListQuery{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, h.Payment, page.Payments[0])
		require.Equal(t, payment.StateSucceeded, (<-got).State)
	}, fake.Refuse(), fake.Unavailable())
}

func TestRound_FirstAttemptApproved_MakesTwoWrites(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.pay()
		var methods []string
		for _, c := range a.wire.Calls() {
			methods = append(methods, c.Method)
		}
		require.Equal(t, []string{"Claim", "Charge", "Settle"}, methods)
		require.Empty(t, w.history().Events, "what the payment and its attempts contain is not stored twice")
		a.log.requireLine(t, "payment settled", "order_id=order-123", "state=succeeded", "attempts=1")
	})
}

// The lease is renewed at each retry.
func TestRound_LongerThanLease_KeepsTheClaim(t *testing.T) {
	slow := fake.Slow(9*time.Second, fake.Unavailable())
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica("a"), w.replica("b")
		b.queue()
		got := <-a.send()

		require.Equal(t, payment.StateSucceeded, got.State)
		require.Greater(t, got.took, lease)
		require.Equal(t, int64(1), w.stored().Fence, "not taken over")
		w.requireOnce()
	}, slow, slow, slow)
}

func TestRound_Rejected_LogsAnError(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.replica("a")
		a.pay()
		a.log.requireLine(t, "level=ERROR", "the gateway rejected the request", "order_id=order-123")
	}, fake.Reject())
}

// noTransactionID is a gateway that approves without a transaction ID, which cannot be used.
type noTransactionID struct {
	ports.Gateway

	charges, lookUps int // how many of the first answers have no transaction ID
}

func (g *noTransactionID) Charge(ctx context.Context, c payment.Charge) payment.Result {
	r := g.Gateway.Charge(ctx, c)
	if g.charges--; g.charges >= 0 {
		r.TransactionID = ""
	}
	return r
}

func (g *noTransactionID) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	l := g.Gateway.LookUp(ctx, ref)
	if g.lookUps--; g.lookUps >= 0 {
		l.TransactionID = ""
	}
	return l
}

func TestRound_ApprovalWithoutTransactionID_IsUnknown(t *testing.T) {
	for _, tt := range []struct {
		name            string
		noTransactionID noTransactionID
		attempts        []time.Duration
		state           payment.State
	}{
		{"once", noTransactionID{charges: 1}, seconds(0, 1), payment.StateSucceeded},
		{"until the lookup", noTransactionID{charges: 4}, seconds(0, 1, 3, 7), payment.StateSucceeded},
		{"and in the lookup", noTransactionID{charges: 4, lookUps: 1}, seconds(0, 1, 3, 7), payment.StateUnresolved},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				tt.noTransactionID.Gateway = w.gateway
				got := w.replicaAt("a", &tt.noTransactionID).pay()
				require.Equal(t, tt.state, got.State)
				require.Equal(t, tt.attempts, w.attempts())
				w.requireOnce()
			})
		})
	}
}
