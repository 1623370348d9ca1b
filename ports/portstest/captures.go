package portstest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// captures are about requests that end a hold: captures and voids.
func captures() []clause {
	return []clause{
		{"capture/all of a hold", func(r *repository) { capturesHold(r, "", "100") }},
		{"capture/a part of a hold", func(r *repository) { capturesHold(r, "60", "60") }},
		{"capture/one that is accepted for later is claimed by the queue", capturesLater},
		{"capture/more than is held is refused", func(r *repository) {
			r.held("order-1")
			require.Equal(r.t, "100.00 USD", r.refuse(r.captureRequest("order-1", "100.01")).String())
			other := r.captureRequest("order-1", "")
			other.Money = money(r.t, "100", "EUR")
			require.Equal(r.t, "100.00 USD", r.refuse(other).String())
			_, err := r.FindOperation(r.t.Context(), captureRef("order-1"))
			require.ErrorIs(r.t, err, ports.ErrNotFound)
		}},
		{"capture/the same request is the same capture, and another amount is a mismatch", repeatsCapture},
		{"capture/a gateway that can neither capture nor void is asked nothing", func(r *repository) {
			r.held("order-1")
			for _, a := range []payment.ClaimRequest{r.captureRequest("order-1", ""), r.voidRequest("order-1")} {
				a.Rules.Operations = payment.OperationRefund
				r.refuse(a)
			}
		}},
		{"capture/only an authorized payment is captured or voided", refusesWithoutHold},
		{"capture/an expired claim is taken over with its gateway key", takesOverCapture},
		{"void/it releases the hold", voidsHold},
		{"void/its history is kept beside that of the charge", recordsVoid},
	}
}

func captureRef(id payment.OrderID) payment.Ref {
	return payment.Ref{OrderID: id, Operation: payment.OperationID{Kind: payment.KindCapture}}
}

// captureRequest returns a request for a claim on the capture of an order, in USD and with a live lease. An empty
// amount is all of it.
func (r *repository) captureRequest(id payment.OrderID, amount string) payment.ClaimRequest {
	a := r.claimRequest(id)
	a.Operation, a.Money = captureRef(id).Operation, payment.Money{}
	if amount != "" {
		a.Money = money(r.t, amount, "USD")
	}
	return a
}

// voidRequest is captureRequest for a void.
func (r *repository) voidRequest(id payment.OrderID) payment.ClaimRequest {
	a := r.captureRequest(id, "")
	a.Operation.Kind = payment.KindVoid
	return a
}

// operationInState brings a new operation into a state, with one attempt unless it is scheduled.
func (r *repository) operationInState(state payment.State, a payment.ClaimRequest) payment.Payment {
	r.t.Helper()
	if state == payment.StateScheduled {
		a.Deferred = true
		return r.claim(a, payment.VerdictAccepted)
	}
	p := r.claim(a, payment.VerdictClaimed)
	if state != payment.StateProcessing {
		p = r.settle(p, resultFor(state), outcomeFor(state))
	}
	return p
}

// requireRefused requires that a request is refused because of the payment's state, and changes nothing.
func (r *repository) requireRefused(a payment.ClaimRequest, state payment.State) {
	r.t.Helper()
	before := r.history(a.OrderID)
	_, _, err := r.Claim(r.t.Context(), a)
	var refused *payment.OperationRefusedError
	require.ErrorAs(r.t, err, &refused)
	require.Equal(r.t, state, refused.State)
	require.Equal(r.t, before, r.history(a.OrderID))
}

// requireUnderLock requires that an operation and its charge are what a settlement decided about both as they
// were before.
func requireUnderLock(
	t testing.TB, r *repository, s payment.Settlement, charge, p payment.Payment,
) (after, chargeAfter payment.Payment) {
	t.Helper()
	require.NoError(t, r.Settle(t.Context(), s))
	after, chargeAfter = r.stored(p.Ref()), r.find(p.OrderID)
	d, err := s.Apply(p, after.UpdatedAt)
	require.NoError(t, err)
	d = d.Account(charge, p)
	requireSame(t, d.Payment, after)
	require.NotNil(t, d.Charge)
	requireSame(t, *d.Charge, chargeAfter)
	h := r.history(p.OrderID)
	require.NoError(t, r.Settle(t.Context(), s), "the answer was lost")
	require.Equal(t, h, r.history(p.OrderID))
	return after, chargeAfter
}

func capturesHold(r *repository, amount, want string) {
	held := r.held("order-1")
	a := r.captureRequest("order-1", amount)
	p := r.claim(a, payment.VerdictClaimed)
	d, err := a.DecideOperation(held, nil, p.CreatedAt)
	require.NoError(r.t, err)
	requireSame(r.t, d.Payment, p)
	requireSame(r.t, p, r.stored(captureRef("order-1")))
	require.Equal(r.t, money(r.t, want, "USD"), p.Money)
	require.Equal(r.t, payment.ChargeID{Key: held.GatewayKey, Gateway: held.Gateway, TransactionID: held.TransactionID}, p.Of)
	charge := r.find("order-1")
	requireSame(r.t, *d.Charge, charge)
	require.Equal(r.t, payment.KindCapture, charge.HoldClaimedBy)
	require.Equal(r.t, 1, charge.Operations)

	s := settlement(p, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
	_, after := requireUnderLock(r.t, r, s, charge, p)
	require.Equal(r.t, payment.StateSucceeded, after.State)
	require.Equal(r.t, money(r.t, want, "USD"), after.Captured())
	require.Equal(r.t, held.Money, after.Money)
	require.Equal(r.t, held.TransactionID, after.TransactionID)
	require.True(r.t, after.DueAt.IsZero())
	requireSame(r.t, after, r.claim(r.holdRequest("order-1"), payment.VerdictReplay))
	require.Empty(r.t, r.pickUpAll(10))
}

func capturesLater(r *repository) {
	r.held("order-1")
	a := r.captureRequest("order-1", "60")
	a.Deferred, a.Async = true, true
	p := r.claim(a, payment.VerdictAccepted)
	require.Equal(r.t, payment.KindCapture, r.find("order-1").HoldClaimedBy)
	r.requireOpen(r.voidRequest("order-1"))
	due := r.pickUp(r.pickUpPolicy(payment.WorkCharges), 10)
	require.Len(r.t, due, 1)
	require.Equal(r.t, payment.VerdictClaimed, due[0].Verdict)
	require.Equal(r.t, p.Ref(), due[0].Payment.Ref())
	requireSame(r.t, due[0].Payment, r.stored(p.Ref()))
}

// requireOpen requires that a request must wait, or is refused because the hold is claimed, and changes nothing.
func (r *repository) requireOpen(a payment.ClaimRequest) {
	r.t.Helper()
	before := r.history(a.OrderID)
	_, _, err := r.Claim(r.t.Context(), a)
	require.Error(r.t, err)
	if refused := (*payment.OperationRefusedError)(nil); a.Operation.Kind == payment.KindRefund {
		require.ErrorIs(r.t, err, payment.ErrChargeOpen)
	} else {
		require.ErrorAs(r.t, err, &refused)
		require.Equal(r.t, payment.StateAuthorized, refused.State)
	}
	require.Equal(r.t, before, r.history(a.OrderID))
}

func repeatsCapture(r *repository) {
	r.held("order-1")
	p := r.claim(r.captureRequest("order-1", "60"), payment.VerdictClaimed)
	for _, amount := range []string{"60", ""} {
		requireSame(r.t, p, r.claim(r.captureRequest("order-1", amount), payment.VerdictBusy))
	}
	p = r.settle(p, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
	for _, amount := range []string{"60", ""} {
		requireSame(r.t, p, r.claim(r.captureRequest("order-1", amount), payment.VerdictReplay))
	}
	r.claim(r.captureRequest("order-1", "40"), payment.VerdictMismatch)
	h := r.operation(captureRef("order-1"))
	require.Equal(r.t, "requested 40.00 USD, but the order is for 60.00 USD", h.Events[0].Detail)
	charge := r.find("order-1")
	require.Equal(r.t, money(r.t, "60", "USD"), charge.Captured())
	require.Equal(r.t, 1, charge.Operations)
	require.Len(r.t, r.history("order-1").Operations, 1)
}

func refusesWithoutHold(r *repository) {
	for _, state := range payment.States() {
		if state == payment.StateAuthorized {
			continue
		}
		id := payment.OrderID("order-" + state)
		r.inState(state, id)
		for _, a := range []payment.ClaimRequest{r.captureRequest(id, ""), r.voidRequest(id)} {
			if state.Final() {
				r.requireRefused(a, state)
				continue
			}
			before := r.history(id)
			_, _, err := r.Claim(r.t.Context(), a)
			require.ErrorIs(r.t, err, payment.ErrChargeOpen, state)
			require.Equal(r.t, before, r.history(id))
		}
	}
	for _, a := range []payment.ClaimRequest{r.captureRequest("order-0", ""), r.voidRequest("order-0")} {
		_, _, err := r.Claim(r.t.Context(), a)
		require.ErrorIs(r.t, err, ports.ErrNotFound)
	}
}

func takesOverCapture(r *repository) {
	r.held("order-1")
	a := r.captureRequest("order-1", "60")
	a.Lease = expiredLease
	first := r.claim(a, payment.VerdictClaimed)
	due := r.pickUp(r.pickUpPolicy(payment.WorkTakeovers), 10)
	require.Len(r.t, due, 1)
	second := due[0].Payment
	require.Equal(r.t, first.Ref(), second.Ref())
	require.Equal(r.t, first.GatewayKey, second.GatewayKey)
	require.True(r.t, second.Doubt.Any(), "the first attempt may have captured")
	require.Equal(r.t, payment.KindCapture, r.find("order-1").HoldClaimedBy)
	late := settlement(first, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
	require.ErrorIs(r.t, r.Settle(r.t.Context(), late), payment.ErrFenced)
	require.Equal(r.t, payment.StateAuthorized, r.find("order-1").State)
	r.settle(second, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
	require.Equal(r.t, payment.StateSucceeded, r.find("order-1").State)
}

func voidsHold(r *repository) {
	held := r.held("order-1")
	a := r.voidRequest("order-1")
	p := r.claim(a, payment.VerdictClaimed)
	require.Equal(r.t, held.Money, p.Money)
	require.Equal(r.t, payment.OperationID{Kind: payment.KindVoid}, p.Operation)
	charge := r.find("order-1")
	require.Equal(r.t, payment.KindVoid, charge.HoldClaimedBy)
	r.requireOpen(r.captureRequest("order-1", ""))
	s := settlement(p, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
	p, after := requireUnderLock(r.t, r, s, charge, p)
	require.Equal(r.t, payment.StateVoided, after.State)
	require.True(r.t, after.DueAt.IsZero())

	requireSame(r.t, p, r.claim(r.voidRequest("order-1"), payment.VerdictReplay))
	requireSame(r.t, after, r.claim(r.holdRequest("order-1"), payment.VerdictVoided))
	r.requireRefused(r.captureRequest("order-1", ""), payment.StateVoided)
	r.requireRefused(r.refundRequest("order-1", "r-1", ""), payment.StateVoided)
}

func recordsVoid(r *repository) {
	r.held("order-1")
	a := r.voidRequest("order-1")
	a.By, a.Note = "ada", strings.Repeat("é", payment.MaxMessageBytes/2)
	p := r.claim(a, payment.VerdictClaimed)
	r.renew(renewal(p, time.Minute))
	h := r.operation(p.Ref())
	requireGapless(r.t, r.history("order-1"))
	require.Equal(r.t, []payment.Class{payment.ClassUnknownAnswered, ""}, classes(h.Attempts))
	require.Equal(r.t, "ada", h.Events[0].Replica)
	require.Equal(r.t, a.Note, h.Payment.Note)
	requireSame(r.t, h.Payment, r.stored(p.Ref()))
	_, err := r.FindOperation(r.t.Context(), captureRef("order-1"))
	require.ErrorIs(r.t, err, ports.ErrNotFound)
	require.Empty(r.t, r.history("order-1").Events, "the charge has its own events")
}
